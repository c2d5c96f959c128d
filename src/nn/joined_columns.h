// Narrow matrices of one height side by side, so that one product serves them all: each alone would
// leave most of a vector empty.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

namespace regatta {

/// Columns from_first .. from_first + columns - 1 of the first `rows` rows of `from` become those
/// from to_first on of `to`; contiguous matrices in memory of the processor, both fp32 or both
/// fp64. The same bits for any number of threads.
void copy_columns(const at::Tensor& from,
                  std::int64_t from_first,
                  const at::Tensor& to,
                  std::int64_t to_first,
                  std::int64_t rows,
                  std::int64_t columns);

/// Whether the columns of several matrices in memory of the processor, all fp32 or all fp64, fit
/// one vector of 64 bytes together.
bool share_a_vector(at::TensorList parts);

/// [R,K0], [R,K1], ... contiguous -> [R,K0+K1+...].
at::Tensor join_columns(at::TensorList parts);

/// The reverse, for parts of as many columns as `like` have.
std::vector<at::Tensor> split_columns(const at::Tensor& joined, at::TensorList like);

}  // namespace regatta
