// Counter-based random numbers (Philox4x32-10, Salmon et al. 2011, through Random123).
//
// A number depends on what it is for, never on thread, launch shape, chunk or rank:
// key = mix(seed, purpose, step, layer), counter = (global id, group). docs/numerics.md §3.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace regatta {

/// What a stream of random numbers is used for; the values are part of reproducibility.
enum class RandomPurpose : std::uint32_t {
  kInputDropout = 1,
  kAttentionDropout = 2,
  kMessageDropout = 3,
  kInitialWeights = 4,
  kTargetOrder = 5,
  kSplit = 6,
  kChunkOrder = 7,
};

/// 64-bit Philox key; cheap to copy into kernels.
struct RandomKey {
  std::uint64_t value = 0;
};

/// Mixes its arguments into a key (SplitMix64 finaliser over each).
RandomKey make_random_key(std::uint64_t seed, RandomPurpose purpose, std::uint64_t step,
                          std::uint64_t layer);
/// The same for things known by name, e.g. initial weights of one parameter.
RandomKey make_random_key(std::uint64_t seed, RandomPurpose purpose, std::string_view name);

/// Four independent 32-bit words for counter (id, group).
std::array<std::uint32_t, 4> random_words(RandomKey key, std::uint64_t id, std::uint64_t group);

/// Uniform in [0, 1) with 24 bits from one word.
inline float uniform_float(std::uint32_t word) { return static_cast<float>(word >> 8) * 0x1.0p-24F; }
/// Uniform in [0, 1) with 53 bits from two words.
inline double uniform_double(std::uint32_t high, std::uint32_t low) {
  const std::uint64_t bits = (static_cast<std::uint64_t>(high) << 32 | low) >> 11;
  return static_cast<double>(bits) * 0x1.0p-53;
}

/// A value survives dropout of probability p exactly when its word >= this threshold.
inline std::uint32_t dropout_threshold(double p) {
  const double scaled = p * 4294967296.0;
  return scaled >= 4294967295.0 ? 4294967295U : static_cast<std::uint32_t>(scaled);
}

/// Sequential stream over one key, for shuffles and initial weights: words of counters 0, 1, 2, ...
class RandomStream {
 public:
  explicit RandomStream(RandomKey key) : key_(key) {}
  std::uint32_t next_word();
  double next_double();                        ///< [0, 1)
  double next_normal();                        ///< standard normal, Box-Muller
  std::uint64_t next_below(std::uint64_t n);   ///< unbiased in [0, n), n > 0

 private:
  RandomKey key_;
  std::uint64_t counter_ = 0;
  std::array<std::uint32_t, 4> words_{};
  int used_ = 4;
};

}  // namespace regatta
