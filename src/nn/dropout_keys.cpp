#include "nn/dropout_keys.h"

#include "core/error.h"

#include <torch/types.h>

#include <array>

namespace regatta {
namespace {

constexpr std::array<RandomPurpose, 3> kDropouts = {
    RandomPurpose::kInputDropout, RandomPurpose::kAttentionDropout, RandomPurpose::kMessageDropout};
constexpr auto kPurposes = static_cast<std::int64_t>(kDropouts.size());

std::int64_t index_of(RandomPurpose purpose) {
  for (std::size_t i = 0; i < kDropouts.size(); ++i) {
    if (kDropouts[i] == purpose)
      return static_cast<std::int64_t>(i);
  }
  fail(ExitCode::kInternal, "purpose {} is no dropout", static_cast<std::uint32_t>(purpose));
}

}  // namespace

DropoutKeys::DropoutKeys(int layers, at::Device device)
    : keys_(torch::zeros({layers, kPurposes}, torch::TensorOptions(torch::kInt64).device(device))) {
}

const std::uint64_t* DropoutKeys::place(RandomPurpose purpose, std::int64_t layer) const {
  REGATTA_CHECK(layer >= 0 && layer < keys_.size(0), "layer {} of {}", layer, keys_.size(0));
  // Signed and unsigned forms of a type may alias.
  return reinterpret_cast<const std::uint64_t*>(keys_.const_data_ptr<std::int64_t>()) +
         layer * kPurposes + index_of(purpose);
}

void DropoutKeys::store(std::uint64_t seed, std::uint64_t step) {
  const bool on_device = !keys_.is_cpu();
  // A fresh block each time: LibTorch hands a pinned one out again when its copy is over.
  at::Tensor host =
      torch::empty(keys_.sizes(), torch::TensorOptions(torch::kInt64).pinned_memory(on_device));
  auto* key = host.mutable_data_ptr<std::int64_t>();
  for (std::int64_t layer = 0; layer < keys_.size(0); ++layer) {
    for (const RandomPurpose purpose : kDropouts)
      *key++ = static_cast<std::int64_t>(
          make_random_key(seed, purpose, step, static_cast<std::uint64_t>(layer)).value);
  }
  keys_.copy_(host, /*non_blocking=*/on_device);
}

}  // namespace regatta
