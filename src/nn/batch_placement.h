// Moves the arrays of a batch from host memory to where its kernels read them: one by one, or
// packed into one block that travels in a single copy.
#pragma once

#include "nn/batch.h"

#include <cstdint>
#include <span>

namespace regatta {

/// A batch and rows of its targets, whose arrays move together.
struct BatchArrays {
  Batch* batch;
  std::span<TargetRows> targets;
};

/// Copies every array to the batch's device, one by one and waiting for each; a no-op on the CPU.
void place_batch(const BatchArrays& arrays);

/// Bytes of a block that holds every array, each from a multiple of 256 on.
std::int64_t packed_bytes(const BatchArrays& arrays);

/// Fills `block`, uint8 [packed_bytes] in host memory.
void pack_batch(const BatchArrays& arrays, const at::Tensor& block);

/// Makes the arrays views of `block`, a copy of what pack_batch filled. Its elements may still be
/// under way: nothing is read.
void point_batch_into(const BatchArrays& arrays, const at::Tensor& block);

/// The array as a tensor that shares its memory; `device` is where it was placed.
template <class T>
at::Tensor array_view(const SharedArray<T>& array, at::Device device);

}  // namespace regatta
