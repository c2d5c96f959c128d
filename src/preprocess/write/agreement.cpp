#include "preprocess/write/agreement.h"

#include "comm/gather_texts.h"
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
  for (const std::string& text : gather_texts(failure, world)) {
    if (text.empty())
      continue;
    throw Error(static_cast<ExitCode>(static_cast<unsigned char>(text[0])), text.substr(1));
  }
}

}  // namespace regatta
