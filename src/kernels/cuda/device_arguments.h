// From the interface's argument structs to those of the CUDA kernels.
#pragma once

#include "kernels/cuda/device_launches.h"
#include "kernels/feature_dropout.h"

namespace regatta::cuda {

DeviceDropout device_dropout(const DropoutArgs& dropout);
template <class W>
DeviceFeatures<W> device_features(const FeatureDropoutArgs& args);
DeviceSchedule device_schedule(const DegreeSchedule& schedule, const std::int64_t* ptr);

template <class T>
DeviceAttention<T> device_attention(const AttentionInputs& in);

template <class T>
DeviceEpilogue<Working<T>> device_epilogue(const AttentionEpilogue& epilogue) {
  return {epilogue.activation,
          static_cast<Working<T>>(epilogue.slope),
          static_cast<const Working<T>*>(epilogue.bias)};
}

template <class T>
DeviceSparse<T> device_sparse(const SparseProjectionArgs& args);

/// Whether all tables of rows may be read 16 bytes at a time; null ones do not count.
template <class... Pointers>
bool all_aligned(const Pointers*... pointers) {
  return ((reinterpret_cast<std::uintptr_t>(pointers) % 16 == 0) && ...);
}

}  // namespace regatta::cuda
