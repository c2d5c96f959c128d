#include "reducer/gradient_buckets.h"

#include <ATen/ATen.h>

namespace regatta {
namespace {

void allocate(GradientBucket& bucket,
              const std::vector<at::Tensor>& parameters,
              bool on_device,
              bool integers) {
  std::int64_t count = 0;
  for (const std::size_t i : bucket.parameters) count += parameters[i].numel();
  const at::Tensor& first = parameters[bucket.parameters.front()];
  const auto options = first.options()
                           .device(on_device ? first.device() : at::Device(at::kCPU))
                           .dtype(integers ? at::kLong : first.scalar_type())
                           .requires_grad(false);
  bucket.flat = at::zeros({count}, options);
  std::int64_t offset = 0;
  for (const std::size_t i : bucket.parameters) {
    bucket.parts.push_back(
        bucket.flat.narrow(0, offset, parameters[i].numel()).view(parameters[i].sizes()));
    offset += parameters[i].numel();
  }
}

}  // namespace

std::vector<GradientBucket> make_gradient_buckets(const std::vector<at::Tensor>& parameters,
                                                  std::int64_t bucket_bytes,
                                                  bool on_device,
                                                  bool integers) {
  std::vector<GradientBucket> buckets;
  std::int64_t bytes = bucket_bytes;
  for (std::size_t i = parameters.size(); i-- > 0;) {
    const at::Tensor& parameter = parameters[i];
    const at::Tensor* last =
        buckets.empty() ? nullptr : &parameters[buckets.back().parameters.back()];
    const bool fits = last != nullptr && last->scalar_type() == parameter.scalar_type() &&
                      last->device() == parameter.device();
    if (!fits || bytes >= bucket_bytes) {
      buckets.emplace_back();
      bytes = 0;
    }
    buckets.back().parameters.push_back(i);
    bytes += parameter.numel() * parameter.element_size();
  }
  for (GradientBucket& bucket : buckets) allocate(bucket, parameters, on_device, integers);
  return buckets;
}

}  // namespace regatta
