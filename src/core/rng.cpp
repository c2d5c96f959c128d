#include "core/rng.h"

#include "core/split_mix.h"

#include <Random123/philox.h>

#include <cmath>
#include <numbers>

namespace regatta {

RandomKey make_random_key(std::uint64_t seed,
                          RandomPurpose purpose,
                          std::uint64_t step,
                          std::uint64_t layer) {
  std::uint64_t state = split_mix(seed);
  state = split_mix(state ^ static_cast<std::uint64_t>(purpose));
  state = split_mix(state ^ step);
  return {split_mix(state ^ layer)};
}

RandomKey make_random_key(std::uint64_t seed, RandomPurpose purpose, std::string_view name) {
  std::uint64_t hash = 0xCBF29CE484222325ULL;  // FNV-1a
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  return make_random_key(seed, purpose, hash, name.size());
}

std::array<std::uint32_t, 4> random_words(RandomKey key, std::uint64_t id, std::uint64_t group) {
  const r123::Philox4x32::ctr_type counter = {{static_cast<std::uint32_t>(id),
                                               static_cast<std::uint32_t>(id >> 32),
                                               static_cast<std::uint32_t>(group),
                                               static_cast<std::uint32_t>(group >> 32)}};
  const r123::Philox4x32::key_type philox_key = {
      {static_cast<std::uint32_t>(key.value), static_cast<std::uint32_t>(key.value >> 32)}};
  const auto words = r123::Philox4x32{}(counter, philox_key);
  return {words[0], words[1], words[2], words[3]};
}

std::uint32_t RandomStream::next_word() {
  if (used_ == 4) {
    words_ = random_words(key_, counter_++, 0);
    used_ = 0;
  }
  return words_[static_cast<std::size_t>(used_++)];
}

double RandomStream::next_double() {
  const std::uint32_t high = next_word();
  return uniform_double(high, next_word());
}

double RandomStream::next_normal() {
  const double radius = std::sqrt(-2.0 * std::log1p(-next_double()));
  return radius * std::cos(2.0 * std::numbers::pi * next_double());
}

std::uint64_t RandomStream::next_below(std::uint64_t n) {
  const std::uint64_t limit = ~std::uint64_t{0} - (~std::uint64_t{0} % n + 1) % n;
  for (;;) {
    const std::uint64_t high = next_word();
    const std::uint64_t value = high << 32 | next_word();
    if (value <= limit)
      return value % n;
  }
}

}  // namespace regatta
