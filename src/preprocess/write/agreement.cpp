#include "preprocess/write/agreement.h"

#include "core/error.h"

#include <cstddef>
#include <cstring>
#include <exception>
#include <span>
#include <string>

namespace regatta {

void run_on_all(Communicator& world, const std::function<void()>& work) {
  std::string failure;  // exit code as one byte, then the message; empty = none
  try {
    work();
  } catch (const Error& error) {
    failure = std::string(1, static_cast<char>(error.code())) + error.what();
  } catch (const std::bad_alloc&) {
    failure = std::string(1, static_cast<char>(ExitCode::kDevice)) +
              "out of memory while preprocessing; use a machine with more memory";
  } catch (const std::exception& error) {
    failure = std::string(1, static_cast<char>(ExitCode::kInternal)) + error.what();
  }
  const auto all = world.all_gather(std::as_bytes(std::span<const char>(failure)));
  for (const auto& bytes : all) {
    if (bytes.empty())
      continue;
    const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    throw Error(static_cast<ExitCode>(static_cast<unsigned char>(text[0])), text.substr(1));
  }
}

}  // namespace regatta
