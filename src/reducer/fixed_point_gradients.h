// Gradients of one micro-batch after the other as integers, with what the ranks must agree on.
#pragma once

#include "reducer/block_shifts.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace regatta {

/// One block for each parameter, then one for each scalar. Sums lie in integer arrays that the
/// caller owns; this keeps shifts and the largest magnitude of each block.
class FixedPointGradients {
 public:
  /// `device`: where the sums lie.
  FixedPointGradients(const std::vector<at::Tensor>& parameters,
                      std::int64_t scalars,
                      at::Device device);

  /// Opens a step (or its repetition) of `micro_batches` on all ranks together.
  void begin(std::int64_t micro_batches);
  /// Adds a gradient to `sums` (int64, of its shape), or stores it when it is the block's `first`.
  void absorb(std::size_t block, const at::Tensor& gradient, const at::Tensor& sums, bool first);
  void absorb_scalar(std::size_t scalar, double value, std::int64_t& sum, bool first);

  /// int64 [blocks]: to be reduced by maximum over the ranks, then given to settle().
  at::Tensor magnitudes() const;
  /// False where the step must be computed again; see BlockShifts::settle.
  bool settle(const at::Tensor& agreed);

  /// gradient = sums as real numbers, by the shift of the settled step; NaN where any
  /// micro-batch's gradient of the block was not finite.
  void write(std::size_t block, const at::Tensor& sums, at::Tensor& gradient) const;
  double scalar(std::size_t scalar, std::int64_t sum) const;

  BlockShifts& shifts() { return shifts_; }
  const BlockShifts& shifts() const { return shifts_; }

 private:
  void absorb_on_host(std::size_t block,
                      const at::Tensor& gradient,
                      const at::Tensor& sums,
                      bool first);
  void absorb_on_device(std::size_t block,
                        const at::Tensor& gradient,
                        const at::Tensor& sums,
                        bool first);

  std::size_t parameters_;
  BlockShifts shifts_;
  std::vector<std::optional<int>> used_;  ///< shifts of the sums of this step
  std::vector<double> agreed_;            ///< by block, after settle()
  std::int64_t micro_batches_ = 1;
  std::vector<double> largest_;  ///< by block, of this rank, found on the host
  at::Tensor device_largest_;    ///< double [blocks] where the sums lie on a device
};

}  // namespace regatta
