// Features of edges beside the messages, and weights of heads that share their logits: a few values
// an edge, so plain loops that the compiler vectorises.
#include "core/parallel.h"
#include "kernels/attention_checks.h"
#include "kernels/cpu/edge_pieces.h"
#include "kernels/cpu/edge_softmax.h"
#include "kernels/cpu/out_edges.h"
#include "kernels/prepared_graph.h"
#include "kernels/storage_types.h"

#include <algorithm>
#include <vector>

namespace regatta::cpu {
namespace {

template <class W>
void apply_typed(const HeadFactors& pass) {
  constexpr std::int64_t kEdgesPerPiece = 16384;
  const KeptFactors<W> kept(pass.in->attention_dropout, pass.kept, pass.head, 1);
  const auto* from = static_cast<const W*>(pass.from);
  auto* to = static_cast<W*>(pass.to);
  const std::int64_t edges = edges_of(*pass.in);
  parallel_pieces((edges + kEdgesPerPiece - 1) / kEdgesPerPiece, [&](std::int64_t piece) {
    const auto end = static_cast<std::size_t>(std::min(edges, (piece + 1) * kEdgesPerPiece));
    for (auto e = static_cast<std::size_t>(piece * kEdgesPerPiece); e < end; ++e)
      to[e * pass.stride] =
          (pass.add ? to[e * pass.stride] : W{0}) + from[e * pass.stride] * kept.of(e)[0];
  });
}

template <class W>
class RowFeatures {
 public:
  explicit RowFeatures(const FeatureProducts& pass)
      : group_(pass.group),
        heads_(static_cast<std::size_t>(pass.args->in.heads)),
        features_(static_cast<std::size_t>(pass.args->in.edge.features)),
        gradient_(static_cast<const W*>(pass.args->grad_edge_out)),
        x_(static_cast<const W*>(pass.args->in.edge.x)),
        product_(static_cast<W*>(pass.product)) {}

  void run(const EdgePieces& pieces) const {
    pieces.run([&](const EdgePiece& piece) { run_items(piece); });
  }

  void run_items(const EdgePiece& piece) const {
    for_items(piece, [this](std::int64_t i, std::int64_t begin, std::int64_t end) {
      const W* row = gradient_ + (static_cast<std::size_t>(i) * heads_ + group_.first) * features_;
      for (auto e = static_cast<std::size_t>(begin); e < static_cast<std::size_t>(end); ++e)
        add(row, e);
    });
  }

 private:
  void add(const W* row, std::size_t e) const {
    for (std::size_t h = 0; h < group_.count; ++h)
      for (std::size_t f = 0; f < features_; ++f)
        product_[e * group_.stride + h] += row[h * features_ + f] * x_[e * features_ + f];
  }

  HeadGroup group_;
  std::size_t heads_;
  std::size_t features_;
  const W* gradient_;
  const W* x_;
  W* product_;
};

}  // namespace

void apply_head_factors(const HeadFactors& pass) {
  with_working(pass.in->dtype, [&]<class W>(W) { apply_typed<W>(pass); });
}

std::unique_ptr<EdgePass> feature_products_pass(const FeatureProducts& pass) {
  std::unique_ptr<EdgePass> made;
  with_working(pass.args->in.dtype, [&]<class W>(W) {
    made = std::make_unique<EdgePassOf<FeatureProducts, RowFeatures<W>>>(pass);
  });
  return made;
}

void sum_edge_features(const AttentionForwardArgs& args,
                       const HeadGroup& group,
                       const void* weight) {
  const AttentionInputs& in = args.in;
  const auto features = static_cast<std::size_t>(in.edge.features);
  const auto heads = static_cast<std::size_t>(in.heads);
  with_working(in.dtype, [&]<class W>(W) {
    const auto* w = static_cast<const W*>(weight);
    const auto* x = static_cast<const W*>(in.edge.x);
    const auto sum = [&](std::int64_t, std::int64_t begin, std::int64_t end, W* to) {
      for (auto e = static_cast<std::size_t>(begin); e < static_cast<std::size_t>(end); ++e)
        for (std::size_t h = 0; h < group.count; ++h)
          for (std::size_t f = 0; f < features; ++f)
            to[h * features + f] += w[e * group.stride + h] * x[e * features + f];
    };
    const auto store = [&](std::int64_t i, const W* sums) {
      const std::size_t first = static_cast<std::size_t>(i) * heads + group.first;
      std::copy_n(sums, group.count * features, static_cast<W*>(args.edge_out) + first * features);
    };
    sum_edges<W>(EdgePieces(in_edge_lists(in)), group.count * features, sum, store);
  });
}

}  // namespace regatta::cpu
