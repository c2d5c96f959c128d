// clang-format off: foreach_target.h re-includes this file, so it comes before everything else.
#include "kernels/cpu/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/kept_edges.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "core/parallel.h"
#include "kernels/attention_checks.h"
#include "kernels/cpu/dropout_factors-inl.h"
#include "kernels/cpu/kept_edges.h"
#include "kernels/prepared_graph.h"

#include <algorithm>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {
namespace {

HWY_INLINE void find_chunk(const DropoutPlan<float>& plan,
                           const std::int64_t* id,
                           std::size_t count,
                           std::uint64_t quad,
                           std::uint8_t* kept) {
  const hn::ScalableTag<std::uint64_t> d;
  const hn::RebindToSigned<decltype(d)> di;
  const hn::Rebind<std::uint8_t, decltype(d)> d8;
  const auto bit = [&](hn::Vec<decltype(d)> words, std::uint64_t value) HWY_ATTR {
    // Both sides lie below 2^32, so the signed comparison is right.
    const auto word = hn::BitCast(di, hn::And(words, hn::Set(d, std::uint64_t{0xFFFFFFFFU})));
    const auto dropped = hn::Lt(word, hn::Set(di, static_cast<std::int64_t>(plan.threshold)));
    return hn::IfThenZeroElse(hn::RebindMask(d, dropped), hn::Set(d, value));
  };
  for (std::size_t k = 0; k < count; k += hn::Lanes(d)) {
    alignas(64) std::int64_t tail[hn::MaxLanes(d)] = {};
    const bool whole = k + hn::Lanes(d) <= count;
    if (!whole)
      std::copy(id + k, id + count, tail);
    const auto ids = hn::BitCast(d, whole ? hn::LoadU(di, id + k) : hn::Load(di, tail));
    const auto words = philox(d, plan.key, ids, hn::Set(d, quad));
    const auto bits = hn::Or(hn::Or(bit(words.c0, 1), bit(words.c1, 2)),
                             hn::Or(bit(words.c2, 4), bit(words.c3, 8)));
    alignas(64) std::uint8_t bytes[hn::MaxLanes(d8)];
    hn::StoreU(hn::TruncateTo(d8, bits), d8, bytes);
    std::copy_n(bytes, std::min(hn::Lanes(d), count - k), kept + k);
  }
}

}  // namespace

void find_kept_target(const AttentionInputs& in, std::size_t quad, std::uint8_t* kept) {
  constexpr std::int64_t kEdgesPerPiece = 16384;
  const DropoutPlan<float> plan(in.attention_dropout);
  const std::int64_t edges = edges_of(in);
  parallel_pieces((edges + kEdgesPerPiece - 1) / kEdgesPerPiece, [&](std::int64_t piece) {
    const std::int64_t first = piece * kEdgesPerPiece;
    find_chunk(plan,
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
