// clang-format off: foreach_target.h re-includes this file, so it comes before everything else.
#include "kernels/cpu/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/kept_edges.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "core/parallel.h"
#include "kernels/attention_checks.h"
#include "kernels/cpu/kept_edges-inl.h"
#include "kernels/prepared_graph.h"

#include <algorithm>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {

void find_kept_target(const AttentionInputs& in, std::size_t quad, std::uint8_t* kept) {
  constexpr std::int64_t kEdgesPerPiece = 4096;
  const DropoutPlan<float> plan(in.attention_dropout);
  const std::int64_t edges = edges_of(in);
  parallel_pieces((edges + kEdgesPerPiece - 1) / kEdgesPerPiece, [&](std::int64_t piece) {
    const std::int64_t first = piece * kEdgesPerPiece;
    find_kept(plan,
              in.graph->in.edge_id.data() + first,
              static_cast<std::size_t>(std::min(kEdgesPerPiece, edges - first)),
              quad,
              kept + first);
  });
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace regatta::cpu {

HWY_EXPORT(find_kept_target);

void find_kept_edges(const AttentionInputs& in, std::size_t quad, std::uint8_t* kept) {
  HWY_DYNAMIC_DISPATCH(find_kept_target)(in, quad, kept);
}

}  // namespace regatta::cpu
#endif
