// GAT backward: one gather of g an edge and tile, over out-edges (docs/numerics.md §1).
//
// dz_j = mu sum_i alpha m g_i and ds_j = <sum_i alpha m LeakyReLU' g_i, mu z_j> - sum_i alpha
// LeakyReLU' Delta_i are two weighted sums over the same rows; dt follows from C. With terms of
// edges, or without C, the products p_ij = <g_i, mu z_j> are formed in the order of in-edges as
// well.
// clang-format off: foreach_target.h re-includes this file, so it comes before everything else.
#include "kernels/cpu/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/gat_backward.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "kernels/attention_checks.h"
#include "kernels/cpu/cpu_attention.h"
#include "kernels/cpu/edge_blocks.h"
#include "kernels/cpu/gat_backward.h"
#include "kernels/cpu/gat_sum_tiles.h"
#include "kernels/cpu/kept_columns-inl.h"
#include "kernels/cpu/kept_edges.h"
#include "kernels/cpu/out_edges.h"
#include "kernels/cpu/tile_lanes-inl.h"
#include "kernels/cpu/weighted_sums.h"
#include "kernels/prepared_graph.h"

#include <hwy/cache_control.h>

#include <algorithm>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {
namespace {

/// Stores a source's sums over a tile: grad_value, and the tile's part of ds.
template <class S>
class StoreSource {
  using W = Working<S>;
  static constexpr std::size_t kLanes = hn::MaxLanes(BlockTag<W>());
  static constexpr std::size_t kVectors = kMostTileColumns / kLanes;

 public:
  /// `part_blocks`: of the tiles whose sums by head the tile's are made of.
  StoreSource(const AttentionBackwardArgs& args,
              const HeadGroup& group,
              const ColumnTile& tile,
              std::size_t part_blocks,
              const std::uint64_t* kept)
      : args_(args),
        kept_(kept),
        tile_heads_(tile, group, static_cast<std::size_t>(args.in.width)),
        part_vectors_(tile.blocks > part_blocks ? part_blocks * (64 / sizeof(W)) / kLanes
                                                : kVectors),
        first_head_(group.first),
        width_(static_cast<std::size_t>(args.in.width)),
        heads_(static_cast<std::size_t>(args.in.heads)),
        value_(static_cast<const S*>(args.in.value)),
        grad_value_(static_cast<S*>(args.grad_value)),
        source_gradient_(static_cast<W*>(args.grad_source_logit)),
        dropout_(args.in.message_dropout),
        streamed_(stored_past_caches(static_cast<std::size_t>(args.in.nodes) * heads_ * width_,
                                     args.in.dtype)) {}

  static void finish(const void* context,
                     std::int64_t item,
                     const ColumnTile& tile,
                     const void* first,
                     const void* second) {
    static_cast<const StoreSource*>(context)->store(static_cast<std::size_t>(item),
                                                    tile,
                                                    static_cast<const W*>(first),
                                                    static_cast<const W*>(second));
  }

 private:
  HWY_INLINE void store(std::size_t j,
                        const ColumnTile& tile,
                        const W* message,
                        const W* sloped) const {
    const BlockTag<W> d;
    hn::Vec<BlockTag<W>> product[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v) product[v] = hn::Zero(d);
    const std::size_t begin = j * heads_ * width_ + tile.first;
    constexpr std::size_t kAhead = 8;
    if (j + kAhead < static_cast<std::size_t>(args_.in.nodes))
      for (std::size_t k = 0; k < tile.count; k += 64 / sizeof(S))
        hwy::Prefetch(value_ + begin + kAhead * heads_ * width_ + k);
    for (std::size_t k = 0; k < tile.count; k += hn::Lanes(d)) {
      auto dz = hn::Load(d, message + k);
      auto z = load_storage_n(d, value_ + begin + k, tile.count - k);
      if (dropout_.active) {
        const auto scale = hn::Set(d, dropout_.scale);
        dz = kept_lanes(d, kept_[j], k, hn::Mul(dz, scale));
        z = kept_lanes(d, kept_[j], k, hn::Mul(z, scale));
      }
      stream_storage_n(dz, d, grad_value_ + begin + k, tile.count - k, streamed_);
      product[k / hn::Lanes(d)] = hn::Mul(z, hn::Load(d, sloped + k));
    }
    add_products(j, product);
  }

  /// ds_j += the products of each head's columns.
  HWY_INLINE void add_products(std::size_t j, const hn::Vec<BlockTag<W>>* product) const {
    const BlockTag<W> d;
    W* gradient = source_gradient_ + j * heads_ + first_head_;
    if (!tile_heads_.one())
      return tile_heads_.add_sums(d, product, gradient);
    for (std::size_t first = 0; first < kVectors; first += part_vectors_) {
      auto sum = product[first];
      for (std::size_t v = first + 1; v < first + part_vectors_; ++v)
        sum = hn::Add(sum, product[v]);
      gradient[tile_heads_.first()] += hn::GetLane(hn::SumOfLanes(d, sum));
    }
  }

  const AttentionBackwardArgs& args_;
  const std::uint64_t* kept_;  ///< bits of the tile, with message dropout
  TileHeads<W, kMostTileColumns> tile_heads_;
  std::size_t part_vectors_;
  std::size_t first_head_;
  std::size_t width_, heads_;
  const S* value_;
  S* grad_value_;
  W* source_gradient_;
  DropoutPlan<W> dropout_;
  bool streamed_;
};

/// dt and the gradient of the edges' terms from the products p of a group's heads.
template <class W>
class EdgeGradients {
 public:
  EdgeGradients(const AttentionBackwardArgs& args,
                const GatBackwardMemory& memory,
                const HeadGroup& group,
                const std::uint8_t* kept)
      : in_(args.in),
        group_(group),
        heads_(static_cast<std::size_t>(args.in.heads)),
        s_(static_cast<const W*>(args.in.source_logit)),
        edge_(static_cast<const W*>(args.in.edge.logit)),
        record_(static_cast<const W*>(memory.record)),
        product_(static_cast<const W*>(memory.weight)),
        grad_edge_(static_cast<W*>(args.grad_edge_logit)),
        grad_t_(static_cast<W*>(args.grad_destination_logit)),
        drops_(args.in.attention_dropout.probability > 0),
        kept_(args.in.attention_dropout, kept, group.first, group.stride, edges_of(args.in)) {}

  void run(const EdgePieces& pieces) const {
    // In double: terms of both signs, which cancel.
    sum_edges<double>(
        pieces,
        group_.count,
        [&](std::int64_t i, std::int64_t begin, std::int64_t end, double* sum) {
          edges(static_cast<std::size_t>(i),
                static_cast<std::size_t>(begin),
                static_cast<std::size_t>(end),
                sum);
        },
        [&](std::int64_t i, const double* sum) {
          for (std::size_t h = 0; h < group_.count; ++h)
            grad_t_[static_cast<std::size_t>(i) * heads_ + group_.first + h] =
                static_cast<W>(sum[h]);
        });
  }

 private:
  void edges(std::size_t i, std::size_t begin, std::size_t end, double* sum) const {
    W factor[kMostGroupHeads];
    std::fill_n(factor, kMostGroupHeads, W{1});
    for (std::size_t e = begin; e < end; ++e) {
      if (drops_)
        kept_.copy(e, factor);
      edge(i, e, factor, sum);
    }
  }

  HWY_INLINE void edge(std::size_t i, std::size_t e, const W* factor, double* sum) const {
    const W* t = record_ + i * GatRecords::values(group_);
    const auto j = static_cast<std::size_t>(in_.graph->in.src[e]);
    for (std::size_t h = 0; h < group_.count; ++h) {
      const std::size_t head = group_.first + h;
      const W u =
          s_[j * heads_ + head] + t[h] + (edge_ == nullptr ? W{0} : edge_[e * heads_ + head]);
      const W slope = u > 0 ? W{1} : static_cast<W>(in_.negative_slope);
      const W alpha = std::exp(u * slope - t[group_.stride + h]);
      const W p = product_[e * group_.stride + h] * factor[h];
      const W gradient = alpha * (p - t[2 * group_.stride + h]) * slope;
      sum[h] += static_cast<double>(gradient);
      if (grad_edge_ != nullptr)
        grad_edge_[e * heads_ + head] = gradient;
    }
  }

  const AttentionInputs& in_;
  HeadGroup group_;
  std::size_t heads_;
  const W* s_;
  const W* edge_;
  const W* record_;
  const W* product_;
  W* grad_edge_;
  W* grad_t_;
  bool drops_;
  KeptFactors<W> kept_;
};

template <class W>
void edge_gradients(const AttentionBackwardArgs& args,
                    const GatBackwardMemory& memory,
                    const HeadGroup& group,
                    const std::uint8_t* kept) {
  EdgeGradients<W>(args, memory, group, kept).run(EdgePieces(in_edge_lists(args.in)));
}

template <class S>
void source_sums(const AttentionBackwardArgs& args,
                 const GatBackwardMemory& memory,
                 const HeadGroup& group) {
  const AttentionInputs& in = args.in;
  WeightedSums sums;
  sums.dtype = in.dtype;
  sums.edges = {in.nodes, in.graph->out_ptr.data(), memory.end, in.graph->out_dst.data()};
  sums.group = group;
  sums.weight = memory.weight;
  sums.use = WeightUse::kMagnitudeAndSecond;
  sums.second = -in.negative_slope;
  sums.width = static_cast<std::size_t>(in.width);
  sums.finish = &StoreSource<S>::finish;
  const TableShape table = gradient_table(in, group);
  const std::size_t part = column_tiles(table).front().blocks;
  const GatSumTiles plan(in, table, all_out_edges(in));
  EdgePasses passes(plan.in_place);
  for (const ColumnTile& tile : plan.tiles) {
    find_kept_messages(in, tile, args.kept.messages, memory.kept_messages);
    sums.context = passes.keep(StoreSource<S>(args, group, tile, part, memory.kept_messages));
    sums.tile = tile;
    sums.table = pack_tile(table, tile, memory.gradient, memory.tile);
    passes.add(weighted_sums_pass(sums));
  }
  passes.run_blocks(sums.edges, plan.row_bytes);
}

}  // namespace

void gat_source_sums_target(const AttentionBackwardArgs& args,
                            const GatBackwardMemory& memory,
                            const HeadGroup& group) {
  with_storage(args.in.dtype, [&]<class S>(S) { source_sums<S>(args, memory, group); });
}

void gat_edge_gradients_target(const AttentionBackwardArgs& args,
                               const GatBackwardMemory& memory,
                               const HeadGroup& group,
                               const std::uint8_t* kept) {
  args.in.dtype == KernelType::kFloat64 ? edge_gradients<double>(args, memory, group, kept)
                                        : edge_gradients<float>(args, memory, group, kept);
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace regatta::cpu {

HWY_EXPORT(gat_source_sums_target);
HWY_EXPORT(gat_edge_gradients_target);

void gat_source_sums(const AttentionBackwardArgs& args,
                     const GatBackwardMemory& memory,
                     const HeadGroup& group) {
  HWY_DYNAMIC_DISPATCH(gat_source_sums_target)(args, memory, group);
}

void gat_edge_gradients(const AttentionBackwardArgs& args,
                        const GatBackwardMemory& memory,
                        const HeadGroup& group,
                        const std::uint8_t* kept) {
  HWY_DYNAMIC_DISPATCH(gat_edge_gradients_target)(args, memory, group, kept);
}

}  // namespace regatta::cpu
#endif
