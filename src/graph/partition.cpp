#include "graph/partition.h"

#include "core/error.h"
#include "core/options.h"
#include "graph/partition_metis.h"

#include <algorithm>
#include <utility>

namespace regatta {
namespace {

using Owners = std::vector<std::int32_t>;

Owners metis_owners(const CsrView& graph, const PartitionRequest& request) {
  const MetisRequest parts{
      request.chunks, request.seed, "partition.method metis", "partition.method: range"};
  check_metis_size(graph, parts);
  return metis_parts(graph, symmetrise(graph), parts);
}

Owners range_owners(const CsrView& graph, const PartitionRequest& request) {
  Owners owner(static_cast<std::size_t>(graph.nodes));
  // Chunk c starts at floor(c * nodes / chunks), so sizes differ by one at most.
  for (std::int64_t chunk = 0; chunk < request.chunks; ++chunk) {
    const std::int64_t begin = chunk * graph.nodes / request.chunks;
    const std::int64_t end = (chunk + 1) * graph.nodes / request.chunks;
    std::fill(owner.begin() + begin, owner.begin() + end, static_cast<std::int32_t>(chunk));
  }
  return owner;
}

struct Partitioner {
  const char* name;
  Owners (*owners)(const CsrView&, const PartitionRequest&);
};
constexpr Partitioner kPartitioners[] = {{"metis", &metis_owners}, {"range", &range_owners}};

const Partitioner& find_partitioner(const std::string& name) {
  for (const Partitioner& row : kPartitioners) {
    if (name == row.name)
      return row;
  }
  const std::string near = nearest_name(name, partitioner_names());
  fail(ExitCode::kUsage,
       "partition.method '{}' is unknown{}; known: {}",
       name,
       near.empty() ? "" : fmt::format(" (did you mean '{}'?)", near),
       fmt::join(partitioner_names(), ", "));
}

// METIS may leave parts empty on small graphs; each takes the upper half of the largest part.
void fill_empty_parts(Owners& owner, std::int64_t chunks) {
  std::vector<std::int64_t> size(static_cast<std::size_t>(chunks), 0);
  for (const std::int32_t part : owner) ++size[part];
  for (std::int64_t empty = 0; empty < chunks; ++empty) {
    if (size[empty] != 0)
      continue;
    const auto largest = std::max_element(size.begin(), size.end()) - size.begin();
    std::int64_t moved = size[largest] / 2;
    size[largest] -= moved;
    size[empty] = moved;
    for (auto node = owner.rbegin(); node != owner.rend() && moved > 0; ++node) {
      if (*node != largest)
        continue;
      *node = static_cast<std::int32_t>(empty);
      --moved;
    }
  }
}

}  // namespace

std::vector<std::string> partitioner_names() {
  std::vector<std::string> names;
  for (const Partitioner& row : kPartitioners) names.emplace_back(row.name);
  return names;
}

Partition make_partition(const std::vector<std::int32_t>& owner) {
  Partition partition;
  std::vector<std::int32_t> number;  // old part -> chunk, in order of the smallest node
  partition.owner.reserve(owner.size());
  partition.row.reserve(owner.size());
  for (std::size_t node = 0; node < owner.size(); ++node) {
    const std::int32_t part = owner[node];
    if (part < 0)
      fail(ExitCode::kData, "partition: node {} has owner {}, expected 0 or more", node, part);
    if (static_cast<std::size_t>(part) >= number.size())
      number.resize(part + 1, -1);
    if (number[part] < 0) {
      number[part] = static_cast<std::int32_t>(partition.members.size());
      partition.members.emplace_back();
    }
    auto& members = partition.members[number[part]];
    partition.owner.push_back(number[part]);
    partition.row.push_back(static_cast<std::int64_t>(members.size()));
    members.push_back(static_cast<std::int32_t>(node));
  }
  partition.chunks = static_cast<std::int64_t>(partition.members.size());
  return partition;
}

Partition partition_graph(const CsrView& graph, const PartitionRequest& request) {
  REGATTA_CHECK(graph.rows == graph.nodes, "{} rows, {} nodes", graph.rows, graph.nodes);
  const Partitioner& partitioner = find_partitioner(request.method);
  if (request.chunks < 1) {
    fail(ExitCode::kUsage, "partition.chunks is {}, expected 1 or more", request.chunks);
  }
  PartitionRequest bounded = request;
  bounded.chunks = std::min(request.chunks, graph.nodes);
  if (bounded.chunks <= 1)
    return make_partition(Owners(static_cast<std::size_t>(graph.nodes), 0));
  if (bounded.chunks == graph.nodes)
    return make_partition(range_owners(graph, bounded));
  Owners owner = partitioner.owners(graph, bounded);
  fill_empty_parts(owner, bounded.chunks);
  return make_partition(owner);
}

std::int64_t edge_cut(const CsrView& graph, const Partition& partition) {
  std::int64_t cut = 0;
  for (std::int64_t dst = 0; dst < graph.rows; ++dst) {
    for (std::int64_t e = graph.indptr[dst]; e < graph.indptr[dst + 1]; ++e)
      cut += partition.owner[graph.src[e]] != partition.owner[dst] ? 1 : 0;
  }
  return cut;
}

}  // namespace regatta
