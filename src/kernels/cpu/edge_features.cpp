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

template <class Body>
void with_working(KernelType type, const Body& body) {
  type == KernelType::kFloat64 ? body(double{}) : body(float{});
}

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
      to[e] = (pass.add ? to[e] : W{0}) + from[e] * kept.of(e)[0];
  });
}

}  // namespace

void apply_head_factors(const HeadFactors& pass) {
  with_working(pass.in->dtype, [&]<class W>(W) { apply_typed<W>(pass); });
}

void add_feature_products(const AttentionBackwardArgs& args,
                          const EdgeLists& edges,
                          const HeadGroup& group,
                          void* product) {
  const AttentionInputs& in = args.in;
  const auto features = static_cast<std::size_t>(in.edge.features);
  const auto heads = static_cast<std::size_t>(in.heads);
  with_working(in.dtype, [&]<class W>(W) {
    const auto* g = static_cast<const W*>(args.grad_edge_out);
    const auto* x = static_cast<const W*>(in.edge.x);
    auto* p = static_cast<W*>(product);
    const auto row = [&](std::int64_t i, std::int64_t begin, std::int64_t end) {
      const W* of_row = g + (static_cast<std::size_t>(i) * heads + group.first) * features;
      for (auto e = static_cast<std::size_t>(begin); e < static_cast<std::size_t>(end); ++e)
        for (std::size_t h = 0; h < group.count; ++h)
          for (std::size_t f = 0; f < features; ++f)
            p[e * group.stride + h] += of_row[h * features + f] * x[e * features + f];
    };
    for_edges(EdgePieces(edges), row);
  });
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
