#include "fuzz/mutation.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstring>

namespace regatta::test {
namespace {

using Json = nlohmann::ordered_json;

std::size_t below(RandomStream& random, std::size_t n) {
  return static_cast<std::size_t>(random.next_below(std::max<std::uint64_t>(n, 1)));
}

/// Values at which counters, sizes and offsets go wrong.
std::uint64_t telling_integer(RandomStream& random) {
  static constexpr std::array<std::uint64_t, 14> kValues = {0,
                                                            1,
                                                            2,
                                                            0x7F,
                                                            0x80,
                                                            0xFF,
                                                            0x7FFFFFFF,
                                                            0x80000000,
                                                            0xFFFFFFFF,
                                                            0x7FFFFFFFFFFFFFFF,
                                                            0x8000000000000000,
                                                            0xFFFFFFFFFFFFFFFF,
                                                            0x100000000,
                                                            4096};
  return kValues[below(random, kValues.size())];
}

void overwrite(std::string& bytes, std::size_t at, std::size_t size, std::uint64_t value) {
  std::memcpy(bytes.data() + at, &value, std::min({size, sizeof(value), bytes.size() - at}));
}

void change_length(std::string& bytes, RandomStream& random) {
  const std::size_t at = below(random, bytes.size());
  const std::size_t size = 1 + below(random, 64);
  switch (random.next_below(4)) {
    case 0:
      bytes.resize(at);
      break;
    case 1:
      bytes.erase(at, size);
      break;
    case 2:
      bytes.insert(at, size, static_cast<char>(random.next_word()));
      break;
    default:
      bytes.append(size, static_cast<char>(random.next_word()));
  }
}

void change_in_place(std::string& bytes, RandomStream& random) {
  // Most of a small chunk is padding, which is zero and matters little.
  std::size_t at = below(random, bytes.size());
  for (int i = 0; i < 8 && bytes[at] == 0; ++i) at = below(random, bytes.size());
  const std::size_t room = bytes.size() - at;
  switch (random.next_below(6)) {
    case 0:
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.next_below(8)));
      break;
    case 1:
      bytes[at] = static_cast<char>(random.next_word());
      break;
    case 2:
      overwrite(bytes, at, std::min<std::size_t>(4, room), telling_integer(random));
      break;
    case 3:
      overwrite(bytes, at, std::min<std::size_t>(8, room), telling_integer(random));
      break;
    case 4:
      std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                  std::min(room, 1 + below(random, 64)),
                  '\0');
      break;
    default: {
      const std::size_t size = std::min(room, 1 + below(random, 64));
      const std::string piece = bytes.substr(below(random, bytes.size() - size + 1), size);
      bytes.replace(at, size, piece);
    }
  }
}

/// A random node below `node`, or itself.
Json* pick(Json& node, RandomStream& random) {
  Json* at = &node;
  while ((at->is_object() || at->is_array()) && !at->empty() &&
         (at == &node || random.next_below(4) != 0)) {
    auto member = at->begin();
    std::advance(member, static_cast<std::ptrdiff_t>(below(random, at->size())));
    at = &*member;
  }
  return at;
}

Json odd_value(RandomStream& random) {
  switch (random.next_below(12)) {
    case 0:
      return nullptr;
    case 1:
      return -1;
    case 2:
      return 0;
    case 3:
      return telling_integer(random);
    case 4:
      return 1e308;
    case 5:
      return "";
    case 6:
      return "../chunk-000000.h5";
    case 7:
      return "chunk-000001.h5";
    case 8:
      return Json::array();
    case 9:
      return Json::object();
    case 10:
      return true;
    default:
      return std::string(3, static_cast<char>('a' + random.next_below(26)));
  }
}

}  // namespace

void mutate_bytes(std::string& bytes, RandomStream& random) {
  const std::uint64_t changes = 1 + random.next_below(4);
  for (std::uint64_t i = 0; i < changes && !bytes.empty(); ++i) {
    if (random.next_below(5) == 0)
      change_length(bytes, random);
    else
      change_in_place(bytes, random);
  }
}

void mutate_json(Json& document, RandomStream& random) {
  Json* node = pick(document, random);
  switch (random.next_below(4)) {
    case 0: {
      if (!node->is_object() && !node->is_array())
        break;
      if (node->empty())
        break;
      auto member = node->begin();
      std::advance(member, static_cast<std::ptrdiff_t>(below(random, node->size())));
      node->erase(member);
      return;
    }
    case 1:
      if (!node->is_array() || node->empty())
        break;
      node->push_back((*node)[below(random, node->size())]);
      return;
    case 2:
      if (!node->is_number_integer())
        break;
      *node = node->get<std::int64_t>() + (random.next_below(2) == 0 ? 1 : -1);
      return;
    default:
      break;
  }
  *node = odd_value(random);
}

}  // namespace regatta::test
