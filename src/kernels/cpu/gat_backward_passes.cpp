#include "core/parallel.h"
#include "kernels/attention_checks.h"
#include "kernels/cpu/cpu_attention.h"
#include "kernels/cpu/gat_backward.h"
#include "kernels/cpu/gat_sum_tiles.h"
#include "kernels/cpu/kept_edges.h"
#include "kernels/cpu/out_edges.h"
#include "kernels/cpu/output_gradient.h"
#include "kernels/cpu/row_products.h"
#include "kernels/cpu/workspace_parts.h"
#include "kernels/prepared_graph.h"
#include "kernels/storage_types.h"

#include <algorithm>

namespace regatta::cpu {
namespace {

constexpr std::int64_t kRowsPerPiece = 512;

/// C serves where dt is all that comes from the rows; terms of edges need every product anyway.
bool one_gather(const AttentionBackwardArgs& args) {
  return args.correction != nullptr && args.in.edge.logit == nullptr;
}

template <class Body>
void for_items(std::int64_t count, const Body& body) {
  parallel_pieces((count + kRowsPerPiece - 1) / kRowsPerPiece, [&](std::int64_t piece) {
    const std::int64_t end = std::min(count, (piece + 1) * kRowsPerPiece);
    for (std::int64_t i = piece * kRowsPerPiece; i < end; ++i) body(static_cast<std::size_t>(i));
  });
}

void find_ends(const AttentionInputs& in, std::int64_t* end) {
  for_items(in.nodes, [&](std::size_t j) {
    end[j] = in.graph->out_ptr[j] + in.graph->out_end(static_cast<std::int64_t>(j), in.rows);
  });
}

template <class W>
class Scalars {
 public:
  Scalars(const AttentionBackwardArgs& args, const GatBackwardMemory& memory)
      : args_(args),
        memory_(memory),
        heads_(static_cast<std::size_t>(args.in.heads)),
        slope_(static_cast<W>(args.in.negative_slope)),
        logsumexp_gradient_(static_cast<const W*>(args.grad_logsumexp)) {}

  /// dt = (1 - slope) <g, C>, and what comes through L: its gradient times sum alpha LeakyReLU'.
  void destination_gradient() const {
    const auto* product = static_cast<const W*>(memory_.correction);
    const auto* positive = static_cast<const W*>(memory_.positive);
    auto* to = static_cast<W*>(args_.grad_destination_logit);
    for_items(args_.in.rows, [&](std::size_t i) {
      const bool empty = args_.in.graph->in.indptr[i] == args_.in.graph->in.indptr[i + 1];
      for (std::size_t k = i * heads_; k < (i + 1) * heads_; ++k) {
        to[k] = (1 - slope_) * product[k];
        if (logsumexp_gradient_ != nullptr && !empty)
          to[k] += logsumexp_gradient_[k] * (slope_ + (1 - slope_) * positive[k]);
      }
    });
  }

  void records(const HeadGroup& group) const {
    const auto* t = static_cast<const W*>(args_.in.destination_logit);
    const auto* l = static_cast<const W*>(args_.logsumexp);
    const auto* delta = static_cast<const W*>(memory_.delta);
    for_items(args_.in.rows, [&](std::size_t i) {
      W* to = static_cast<W*>(memory_.record) + i * GatRecords::values(group);
      const std::size_t first = i * heads_ + group.first;
      if (group.count == group.stride && logsumexp_gradient_ == nullptr) {
        // Too short for calls that copy.
        for (std::size_t h = 0; h < group.stride; ++h) {
          to[h] = t[first + h];
          to[group.stride + h] = l[first + h];
          to[2 * group.stride + h] = delta[first + h];
        }
        return;
      }
      for (std::size_t h = 0; h < group.stride; ++h) {
        const std::size_t k = first + h;
        const bool held = h < group.count;
        to[h] = held ? t[k] : 0;
        to[group.stride + h] = held ? l[k] : 0;
        to[2 * group.stride + h] =
            held ? delta[k] - (logsumexp_gradient_ == nullptr ? W{0} : logsumexp_gradient_[k]) : 0;
      }
    });
  }

 private:
  const AttentionBackwardArgs& args_;
  const GatBackwardMemory& memory_;
  std::size_t heads_;
  W slope_;
  const W* logsumexp_gradient_;
};

/// p of all in-edges of the rows, for the heads of a group.
void find_products(const AttentionBackwardArgs& args,
                   const GatBackwardMemory& memory,
                   const HeadGroup& group) {
  const AttentionInputs& in = args.in;
  RowProducts products;
  products.dtype = in.dtype;
  products.edges = {in.rows, in.graph->in.indptr.data(), nullptr, in.graph->in.src.data()};
  products.group = group;
  products.width = static_cast<std::size_t>(in.width);
  products.rows = {memory.gradient, static_cast<std::size_t>(in.heads * in.width)};
  products.product = memory.weight;
  const TableShape table = message_table(in, group);
  for (const ColumnTile& tile : column_tiles(table)) {
    products.tile = tile;
    products.table = pack_messages(in, table, tile, memory.tile);
    row_products(products);
    products.add = true;
  }
}

/// The bits of attention dropout for the in-edges of the group's heads.
const std::uint8_t* kept_edges(const AttentionBackwardArgs& args,
                               const GatBackwardMemory& memory,
                               const HeadGroup& group) {
  const auto edges = static_cast<std::size_t>(edges_of(args.in));
  const std::size_t quad = group.first / kQuadHeads;
  if (args.kept.edges != nullptr)
    return args.kept.edges + quad * edges;
  if (args.in.attention_dropout.probability > 0)
    for (std::size_t q = 0; q < quads_of(group); ++q)
      find_kept_edges(args.in, quad + q, memory.kept_edges + q * edges);
  return memory.kept_edges;
}

template <class W>
void run(const AttentionBackwardArgs& args, const GatBackwardMemory& memory) {
  const AttentionInputs& in = args.in;
  output_gradient({&args, memory.own_gradient, memory.delta, memory.correction, memory.bias_parts});
  find_ends(in, memory.end);
  const Scalars<W> scalars(args, memory);
  const std::vector<HeadGroup> groups = gat_head_groups(in);
  if (memory.positive != nullptr)
    for (const HeadGroup& group : groups)
      gat_row_weights({&in, group, nullptr, nullptr, memory.positive});
  if (one_gather(args))
    scalars.destination_gradient();
  for (const HeadGroup& group : groups) {
    scalars.records(group);
    const std::uint8_t* kept = kept_edges(args, memory, group);
    if (!one_gather(args)) {
      find_products(args, memory, group);
      gat_edge_gradients(args, memory, group, kept);
    }
    gat_source_weights(
        {&in, group, memory.record, memory.end, kept, memory.weight, args.grad_source_logit});
    gat_source_sums(args, memory, group);
  }
}

}  // namespace

GatBackwardMemory::GatBackwardMemory(const AttentionBackwardArgs& args) {
  const AttentionInputs& in = args.in;
  const std::size_t working = working_bytes(in.dtype);
  const std::size_t scalars = static_cast<std::size_t>(in.rows * in.heads) * working;
  const bool changed = args.epilogue.changes_gradient();
  const std::vector<HeadGroup> groups = gat_head_groups(in);
  WorkspaceParts parts(args.workspace);
  // The gradient of the residual is g itself.
  own_gradient = args.grad_residual;
  if (changed && own_gradient == nullptr)
    own_gradient = parts.take(static_cast<std::size_t>(in.rows * in.heads * in.width) *
                              storage_bytes(in.dtype));
  gradient = changed ? own_gradient : args.grad_out;
  delta = parts.take(scalars);
  correction = parts.take(one_gather(args) ? scalars : 0);
  positive = parts.take(one_gather(args) && args.grad_logsumexp != nullptr ? scalars : 0);
  bias_parts = parts.take(bias_parts_bytes(args));
  end = static_cast<std::int64_t*>(
      parts.take(static_cast<std::size_t>(in.nodes) * sizeof(std::int64_t)));
  record =
      parts.take(static_cast<std::size_t>(in.rows) * GatRecords::values(groups.front()) * working);
  weight = parts.take(in.graph->in.src.size() * groups.front().stride * working + kWeightSlack);
  kept_messages = static_cast<std::uint64_t*>(parts.take(kept_messages_bytes(in)));
  const bool drawn = in.attention_dropout.probability > 0 && args.kept.edges == nullptr;
  kept_edges = static_cast<std::uint8_t*>(
      parts.take(drawn ? kept_edges_bytes(groups.front(), edges_of(in)) : 0));
  std::size_t widest = 0;
  for (const HeadGroup& group : groups) {
    const GatSumTiles sums(in, gradient_table(in, group), all_out_edges(in));
    widest = std::max(widest, sums.packed_bytes);
    if (!one_gather(args))
      widest = std::max(widest, packed_tile_bytes(message_table(in, group)));
  }
  tile = parts.take(widest);
  bytes = parts.taken();
}

std::size_t gat_backward_bytes(AttentionBackwardArgs args) {
  args.workspace = nullptr;
  return GatBackwardMemory(args).bytes;
}

void gat_backward(const AttentionBackwardArgs& args) {
  const GatBackwardMemory memory(args);
  args.in.dtype == KernelType::kFloat64 ? run<double>(args, memory) : run<float>(args, memory);
}

}  // namespace regatta::cpu
