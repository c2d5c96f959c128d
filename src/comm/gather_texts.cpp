#include "comm/gather_texts.h"

#include <span>

namespace regatta {

std::vector<std::string> gather_texts(std::string_view mine, Communicator& world) {
  std::vector<std::string> texts;
  for (const auto& bytes : world.all_gather(std::as_bytes(std::span(mine))))
    texts.emplace_back(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return texts;
}

}  // namespace regatta
