#include "graph/symmetric_graph.h"

#include <algorithm>

namespace regatta {
namespace {

template <class Visit>
void for_each_edge(const CsrView& graph, const Visit& visit) {
  for (std::int64_t dst = 0; dst < graph.rows; ++dst) {
    for (std::int64_t e = graph.indptr[dst]; e < graph.indptr[dst + 1]; ++e) {
      if (graph.src[e] != dst)
        visit(graph.src[e], static_cast<std::int32_t>(dst));
    }
  }
}

}  // namespace

SymmetricGraph symmetrise(const CsrView& graph) {
  const auto nodes = static_cast<std::size_t>(graph.nodes);
  SymmetricGraph result;
  result.ptr.assign(nodes + 1, 0);
  std::vector<std::int64_t>& ptr = result.ptr;
  std::vector<std::int32_t>& neighbour = result.neighbour;
  for_each_edge(graph, [&](std::int32_t a, std::int32_t b) { ++ptr[a + 1], ++ptr[b + 1]; });
  for (std::size_t i = 0; i < nodes; ++i) ptr[i + 1] += ptr[i];
  neighbour.resize(static_cast<std::size_t>(ptr[nodes]));
  std::vector<std::int64_t> cursor(ptr.begin(), ptr.end() - 1);
  for_each_edge(graph, [&](std::int32_t a, std::int32_t b) {
    neighbour[cursor[a]++] = b;
    neighbour[cursor[b]++] = a;
  });
  // Repeats are merged in place: what is written never passes what is still to be read.
  std::int64_t kept = 0;
  for (std::size_t node = 0; node < nodes; ++node) {
    const std::int64_t begin = ptr[node];
    const std::int64_t end = cursor[node];
    std::sort(neighbour.begin() + begin, neighbour.begin() + end);
    ptr[node] = kept;
    for (std::int64_t i = begin; i < end; ++i) {
      if (kept > ptr[node] && neighbour[kept - 1] == neighbour[i]) {
        ++result.weight.back();
        continue;
      }
      neighbour[kept++] = neighbour[i];
      result.weight.push_back(1);
    }
  }
  ptr[nodes] = kept;
  neighbour.resize(static_cast<std::size_t>(kept));
  return result;
}

}  // namespace regatta
