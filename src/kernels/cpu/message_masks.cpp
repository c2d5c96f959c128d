// mu (.) z for all nodes: worth a copy where every source serves many rows.
// clang-format off: foreach_target.h re-includes this file, so it comes before everything else.
#include "kernels/cpu/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/message_masks.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "core/parallel.h"
#include "kernels/cpu/attention_planes-inl.h"
#include "kernels/cpu/cpu_attention.h"

#include <algorithm>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {
namespace {

template <class T>
void mask_typed(const AttentionInputs& in, void* masked) {
  constexpr std::int64_t kNodesPerPiece = 256;
  const View<T> view(in);
  auto* to = static_cast<T*>(masked);
  parallel_pieces((in.nodes + kNodesPerPiece - 1) / kNodesPerPiece, [&](std::int64_t piece) {
    const std::int64_t end = std::min(in.nodes, (piece + 1) * kNodesPerPiece);
    for (auto j = static_cast<std::size_t>(piece * kNodesPerPiece);
         j < static_cast<std::size_t>(end);
         ++j) {
      T* const targets[2] = {nullptr, to + j * view.row};
      mask_row(
          view.message_dropout, view.graph.global_id[j], view.z + j * view.row, view.row, targets);
    }
  });
}

}  // namespace

void mask_messages_target(const AttentionInputs& in, void* masked) {
  in.dtype == KernelType::kFloat32 ? mask_typed<float>(in, masked) : mask_typed<double>(in, masked);
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace regatta::cpu {

HWY_EXPORT(mask_messages_target);

void mask_messages(const AttentionInputs& in, void* masked) {
  HWY_DYNAMIC_DISPATCH(mask_messages_target)(in, masked);
}

}  // namespace regatta::cpu
#endif
