// clang-format off: foreach_target.h re-includes this file, so it comes before everything else.
#include "kernels/cpu/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/leaky_sums.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "kernels/cpu/edge_pieces.h"
#include "kernels/cpu/item_rows-inl.h"
#include "kernels/cpu/leaky_sums.h"
#include "kernels/cpu/slope_bits-inl.h"
#include "kernels/cpu/tile_lanes-inl.h"

#include <hwy/cache_control.h>

#include <vector>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {
namespace {

template <class S, std::size_t kBlocks, bool kFeatures>
class TileSlopes {
  using W = Working<S>;
  using D = BlockTag<W>;
  using V = hn::Vec<D>;
  static constexpr std::size_t kLanes = hn::MaxLanes(D());
  static constexpr std::size_t kVectors = kBlocks * (64 / sizeof(W)) / kLanes;

 public:
  explicit TileSlopes(const LeakySums& pass)
      : pass_(pass),
        bits_(pass.bits.tile(pass.tile.first - pass.group.first * pass.width)),
        weights_(pass.tile, pass.group, pass.width),
        weight_(static_cast<const W*>(pass.weight)),
        slope_(static_cast<W>(pass.leaky.slope)),
        x_(static_cast<const W*>(pass.leaky.x)),
        features_(kFeatures ? pass.leaky.features : 0) {}

  void run(const EdgePieces& pieces) const {
    pieces.run_merged<Sums>(
        [&](const EdgePiece& piece, std::vector<Sums>& of_part) { run_piece(piece, of_part); },
        [](Sums& total, const Sums& sums) {
          for (std::size_t c = 0; c < kColumns; ++c) total.of_column[c] += sums.of_column[c];
        },
        [&](std::int64_t i, const Sums& total) { finish(i, total); });
    hwy::FlushStream();
  }

  void run_items(const EdgePiece& piece) const {
    W* parts = begin_parts(piece);
    Sums sums;
    for (std::int64_t i = piece.items.begin; i < piece.items.end; ++i) {
      const std::int64_t k = i - piece.items.begin;
      sum_item(piece.begin[k], piece.end[k], sums, parts);
      add_row(i, sums, parts);
      finish(i, sums);
    }
  }

 private:
  /// Edges summed one by one before they join the others: the weights of a row add up to nearly
  /// nothing, so long sums of them would leave little but their rounding.
  static constexpr std::int64_t kRunEdges = 64;
  static constexpr std::size_t kColumns = kVectors * kLanes;
  struct Sums {
    alignas(64) W of_column[kColumns];
  };

  W* begin_parts(const EdgePiece& piece) const {
    const std::size_t values = (1 + features_) * kMostTileColumns;
    W* parts = static_cast<W*>(pass_.parts) + static_cast<std::size_t>(piece.number) * values;
    if (!piece.continues)
      std::fill_n(parts, values, W{0});
    return parts;
  }

  void run_piece(const EdgePiece& piece, std::vector<Sums>& of_part) const {
    if (piece.part != nullptr) {
      W* parts = begin_parts(piece);
      Sums& sums = of_part[piece.part->number];
      sum_item(*piece.begin, *piece.end, sums, parts);
      return add_row(piece.items.begin, sums, parts);
    }
    run_items(piece);
    hwy::FlushStream();  // finish may have stored past the caches
  }

  HWY_INLINE void finish(std::int64_t i, const Sums& sums) const {
    pass_.finish(pass_.context, i, pass_.tile, sums.of_column, nullptr);
  }

  HWY_INLINE void sum_item(std::int64_t begin, std::int64_t end, Sums& sums, W* parts) const {
    weights_.one() ? sum_edges<true>(begin, end, sums, parts)
                   : sum_edges<false>(begin, end, sums, parts);
  }

  /// Weights of a run of edges where u > 0, and all of them.
  struct Run {
    V above[kVectors];
    V all[kVectors];

    HWY_INLINE void clear() {
      HWY_UNROLL(8)
      for (std::size_t v = 0; v < kVectors; ++v) above[v] = all[v] = hn::Zero(D());
    }
    HWY_INLINE void add(const Run& more) {
      HWY_UNROLL(8)
      for (std::size_t v = 0; v < kVectors; ++v) {
        above[v] = hn::Add(above[v], more.above[v]);
        all[v] = hn::Add(all[v], more.all[v]);
      }
    }
  };

  template <bool kOneHead>
  HWY_INLINE void sum_edges(std::int64_t begin, std::int64_t end, Sums& to, W* parts) const {
    const D d;
    Run sum;
    sum.clear();
    for (std::int64_t first = begin; first < end; first += kRunEdges) {
      Run run;
      run.clear();
      const std::int64_t last = std::min(end, first + kRunEdges);
      for (std::int64_t e = first; e < last; ++e) add_edge<kOneHead>(d, e, run, parts);
      sum.add(run);
    }
    const auto below = hn::Set(d, slope_);
    const auto rest = hn::Set(d, 1 - slope_);
    HWY_UNROLL(8)
    for (std::size_t v = 0; v < kVectors; ++v)
      hn::Store(hn::MulAdd(below, sum.all[kOneHead ? 0 : v], hn::Mul(rest, sum.above[v])),
                d,
                to.of_column + v * kLanes);
  }

  template <bool kOneHead>
  HWY_INLINE void add_edge(D d, std::int64_t e, Run& run, W* parts) const {
    const std::uint8_t* bits = bits_ + static_cast<std::size_t>(e) * pass_.bits.stride;
    const W* weight = weight_ + static_cast<std::size_t>(e) * pass_.weight_stride;
    HWY_UNROLL(8)
    for (std::size_t v = 0; v < kVectors; ++v) {
      const auto w = kOneHead ? hn::Set(d, weight[weights_.first()]) : weights_.of(d, weight, v);
      const auto above = load_slope_bits(d, bits, v);
      run.above[v] = hn::IfThenElse(above, hn::Add(run.above[v], w), run.above[v]);
      if (!kOneHead || v == 0)
        run.all[v] = hn::Add(run.all[v], w);
      if constexpr (kFeatures)
        add_features(d,
                     e,
                     hn::IfThenElse(above, w, hn::Mul(w, hn::Set(d, slope_))),
                     parts + kMostTileColumns + v * kLanes);
    }
  }

  HWY_INLINE void add_features(D d, std::int64_t e, V slope, W* line) const {
    const W* x = x_ + static_cast<std::size_t>(e) * features_;
    for (std::size_t f = 0; f < features_; ++f, line += kMostTileColumns)
      hn::Store(hn::MulAdd(hn::Set(d, x[f]), slope, hn::Load(d, line)), d, line);
  }

  /// Row i times its sums, to the first of the parts' lines.
  HWY_INLINE void add_row(std::int64_t i, const Sums& sums, W* parts) const {
    const D d;
    V row[kVectors];
    load_item<S, kVectors>(d, pass_.rows, pass_.tile, i, pass_.edges.count, row);
    HWY_UNROLL(8)
    for (std::size_t v = 0; v < kVectors; ++v) {
      W* to = parts + v * kLanes;
      hn::Store(
          hn::MulAdd(row[v], hn::Load(d, sums.of_column + v * kLanes), hn::Load(d, to)), d, to);
    }
  }

  const LeakySums& pass_;
  const std::uint8_t* bits_;
  TileWeights<W, kVectors * kLanes> weights_;
  const W* weight_;
  W slope_;
  const W* x_;
  std::size_t features_;
};

using Pass = std::unique_ptr<EdgePass>;

template <class S, std::size_t kBlocks>
Pass with_features(const LeakySums& pass) {
  if (pass.leaky.weight != nullptr)
    return std::make_unique<EdgePassOf<LeakySums, TileSlopes<S, kBlocks, true>>>(pass);
  return std::make_unique<EdgePassOf<LeakySums, TileSlopes<S, kBlocks, false>>>(pass);
}

}  // namespace

Pass leaky_sums_target(const LeakySums& pass) {
  Pass made;
  with_storage(pass.dtype, [&]<class S>(S) {
    if (pass.tile.blocks == 1)
      made = with_features<S, 1>(pass);
    else if (pass.tile.blocks == 2)
      made = with_features<S, 2>(pass);
    else
      made = with_features<S, 4>(pass);
  });
  return made;
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace regatta::cpu {

HWY_EXPORT(leaky_sums_target);

std::unique_ptr<EdgePass> leaky_sums_pass(const LeakySums& pass) {
  return HWY_DYNAMIC_DISPATCH(leaky_sums_target)(pass);
}

std::size_t leaky_row_lines(const AttentionInputs& in) {
  return 1 + (in.edge.weight == nullptr ? 0 : static_cast<std::size_t>(in.edge.features));
}

std::size_t leaky_parts_bytes(const EdgeLists& edges, std::size_t lines, KernelType dtype) {
  return static_cast<std::size_t>(EdgePieces(edges).count()) * lines * kMostTileColumns *
         working_bytes(dtype);
}

std::size_t leaky_place(std::size_t before, KernelType dtype) {
  return before / (64 / working_bytes(dtype));  // a tile has whole blocks
}

namespace {

/// Sum over the pieces of a column of a line.
template <class W>
W sum_of_parts(const LeakySums& pass, std::size_t lines, std::size_t line, std::size_t column) {
  const auto* part = static_cast<const W*>(pass.parts) + line * kMostTileColumns + column;
  W sum = 0;
  for (std::int64_t p = EdgePieces(pass.edges).count(); p > 0;
       --p, part += lines * kMostTileColumns)
    sum += *part;
  return sum;
}

template <class W>
void merge_typed(const AttentionBackwardArgs& args,
                 const LeakySums& rows,
                 const LeakySums& sources) {
  const std::size_t lines = leaky_row_lines(args.in);
  const auto* vector = static_cast<const W*>(args.in.attention_vector);
  const auto* weight = static_cast<const W*>(rows.leaky.weight);
  for (std::size_t c = 0; c < rows.tile.count; ++c) {
    const std::size_t column = rows.tile.first + c;
    W sum = sum_of_parts<W>(rows, lines, 0, c) + sum_of_parts<W>(sources, 1, 0, c);
    for (std::size_t f = 0; f + 1 < lines; ++f) {
      const std::size_t place = f * rows.leaky.row + column;
      const W of_feature = sum_of_parts<W>(rows, lines, f + 1, c);
      sum += weight[place] * of_feature;
      if (args.grad_edge_weight != nullptr)
        static_cast<W*>(args.grad_edge_weight)[place] = of_feature * vector[column];
    }
    static_cast<W*>(args.grad_attention_vector)[column] = sum;
  }
}

}  // namespace

void merge_leaky_parts(const AttentionBackwardArgs& args,
                       const LeakySums& rows,
                       const LeakySums& sources) {
  args.in.dtype == KernelType::kFloat64 ? merge_typed<double>(args, rows, sources)
                                        : merge_typed<float>(args, rows, sources);
}

}  // namespace regatta::cpu
#endif
