// Values of in-edges in the order of the sources' lists.
#pragma once

#include "kernels/attention.h"
#include "kernels/cpu/weighted_sums.h"

#include <cstddef>
#include <cstdint>

namespace regatta::cpu {

/// Lists of the sources' edges into the rows of `in`. `ends` [N] is written and used where the rows
/// are a prefix of the graph's; null otherwise.
EdgeLists out_edge_lists(const AttentionInputs& in, std::int64_t* ends);
/// The same with the edges into rows beyond those of `in`.
EdgeLists all_out_edges(const AttentionInputs& in);
/// Lists of the rows' edges.
EdgeLists in_edge_lists(const AttentionInputs& in);
bool rows_are_prefix(const AttentionInputs& in);
/// Places of the out-edge lists that the sources of `in` have in all.
std::int64_t out_edges_of(const AttentionInputs& in);

/// to[k] = from[out_edge[k]] for the listed edges k; each record has `bytes` bytes.
void reorder_edges(
    const AttentionInputs& in, const EdgeLists& out, std::size_t bytes, const void* from, void* to);

}  // namespace regatta::cpu
