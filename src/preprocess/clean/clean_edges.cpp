#include "preprocess/clean/clean_edges.h"

#include "core/error.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace regatta {
namespace {

/// Directed edges with the place in the list that each came from.
struct DirectedEdges {
  std::vector<std::int32_t> src, dst;
  std::vector<EdgeOrigin> origin;

  void push(std::int32_t from, std::int32_t to, EdgeOrigin listed) {
    src.push_back(from);
    dst.push_back(to);
    origin.push_back(listed);
  }
  bool same_ends(std::int64_t a, std::int64_t b) const {
    return src[a] == src[b] && dst[a] == dst[b];
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
  edges.origin.reserve(expected);
  for (std::size_t i = 0; i < listed.src.size(); ++i) {
    const std::int32_t from = reversed ? listed.dst[i] : listed.src[i];
    const std::int32_t to = reversed ? listed.src[i] : listed.dst[i];
    const auto row = static_cast<std::int64_t>(i);
    if (from == to) {
      ++counts.self_loops;
      if (options.self_loops == "keep")
        edges.push(from, to, EdgeOrigin::listed(row, false));
      continue;
    }
    edges.push(from, to, EdgeOrigin::listed(row, false));
    if (both)
      edges.push(to, from, EdgeOrigin::listed(row, true));
  }
  return edges;
}

void add_self_loops(DirectedEdges& edges, std::int64_t nodes, CleanCounts& counts) {
  for (std::int64_t node = 0; node < nodes; ++node) {
    const auto end = static_cast<std::int32_t>(node);
    edges.push(end, end, EdgeOrigin::added());
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

/// Finds edges with the ends and the type of one before them, in an order sorted by ends.
class RepeatFinder {
 public:
  RepeatFinder(const DirectedEdges& edges, const ListedEdges& listed, const CleanOptions& options)
      : edges_(edges),
        listed_(listed),
        own_reverses_(options.reverse_types == "own" && !listed.type.empty()) {
    for (const std::int32_t type : listed.type) types_ = std::max(types_, type + std::int64_t{1});
    types_ = std::max<std::int64_t>(types_, 1);
    // The types, those of reversed edges, and that of added self loops.
    latest_.assign(static_cast<std::size_t>(2 * types_ + 1), -1);
  }

  /// The latest edge before `edge` that it repeats, or -1. Edges must come in their order.
  std::int64_t repeated_by(std::int64_t edge) {
    std::int64_t& latest = latest_[static_cast<std::size_t>(type_of(edges_.origin[edge]))];
    const bool repeats = latest >= 0 && edges_.same_ends(latest, edge);
    return repeats ? std::exchange(latest, edge) : (latest = edge, -1);
  }

 private:
  std::int64_t type_of(EdgeOrigin origin) const {
    if (origin.is_added())
      return 2 * types_;
    const std::int64_t type = listed_.type.empty() ? 0 : listed_.type[origin.row()];
    return type + (own_reverses_ && origin.is_reversed() ? types_ : 0);
  }

  const DirectedEdges& edges_;
  const ListedEdges& listed_;
  bool own_reverses_;
  std::int64_t types_ = 0;
  std::vector<std::int64_t> latest_;  ///< edge of each type met last
};

std::vector<std::int64_t> drop_duplicates(const DirectedEdges& edges,
                                          const ListedEdges& listed,
                                          const CleanOptions& options,
                                          std::vector<std::int64_t> order,
                                          CleanCounts& counts) {
  RepeatFinder finder(edges, listed, options);
  std::size_t kept = 0;
  std::int64_t between = 0;
  std::int64_t loops = 0;
  for (const std::int64_t edge : order) {
    if (finder.repeated_by(edge) < 0)
      order[kept++] = edge;
    else
      ++(edges.src[edge] == edges.dst[edge] ? loops : between);
  }
  order.resize(kept);
  counts.duplicates = loops + (options.direction == "undirected" ? between / 2 : between);
  return order;
}

void refuse_duplicates(const DirectedEdges& edges,
                       const ListedEdges& listed,
                       const CleanOptions& options,
                       const std::vector<std::int64_t>& order) {
  RepeatFinder finder(edges, listed, options);
  for (const std::int64_t edge : order) {
    const std::int64_t before = finder.repeated_by(edge);
    if (before >= 0)
      refuse_duplicate(listed, edges.origin[before].row(), edges.origin[edge].row());
  }
}

std::vector<EdgeOrigin> origins_in_table(const DirectedEdges& edges,
                                         const ListedEdges& listed,
                                         const std::vector<std::int64_t>& kept) {
  std::vector<EdgeOrigin> origin;
  if (!listed.has_attributes)
    return origin;
  origin.reserve(kept.size());
  for (const std::int64_t edge : kept) {
    const EdgeOrigin from = edges.origin[edge];
    origin.push_back(from.is_added()
                         ? from
                         : EdgeOrigin::listed(listed.table_row[from.row()], from.is_reversed()));
  }
  return origin;
}

}  // namespace

ListedEdges resolve_edges(const EdgeTable& table, const NodeIndex& index, RowReport& report) {
  ListedEdges edges;
  edges.path = table.path;
  edges.src.reserve(table.line.size());
  edges.dst.reserve(table.line.size());
  edges.line.reserve(table.line.size());
  edges.has_attributes = table.features.width > 0 || table.has_types;
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
    if (edges.has_attributes)
      edges.table_row.push_back(static_cast<std::int64_t>(i));
    if (table.has_types)
      edges.type.push_back(table.types.code[i]);
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
    edges.line[out] = edges.line[i];
    if (!edges.table_row.empty())
      edges.table_row[out] = edges.table_row[i];
    if (!edges.type.empty())
      edges.type[out] = edges.type[i];
    ++out;
  }
  edges.src.resize(out);
  edges.dst.resize(out);
  edges.line.resize(out);
  edges.table_row.resize(std::min(out, edges.table_row.size()));
  edges.type.resize(std::min(out, edges.type.size()));
}

CleanedEdges clean_edges(const ListedEdges& listed,
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
  if (options.duplicates == "error")
    refuse_duplicates(edges, listed, options, order);
  else if (options.duplicates == "drop")
    order = drop_duplicates(edges, listed, options, std::move(order), counts);
  return {build_csr(edges, order, nodes), origins_in_table(edges, listed, order)};
}

}  // namespace regatta
