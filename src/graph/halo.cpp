#include "graph/halo.h"

#include "core/error.h"

#include <algorithm>

namespace regatta {
namespace {

// Marks ring 0 and returns which parent nodes have been seen.
std::vector<bool> mark_owned(const CsrView& parent, std::span<const std::int32_t> owned) {
  std::vector<bool> seen(static_cast<std::size_t>(parent.nodes), false);
  for (const std::int32_t node : owned) {
    if (node < 0 || node >= parent.nodes) {
      fail(ExitCode::kData,
           "subgraph: target {} is not a node, expected [0, {})",
           node,
           parent.nodes);
    }
    if (seen[node])
      fail(ExitCode::kData, "subgraph: target {} is listed twice", node);
    seen[node] = true;
  }
  return seen;
}

void sort_ring(std::vector<std::int32_t>& nodes,
               std::int64_t begin,
               std::span<const std::int64_t> order_key) {
  if (order_key.empty()) {
    std::sort(nodes.begin() + begin, nodes.end());
    return;
  }
  std::sort(nodes.begin() + begin, nodes.end(), [&](std::int32_t a, std::int32_t b) {
    return order_key[a] != order_key[b] ? order_key[a] < order_key[b] : a < b;
  });
}

struct LocalEdge {
  std::int32_t src;
  std::int64_t edge_id;
  std::int64_t position;
  bool operator<(const LocalEdge& other) const {
    return src != other.src ? src < other.src : edge_id < other.edge_id;
  }
};

}  // namespace

Rings collect_rings(const CsrView& parent,
                    std::span<const std::int32_t> owned,
                    std::span<const std::int64_t> order_key,
                    int hops) {
  REGATTA_CHECK(hops >= 0, "hops {}", hops);
  REGATTA_CHECK(order_key.empty() || static_cast<std::int64_t>(order_key.size()) == parent.nodes,
                "{} order keys for {} nodes",
                order_key.size(),
                parent.nodes);
  std::vector<bool> seen = mark_owned(parent, owned);
  Rings rings;
  rings.nodes.assign(owned.begin(), owned.end());
  sort_ring(rings.nodes, 0, order_key);
  rings.ring_ptr = {0, static_cast<std::int64_t>(owned.size())};
  for (int ring = 1; ring <= hops; ++ring) {
    const std::int64_t begin = rings.ring_ptr[ring - 1];
    const std::int64_t end = rings.ring_ptr[ring];
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int32_t node = rings.nodes[i];
      if (node >= parent.rows)
        continue;
      for (std::int64_t e = parent.indptr[node]; e < parent.indptr[node + 1]; ++e) {
        if (seen[parent.src[e]])
          continue;
        seen[parent.src[e]] = true;
        rings.nodes.push_back(parent.src[e]);
      }
    }
    sort_ring(rings.nodes, end, order_key);
    rings.ring_ptr.push_back(static_cast<std::int64_t>(rings.nodes.size()));
  }
  return rings;
}

CsrGraph induce_rows(const CsrView& parent,
                     std::span<const std::int32_t> nodes,
                     std::int64_t rows,
                     std::vector<std::int64_t>* parent_edge) {
  std::vector<std::int32_t> local(static_cast<std::size_t>(parent.nodes), -1);
  for (std::size_t i = 0; i < nodes.size(); ++i) local[nodes[i]] = static_cast<std::int32_t>(i);
  std::vector<std::int64_t> indptr{0};
  indptr.reserve(static_cast<std::size_t>(rows) + 1);
  std::vector<std::int32_t> src;
  std::vector<std::int64_t> edge_id;
  std::vector<LocalEdge> row_edges;
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int32_t node = nodes[row];
    row_edges.clear();
    if (node < parent.rows) {
      for (std::int64_t e = parent.indptr[node]; e < parent.indptr[node + 1]; ++e) {
        const std::int32_t source = local[parent.src[e]];
        if (source >= 0)
          row_edges.push_back({source, parent.edge_id[e], e});
      }
    }
    std::sort(row_edges.begin(), row_edges.end());
    for (const LocalEdge& edge : row_edges) {
      src.push_back(edge.src);
      edge_id.push_back(edge.edge_id);
      if (parent_edge != nullptr)
        parent_edge->push_back(edge.position);
    }
    indptr.push_back(static_cast<std::int64_t>(src.size()));
  }
  CsrGraph graph;
  graph.rows = rows;
  graph.nodes = static_cast<std::int64_t>(nodes.size());
  graph.indptr = std::move(indptr);
  graph.src = std::move(src);
  graph.edge_id = std::move(edge_id);
  return graph;
}

}  // namespace regatta
