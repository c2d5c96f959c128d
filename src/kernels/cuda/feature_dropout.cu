// Input dropout of dense features: one thread makes a counter's four words and takes their
// features.
#include "kernels/cuda/device_math.cuh"

namespace regatta::cuda {
namespace {

constexpr std::int64_t kWords = 4;

template <class W>
REGATTA_KERNEL void drop_kernel(DeviceFeatures<W> features) {
  const std::int64_t groups = (features.width + kWords - 1) / kWords;
  const std::int64_t thread = place().thread();
  const std::int64_t i = thread / groups, group = thread % groups;
  if (i >= features.rows)
    return;
  const auto words = dropout_words(features.dropout, features.global_id[i], group);
  const auto scale = static_cast<W>(features.dropout.scale);
  for (std::int64_t k = 0; k < kWords; ++k) {
    const std::int64_t feature = group * kWords + k;
    if (feature >= features.width)
      return;
    const std::uint32_t word = k == 0 ? words[0] : k == 1 ? words[1] : k == 2 ? words[2] : words[3];
    const std::int64_t at = i * features.width + feature;
    features.out[at] = word >= features.dropout.threshold ? scale * features.x[at] : W(0);
  }
}

}  // namespace

template <class W>
cudaError_t launch_feature_dropout(const DeviceFeatures<W>& features, cudaStream_t stream) {
  const std::int64_t groups = (features.width + kWords - 1) / kWords;
  return launch(drop_kernel<W>, warps_of(features.rows * groups), stream, features);
}
template cudaError_t launch_feature_dropout(const DeviceFeatures<float>&, cudaStream_t);
template cudaError_t launch_feature_dropout(const DeviceFeatures<double>&, cudaStream_t);

}  // namespace regatta::cuda
