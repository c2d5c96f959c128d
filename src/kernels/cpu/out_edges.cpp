#include "kernels/cpu/out_edges.h"

#include "core/parallel.h"
#include "kernels/cpu/edge_pieces.h"
#include "kernels/prepared_graph.h"

#include <algorithm>
#include <cstring>

namespace regatta::cpu {
namespace {

constexpr std::int64_t kSourcesPerPiece = 4096;
constexpr std::int64_t kAhead = 128;

/// Records of kBytes bytes; 0: of `bytes`.
template <std::size_t kBytes>
void reorder(const AttentionInputs& in,
             const EdgeLists& out,
             std::size_t bytes,
             const std::byte* from,
             std::byte* to) {
  const std::size_t length = kBytes == 0 ? bytes : kBytes;
  const std::int64_t* order = in.graph->out_edge.data();
  const std::int64_t last = out.begin[out.count] - kAhead;
  for_edges(EdgePieces(out), [=](std::int64_t, std::int64_t begin, std::int64_t end) {
    for (std::int64_t k = begin; k < end; ++k) {
      if (k < last)
        __builtin_prefetch(from + static_cast<std::size_t>(order[k + kAhead]) * length);
      std::memcpy(to + static_cast<std::size_t>(k) * length,
                  from + static_cast<std::size_t>(order[k]) * length,
                  kBytes == 0 ? length : kBytes);
    }
  });
}

}  // namespace

bool rows_are_prefix(const AttentionInputs& in) {
  return in.rows < in.graph->in.rows;
}

std::int64_t out_edges_of(const AttentionInputs& in) {
  return in.nodes == 0 ? 0 : in.graph->out_ptr[static_cast<std::size_t>(in.nodes)];
}

EdgeLists in_edge_lists(const AttentionInputs& in) {
  return {in.rows, in.graph->in.indptr.data(), nullptr, in.graph->in.src.data()};
}

EdgeLists all_out_edges(const AttentionInputs& in) {
  return {in.nodes, in.graph->out_ptr.data(), nullptr, in.graph->out_dst.data()};
}

EdgeLists out_edge_lists(const AttentionInputs& in, std::int64_t* ends) {
  const PreparedGraph& graph = *in.graph;
  EdgeLists lists = all_out_edges(in);
  if (!rows_are_prefix(in))
    return lists;
  lists.end = ends;
  const std::int64_t pieces = (in.nodes + kSourcesPerPiece - 1) / kSourcesPerPiece;
  parallel_pieces(pieces, [&](std::int64_t piece) {
    const std::int64_t end = std::min(in.nodes, (piece + 1) * kSourcesPerPiece);
    for (std::int64_t j = piece * kSourcesPerPiece; j < end; ++j)
      ends[j] = lists.begin[j] + graph.out_end(j, in.rows);
  });
  return lists;
}

void reorder_edges(const AttentionInputs& in,
                   const EdgeLists& out,
                   std::size_t bytes,
                   const void* from,
                   void* to) {
  const auto* records = static_cast<const std::byte*>(from);
  auto* listed = static_cast<std::byte*>(to);
  switch (bytes) {
    case 8:
      return reorder<8>(in, out, bytes, records, listed);
    case 12:
      return reorder<12>(in, out, bytes, records, listed);
    case 16:
      return reorder<16>(in, out, bytes, records, listed);
    case 24:
      return reorder<24>(in, out, bytes, records, listed);
    case 32:
      return reorder<32>(in, out, bytes, records, listed);
    case 36:
      return reorder<36>(in, out, bytes, records, listed);
    case 40:
      return reorder<40>(in, out, bytes, records, listed);
    default:
      return reorder<0>(in, out, bytes, records, listed);
  }
}

}  // namespace regatta::cpu
