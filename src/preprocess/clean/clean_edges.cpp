#include "preprocess/clean/clean_edges.h"

#include "core/error.h"

#include <numeric>
#include <utility>

namespace regatta {
namespace {

/// Directed edges with the row each came from; row -1 = added by us.
struct DirectedEdges {
  std::vector<std::int32_t> src, dst;
  std::vector<std::int64_t> row;

  void push(std::int32_t from, std::int32_t to, std::int64_t listed_row) {
    src.push_back(from);
    dst.push_back(to);
    row.push_back(listed_row);
  }
};

DirectedEdges direct_edges(const ListedEdges& listed,
                           const CleanOptions& options,
                           CleanCounts& counts) {
  DirectedEdges edges;
  const bool both = options.direction == "undirected";
  const bool reversed = options.direction == "reversed";
  const std::size_t expected = listed.src.size() * (both ? 2 : 1);
  edges.src.reserve(expected);
  edges.dst.reserve(expected);
  edges.row.reserve(expected);
  for (std::size_t i = 0; i < listed.src.size(); ++i) {
    const std::int32_t from = reversed ? listed.dst[i] : listed.src[i];
    const std::int32_t to = reversed ? listed.src[i] : listed.dst[i];
    const auto row = static_cast<std::int64_t>(i);
    if (from == to) {
      ++counts.self_loops;
      if (options.self_loops == "keep")
        edges.push(from, to, row);
      continue;
    }
    edges.push(from, to, row);
    if (both)
      edges.push(to, from, row);
  }
  return edges;
}

void add_self_loops(DirectedEdges& edges, std::int64_t nodes, CleanCounts& counts) {
  for (std::int64_t node = 0; node < nodes; ++node) {
    edges.push(static_cast<std::int32_t>(node), static_cast<std::int32_t>(node), -1);
  }
  counts.added_self_loops = nodes;
}

/// Positions of `key` sorted stably after `order` by key value: one pass of a radix sort with node
/// numbers as digits.
std::vector<std::int64_t> sort_pass(const std::vector<std::int32_t>& key,
                                    const std::vector<std::int64_t>& order,
                                    std::vector<std::int64_t> start) {
  std::vector<std::int64_t> sorted(order.size());
  for (const std::int64_t edge : order) sorted[start[key[edge]]++] = edge;
  return sorted;
}

std::vector<std::int64_t> starts_of(const std::vector<std::int32_t>& key, std::int64_t nodes) {
  std::vector<std::int64_t> start(static_cast<std::size_t>(nodes) + 1, 0);
  for (const std::int32_t node : key) ++start[node + 1];
  std::partial_sum(start.begin(), start.end(), start.begin());
  return start;
}

[[noreturn]] void refuse_duplicate(const ListedEdges& listed,
                                   std::int64_t first,
                                   std::int64_t second) {
  if (first > second)
    std::swap(first, second);
  fail(ExitCode::kData,
       "{}:{}: the edge was already given in line {}; remove it, or set clean.duplicates: drop or "
       "keep",
       listed.path,
       listed.line[second],
       listed.line[first]);
}

CsrGraph build_csr(const DirectedEdges& edges,
                   const std::vector<std::int64_t>& kept,
                   std::int64_t nodes) {
  std::vector<std::int64_t> indptr(static_cast<std::size_t>(nodes) + 1, 0);
  std::vector<std::int32_t> src;
  src.reserve(kept.size());
  for (const std::int64_t edge : kept) {
    ++indptr[edges.dst[edge] + 1];
    src.push_back(edges.src[edge]);
  }
  std::partial_sum(indptr.begin(), indptr.end(), indptr.begin());
  std::vector<std::int64_t> edge_id(kept.size());
  std::iota(edge_id.begin(), edge_id.end(), std::int64_t{0});
  CsrGraph graph;
  graph.rows = graph.nodes = nodes;
  graph.indptr = std::move(indptr);
  graph.src = std::move(src);
  graph.edge_id = std::move(edge_id);
  return graph;
}

std::vector<std::int64_t> drop_duplicates(const DirectedEdges& edges,
                                          std::vector<std::int64_t> order,
                                          CleanCounts& counts,
                                          bool both) {
  std::size_t kept = 0;
  std::int64_t between = 0;
  std::int64_t loops = 0;
  for (const std::int64_t edge : order) {
    const bool repeats = kept > 0 && edges.src[edge] == edges.src[order[kept - 1]] &&
                         edges.dst[edge] == edges.dst[order[kept - 1]];
    if (!repeats) {
      order[kept++] = edge;
    } else {
      ++(edges.src[edge] == edges.dst[edge] ? loops : between);
    }
  }
  order.resize(kept);
  counts.duplicates = loops + (both ? between / 2 : between);
  return order;
}

}  // namespace

ListedEdges resolve_edges(const EdgeTable& table, const NodeIndex& index, RowReport& report) {
  ListedEdges edges;
  edges.path = table.path;
  edges.src.reserve(table.line.size());
  edges.dst.reserve(table.line.size());
  edges.line.reserve(table.line.size());
  for (std::size_t i = 0; i < table.line.size(); ++i) {
    const std::int32_t src = index.find(table.source, i);
    const std::int32_t dst = index.find(table.destination, i);
    if (src < 0 || dst < 0) {
      const IdColumn& unknown = src < 0 ? table.source : table.destination;
      report.unknown_node(
          {&table.path, table.line[i]},
          fmt::format("the edge names node {}, which does not exist", unknown.shown(i)));
      continue;
    }
    edges.src.push_back(src);
    edges.dst.push_back(dst);
    edges.line.push_back(table.line[i]);
  }
  return edges;
}

std::vector<std::int64_t> connected_nodes(const ListedEdges& edges, std::int64_t nodes) {
  std::vector<bool> connected(static_cast<std::size_t>(nodes), false);
  for (std::size_t i = 0; i < edges.src.size(); ++i) {
    if (edges.src[i] != edges.dst[i])
      connected[edges.src[i]] = connected[edges.dst[i]] = true;
  }
  std::vector<std::int64_t> result;
  for (std::int64_t node = 0; node < nodes; ++node) {
    if (connected[node])
      result.push_back(node);
  }
  return result;
}

void renumber_edges(ListedEdges& edges, const std::vector<std::int64_t>& kept, std::int64_t nodes) {
  std::vector<std::int32_t> number(static_cast<std::size_t>(nodes), -1);
  for (std::size_t i = 0; i < kept.size(); ++i) number[kept[i]] = static_cast<std::int32_t>(i);
  std::size_t out = 0;
  for (std::size_t i = 0; i < edges.src.size(); ++i) {
    const std::int32_t src = number[edges.src[i]];
    const std::int32_t dst = number[edges.dst[i]];
    if (src < 0 || dst < 0)
      continue;
    edges.src[out] = src;
    edges.dst[out] = dst;
    edges.line[out++] = edges.line[i];
  }
  edges.src.resize(out);
  edges.dst.resize(out);
  edges.line.resize(out);
}

CsrGraph clean_edges(ListedEdges listed,
                     std::int64_t nodes,
                     const CleanOptions& options,
                     CleanCounts& counts) {
  counts.listed = static_cast<std::int64_t>(listed.src.size());
  DirectedEdges edges = direct_edges(listed, options, counts);
  if (options.self_loops == "add")
    add_self_loops(edges, nodes, counts);
  std::vector<std::int64_t> order(edges.src.size());
  std::iota(order.begin(), order.end(), std::int64_t{0});
  order = sort_pass(edges.src, order, starts_of(edges.src, nodes));
  order = sort_pass(edges.dst, order, starts_of(edges.dst, nodes));
  if (options.duplicates == "error") {
    for (std::size_t i = 1; i < order.size(); ++i) {
      const std::int64_t a = order[i - 1];
      const std::int64_t b = order[i];
      if (edges.src[a] == edges.src[b] && edges.dst[a] == edges.dst[b]) {
        refuse_duplicate(listed, edges.row[a], edges.row[b]);
      }
    }
  } else if (options.duplicates == "drop") {
    order = drop_duplicates(edges, std::move(order), counts, options.direction == "undirected");
  }
  return build_csr(edges, order, nodes);
}

}  // namespace regatta
