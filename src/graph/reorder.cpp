#include "graph/reorder.h"

#include "core/error.h"
#include "core/options.h"
#include "graph/partition_metis.h"
#include "graph/symmetric_graph.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <tuple>
#include <utility>

namespace regatta {
namespace {

using Order = std::vector<std::int32_t>;

Order identity(std::int64_t nodes) {
  Order order(static_cast<std::size_t>(nodes));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

Order given_order(const CsrView& graph) {
  return identity(graph.nodes);
}

Order degree_order(const CsrView& graph) {
  Order order = identity(graph.nodes);
  const auto degree = [&](std::int32_t node) {
    return graph.indptr[node + 1] - graph.indptr[node];
  };
  std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return degree(a) > degree(b);
  });
  return order;
}

/// Breadth-first walks that never leave the part they began in.
class PartWalk {
 public:
  /// `part` has one entry a node.
  PartWalk(const SymmetricGraph& graph, std::vector<std::int32_t> part)
      : graph_(graph), part_(std::move(part)), seen_(part_.size(), 0) {}

  /// All nodes, part by part, components of a part in the order of their node of fewest neighbours.
  Order order() {
    Order starts = identity(graph_.nodes());
    std::sort(starts.begin(), starts.end(), [&](std::int32_t a, std::int32_t b) {
      return std::tuple(part_[a], graph_.degree(a), a) < std::tuple(part_[b], graph_.degree(b), b);
    });
    Order result;
    result.reserve(starts.size());
    for (const std::int32_t node : starts) {
      if (seen_[node] != kPlaced)
        walk(rim_of(node), kPlaced, result);
    }
    return result;
  }

 private:
  // A walk a mark: at most two for each node, so 32 bits suffice.
  static constexpr std::uint32_t kPlaced = 0xFFFFFFFFU;

  /// Appends the component of `start` level by level, neighbours by degree; returns the level of
  /// the last node. Nodes marked `mark` or placed are passed over.
  std::int64_t walk(std::int32_t start, std::uint32_t mark, Order& out) {
    seen_[start] = mark;
    std::size_t next = out.size();
    out.push_back(start);
    std::int64_t level = 0;
    for (std::size_t level_end = out.size(); next < out.size(); ++next) {
      if (next == level_end) {
        level_end = out.size();
        ++level;
      }
      const std::int32_t node = out[next];
      const auto found = static_cast<std::ptrdiff_t>(out.size());
      for (const std::int32_t other : graph_.neighbours(node)) {
        if (part_[other] != part_[node] || seen_[other] == mark || seen_[other] == kPlaced)
          continue;
        seen_[other] = mark;
        out.push_back(other);
      }
      std::sort(out.begin() + found, out.end(), [&](std::int32_t a, std::int32_t b) {
        return std::pair(graph_.degree(a), a) < std::pair(graph_.degree(b), b);
      });
    }
    return level;
  }

  /// A node far from all others of its component: walks from `node` to the last one found for as
  /// long as that makes the walk longer.
  std::int32_t rim_of(std::int32_t node) {
    constexpr int kMostWalks = 4;
    std::int64_t depth = -1;
    for (int i = 0; i < kMostWalks; ++i) {
      component_.clear();
      const std::int64_t reached = walk(node, ++mark_, component_);
      if (reached <= depth)
        break;
      depth = reached;
      node = component_.back();
    }
    return node;
  }

  const SymmetricGraph& graph_;
  std::vector<std::int32_t> part_;
  std::vector<std::uint32_t> seen_;  ///< [N] mark of the last walk that met the node, or kPlaced
  std::uint32_t mark_ = 0;
  Order component_;
};

Order breadth_first_order(const CsrView& graph) {
  const SymmetricGraph symmetric = symmetrise(graph);
  return PartWalk(symmetric, Order(static_cast<std::size_t>(graph.nodes), 0)).order();
}

Order community_order(const CsrView& graph) {
  const MetisRequest request{
      (graph.nodes + kCommunityNodes - 1) / kCommunityNodes, 0, "order community", "order: bfs"};
  if (request.parts < 2)
    return breadth_first_order(graph);
  check_metis_size(graph, request);
  const SymmetricGraph symmetric = symmetrise(graph);
  return PartWalk(symmetric, metis_parts(graph, symmetric, request)).order();
}

struct Ordering {
  const char* name;
  Order (*order)(const CsrView&);
};
constexpr Ordering kOrderings[] = {{"none", &given_order},
                                   {"degree", &degree_order},
                                   {"bfs", &breadth_first_order},
                                   {"community", &community_order}};

const Ordering& find_ordering(const std::string& name) {
  for (const Ordering& row : kOrderings) {
    if (name == row.name)
      return row;
  }
  const std::string near = nearest_name(name, ordering_names());
  fail(ExitCode::kUsage,
       "order '{}' is unknown{}; known: {}",
       name,
       near.empty() ? "" : fmt::format(" (did you mean '{}'?)", near),
       fmt::join(ordering_names(), ", "));
}

}  // namespace

std::vector<std::string> ordering_names() {
  std::vector<std::string> names;
  for (const Ordering& row : kOrderings) names.emplace_back(row.name);
  return names;
}

void check_permutation(std::span<const std::int32_t> order, std::int64_t nodes, const char* what) {
  if (static_cast<std::int64_t>(order.size()) != nodes)
    fail(ExitCode::kInternal, "{}: {} entries, expected {}, one a node", what, order.size(), nodes);
  std::vector<bool> seen(order.size(), false);
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::int32_t node = order[i];
    if (node < 0 || node >= nodes)
      fail(ExitCode::kInternal,
           "{}: entry {} is node {}, expected [0, {}); set order: none",
           what,
           i,
           node,
           nodes);
    if (seen[node])
      fail(ExitCode::kInternal,
           "{}: entry {} repeats node {}, expected each node once; set order: none",
           what,
           i,
           node);
    seen[node] = true;
  }
}

std::vector<std::int32_t> order_nodes(const CsrView& graph, const std::string& method) {
  REGATTA_CHECK(graph.rows == graph.nodes, "{} rows, {} nodes", graph.rows, graph.nodes);
  const Ordering& ordering = find_ordering(method);
  Order order = ordering.order(graph);
  check_permutation(order, graph.nodes, ordering.name);
  return order;
}

CsrGraph renumber_nodes(const CsrView& graph, std::span<const std::int32_t> order) {
  REGATTA_CHECK(graph.rows == graph.nodes, "{} rows, {} nodes", graph.rows, graph.nodes);
  check_permutation(order, graph.nodes, "renumber_nodes");
  std::vector<std::int32_t> number(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) number[order[i]] = static_cast<std::int32_t>(i);
  std::vector<std::int64_t> indptr{0};
  std::vector<std::int32_t> src;
  std::vector<std::int64_t> edge_id;
  indptr.reserve(order.size() + 1);
  src.reserve(graph.src.size());
  edge_id.reserve(graph.src.size());
  std::vector<std::pair<std::int32_t, std::int64_t>> row;
  for (const std::int32_t node : order) {
    row.clear();
    for (std::int64_t e = graph.indptr[node]; e < graph.indptr[node + 1]; ++e)
      row.emplace_back(number[graph.src[e]], graph.edge_id[e]);
    std::sort(row.begin(), row.end());
    for (const auto& [source, id] : row) {
      src.push_back(source);
      edge_id.push_back(id);
    }
    indptr.push_back(static_cast<std::int64_t>(src.size()));
  }
  CsrGraph result;
  result.rows = result.nodes = graph.nodes;
  result.indptr = std::move(indptr);
  result.src = std::move(src);
  result.edge_id = std::move(edge_id);
  return result;
}

Locality measure_locality(const CsrView& graph) {
  constexpr std::int64_t kRows1Mb = 512;
  constexpr std::int64_t kRows16Mb = 8192;
  std::vector<std::int64_t> edges_of_gap(static_cast<std::size_t>(graph.nodes) + 1, 0);
  std::int64_t edges = 0;
  double sum = 0;
  for (std::int64_t dst = 0; dst < graph.rows; ++dst) {
    for (std::int64_t e = graph.indptr[dst]; e < graph.indptr[dst + 1]; ++e) {
      const std::int64_t gap = std::abs(graph.src[e] - dst);
      if (gap == 0)
        continue;
      ++edges_of_gap[gap];
      ++edges;
      sum += static_cast<double>(gap);
    }
  }
  Locality locality;
  if (edges == 0)
    return locality;
  const auto all = static_cast<double>(edges);
  locality.mean_gap = sum / all;
  std::int64_t reached = 0;
  for (std::size_t gap = 0; gap < edges_of_gap.size(); ++gap) {
    const bool below = static_cast<double>(reached) < 0.9 * all;
    reached += edges_of_gap[gap];
    if (below && static_cast<double>(reached) >= 0.9 * all)
      locality.p90_gap = static_cast<std::int64_t>(gap);
    if (static_cast<std::int64_t>(gap) <= kRows1Mb)
      locality.within_1mb = static_cast<double>(reached) / all;
    if (static_cast<std::int64_t>(gap) <= kRows16Mb)
      locality.within_16mb = static_cast<double>(reached) / all;
  }
  return locality;
}

}  // namespace regatta
