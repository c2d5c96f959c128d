// What both passes over gat's scalars share. Per-target header of Highway.
#if defined(REGATTA_KERNELS_CPU_GAT_SCALARS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef REGATTA_KERNELS_CPU_GAT_SCALARS_INL_H_
#undef REGATTA_KERNELS_CPU_GAT_SCALARS_INL_H_
#else
#define REGATTA_KERNELS_CPU_GAT_SCALARS_INL_H_
#endif

#include "kernels/cpu/edge_chunks-inl.h"
#include "kernels/cpu/edge_pieces.h"
#include "kernels/cpu/gat_weights.h"
#include "kernels/prepared_graph.h"

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {

/// Inputs that both passes read.
template <class W>
struct GatScalars {
  explicit GatScalars(const AttentionInputs& inputs, const HeadGroup& heads)
      : in(inputs),
        graph(*inputs.graph),
        group(heads),
        all_heads(static_cast<std::size_t>(inputs.heads)),
        s(static_cast<const W*>(inputs.source_logit) + heads.first),
        t(static_cast<const W*>(inputs.destination_logit) + heads.first),
        edge(inputs.edge.logit == nullptr ? nullptr
                                          : static_cast<const W*>(inputs.edge.logit) + heads.first),
        slope(static_cast<W>(inputs.negative_slope)),
        dropout(inputs.attention_dropout) {}

  /// Copies `count` edges' values of the group; value(e) gives the first head's place.
  template <class ValueOf>
  HWY_INLINE void gather(std::size_t count, const ValueOf& value_of, EdgeChunk<W>& to) const {
    if (group.count == kGroupHeads)
      return gather_whole<kGroupHeads>(count, value_of, to);
    if (group.count == kMostGroupHeads)
      return gather_whole<kMostGroupHeads>(count, value_of, to);
    for (std::size_t e = 0; e < count; ++e) {
      const W* from = value_of(e);
      for (std::size_t h = 0; h < group.stride; ++h)
        to.value[e * group.stride + h] = h < group.count ? from[h] : W{0};
    }
  }

  template <std::size_t kHeads, class ValueOf>
  HWY_INLINE void gather_whole(std::size_t count, const ValueOf& value_of, EdgeChunk<W>& to) const {
    for (std::size_t e = 0; e < count; ++e) std::copy_n(value_of(e), kHeads, to.value + e * kHeads);
  }

  const AttentionInputs& in;
  const PreparedGraph& graph;
  HeadGroup group;
  std::size_t all_heads;
  const W* s;
  const W* t;
  const W* edge;
  W slope;
  DropoutPlan<W> dropout;
};

template <class W, template <class, std::size_t> class Pass, class Arguments>
void run_stride(const Arguments& arguments, const EdgeLists& lists) {
  const EdgePieces pieces(lists);
  switch (arguments.group.stride) {
    case 1:
      return Pass<W, 1>(arguments).run(pieces);
    case 2:
      return Pass<W, 2>(arguments).run(pieces);
    case 4:
      return Pass<W, 4>(arguments).run(pieces);
    default:
      return Pass<W, 8>(arguments).run(pieces);
  }
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
