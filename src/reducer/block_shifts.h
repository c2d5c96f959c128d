// The power of two by which each parameter's gradients become integers, from step to step
// (docs/numerics.md, "Sums").
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace regatta {

/// How many bits the largest gradient of a block gets, and how far below them a step's largest may
/// lie before the step is computed again with a better shift.
struct FixedPointBits {
  int bits = 40;
  int slack = 16;  ///< bits - slack always remain: float32's own 24
};
inline constexpr FixedPointBits kFloatBits{40, 16};
inline constexpr FixedPointBits kDoubleBits{50, 6};

/// One shift a block, chosen from the largest magnitude of the step before. All decisions follow
/// from magnitudes that all ranks agreed on, so all ranks decide alike.
class BlockShifts {
 public:
  explicit BlockShifts(std::vector<FixedPointBits> blocks);

  std::size_t size() const { return blocks_.size(); }
  /// Empty until the block's first gradient other than 0 has been seen.
  std::optional<int> shift(std::size_t block) const { return shifts_[block]; }
  /// Magnitudes times 2^shift must stay below this, lest the sum of all micro-batches overflow.
  static double limit(std::int64_t micro_batches);

  /// Takes the largest magnitude of any micro-batch, by block, agreed by all ranks; infinity for a
  /// block that holds NaN or Inf. True: the sums are good. False: the shifts have been renewed and
  /// the step must be computed again.
  /// A step with a number that is not finite is never repeated; such blocks keep their shift.
  bool settle(std::span<const double> largest, std::int64_t micro_batches);

  /// For a checkpoint: one number a block; restore() throws Error(kData) for another number of
  /// blocks or a shift out of range.
  std::vector<std::int64_t> state() const;
  void restore(std::span<const std::int64_t> state);

 private:
  bool fits(std::size_t block, double largest, double limit) const;

  std::vector<FixedPointBits> blocks_;
  std::vector<std::optional<int>> shifts_;
};

}  // namespace regatta
