// clang-format off: foreach_target.h re-includes this file, so it comes before everything else.
#include "kernels/cpu/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/leaky_sums.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "kernels/cpu/edge_pieces.h"
#include "kernels/cpu/leaky_sums.h"
#include "kernels/cpu/leaky_tile-inl.h"
#include "kernels/cpu/out_edges.h"
#include "kernels/cpu/tile_lanes-inl.h"

#include <hwy/cache_control.h>

#include <vector>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {
namespace {

template <class S, std::size_t kBlocks, bool kParts, bool kFeatures>
class TileSlopes {
  using W = Working<S>;
  using D = BlockTag<W>;
  using V = hn::Vec<D>;
  static constexpr std::size_t kLanes = hn::MaxLanes(D());
  static constexpr std::size_t kVectors = kBlocks * (64 / sizeof(W)) / kLanes;

 public:
  explicit TileSlopes(const LeakySums& pass)
      : pass_(pass),
        table_(pass.table, pass.edges),
        leaky_(&pass.leaky, pass.tile),
        weights_(pass.tile, pass.group, pass.width),
        weight_(static_cast<const W*>(pass.weight)) {}

  void run(const EdgePieces& pieces) const {
    pieces.run_merged<Sums>(
        [&](const EdgePiece& piece, std::vector<Sums>& of_part) { run_piece(piece, of_part); },
        [](Sums& total, const Sums& sums) {
          for (std::size_t c = 0; c < kColumns; ++c) total.of_column[c] += sums.of_column[c];
        },
        [&](std::int64_t i, const Sums& total) { finish(i, total); });
    hwy::FlushStream();
  }

 private:
  static constexpr std::size_t kColumns = kVectors * kLanes;
  struct Sums {
    alignas(64) W of_column[kColumns];
  };

  void run_piece(const EdgePiece& piece, std::vector<Sums>& of_part) const {
    const std::size_t lines = 1 + leaky_.features();
    W* parts = kParts ? static_cast<W*>(pass_.parts) +
                            static_cast<std::size_t>(piece.number) * lines * kMostTileColumns
                      : nullptr;
    if (kParts && !piece.continues)
      std::fill_n(parts, lines * kMostTileColumns, W{0});
    Sums own;
    Sums& sums = piece.part == nullptr ? own : of_part[piece.part->number];
    for (std::int64_t i = piece.items.begin; i < piece.items.end; ++i) {
      const std::int64_t k = i - piece.items.begin;
      weights_.one() ? sum_edges<true>(i, piece.begin[k], piece.end[k], sums, parts)
                     : sum_edges<false>(i, piece.begin[k], piece.end[k], sums, parts);
      if (piece.part == nullptr)
        finish(i, sums);
    }
    hwy::FlushStream();  // finish may have stored past the caches
  }

  HWY_INLINE void finish(std::int64_t i, const Sums& sums) const {
    pass_.finish(pass_.context, i, pass_.tile, sums.of_column, nullptr);
  }

  template <bool kOneHead>
  HWY_INLINE void sum_edges(
      std::int64_t i, std::int64_t begin, std::int64_t end, Sums& to, W* parts) const {
    const D d;
    V fixed[kVectors];
    load_tile_row(d,
                  static_cast<const S*>(pass_.rows.base) +
                      static_cast<std::size_t>(i) * pass_.rows.stride + pass_.tile.first,
                  pass_.tile.count,
                  kVectors,
                  fixed);
    V sum[kVectors];
    V value[kVectors];
    HWY_UNROLL(8)
    for (std::size_t v = 0; v < kVectors; ++v) sum[v] = value[v] = hn::Zero(d);
    for (std::int64_t e = begin; e < end; ++e) {
      table_.template prefetch<kBlocks>(e);
      add_edge<kOneHead>(d, e, fixed, sum, value, parts);
    }
    HWY_UNROLL(8)
    for (std::size_t v = 0; v < kVectors; ++v) {
      hn::Store(sum[v], d, to.of_column + v * kLanes);
      if (kParts)
        hn::Store(hn::Add(hn::Load(d, parts + v * kLanes), value[v]), d, parts + v * kLanes);
    }
  }

  template <bool kOneHead>
  HWY_INLINE void add_edge(D d, std::int64_t e, const V* fixed, V* sum, V* value, W* parts) const {
    const S* row = table_.row(e);
    const W* weight = weight_ + static_cast<std::size_t>(e) * pass_.group.stride;
    HWY_UNROLL(8)
    for (std::size_t v = 0; v < kVectors; ++v) {
      const auto w = kOneHead ? weights_.of_one(d, weight) : weights_.of(d, weight, v);
      const auto u = leaky_.add(d, v, e, hn::Add(load_storage(d, row + v * kLanes), fixed[v]));
      const auto below = hn::Mul(w, hn::Set(d, leaky_.slope()));
      const auto slope = hn::IfThenElse(hn::Gt(u, hn::Zero(d)), w, below);
      sum[v] = hn::Add(sum[v], slope);
      if constexpr (kParts) {
        value[v] = hn::MulAdd(slope, u, value[v]);
        if constexpr (kFeatures)
          add_features(d, e, slope, parts + kMostTileColumns + v * kLanes);
      }
    }
  }

  HWY_INLINE void add_features(D d, std::int64_t e, V slope, W* line) const {
    const W* x = leaky_.features_of(e);
    for (std::size_t f = 0; f < leaky_.features(); ++f, line += kMostTileColumns)
      hn::Store(hn::MulAdd(hn::Set(d, x[f]), slope, hn::Load(d, line)), d, line);
  }

  const LeakySums& pass_;
  TileTable<S> table_;
  LeakyTile<W, kVectors * kLanes, kFeatures> leaky_;
  TileWeights<W, kVectors * kLanes> weights_;
  const W* weight_;
};

template <class S, std::size_t kBlocks>
void run_blocks(const LeakySums& pass) {
  const EdgePieces pieces(pass.edges);
  const bool features = pass.leaky.weight != nullptr;
  if (pass.parts == nullptr)
    features ? TileSlopes<S, kBlocks, false, true>(pass).run(pieces)
             : TileSlopes<S, kBlocks, false, false>(pass).run(pieces);
  else
    features ? TileSlopes<S, kBlocks, true, true>(pass).run(pieces)
             : TileSlopes<S, kBlocks, true, false>(pass).run(pieces);
}

}  // namespace

void leaky_sums_target(const LeakySums& pass) {
  with_storage(pass.dtype, [&]<class S>(S) {
    switch (pass.tile.blocks) {
      case 1:
        return run_blocks<S, 1>(pass);
      case 2:
        return run_blocks<S, 2>(pass);
      default:
        return run_blocks<S, 4>(pass);
    }
  });
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace regatta::cpu {

HWY_EXPORT(leaky_sums_target);

void leaky_sums(const LeakySums& pass) {
  HWY_DYNAMIC_DISPATCH(leaky_sums_target)(pass);
}

std::size_t leaky_parts_bytes(const AttentionInputs& in) {
  const std::int64_t lines = 1 + (in.edge.weight == nullptr ? 0 : in.edge.features);
  return static_cast<std::size_t>(EdgePieces(in_edge_lists(in)).count() * lines) *
         kMostTileColumns * working_bytes(in.dtype);
}

std::size_t leaky_place(std::size_t before, KernelType dtype) {
  return before / (64 / working_bytes(dtype));  // a tile has whole blocks
}

namespace {

template <class W>
void merge_typed(const AttentionBackwardArgs& args, const LeakySums& pass) {
  const std::size_t lines = 1 + (pass.leaky.weight == nullptr ? 0 : pass.leaky.features);
  const std::int64_t pieces = EdgePieces(pass.edges).count();
  const auto* parts = static_cast<const W*>(pass.parts);
  const auto* vector = static_cast<const W*>(args.in.attention_vector);
  for (std::size_t line = 0; line < lines; ++line)
    for (std::size_t c = 0; c < pass.tile.count; ++c) {
      W sum = 0;
      for (std::int64_t p = 0; p < pieces; ++p)
        sum += parts[(static_cast<std::size_t>(p) * lines + line) * kMostTileColumns + c];
      const std::size_t column = pass.tile.first + c;
      if (line == 0)
        static_cast<W*>(args.grad_attention_vector)[column] = sum;
      else if (args.grad_edge_weight != nullptr)
        static_cast<W*>(args.grad_edge_weight)[(line - 1) * pass.leaky.row + column] =
            sum * vector[column];
    }
}

}  // namespace

void merge_leaky_parts(const AttentionBackwardArgs& args, const LeakySums& pass) {
  args.in.dtype == KernelType::kFloat64 ? merge_typed<double>(args, pass)
                                        : merge_typed<float>(args, pass);
}

}  // namespace regatta::cpu
#endif
