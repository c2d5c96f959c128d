#include "graph/partition_metis.h"

#include "core/error.h"

#include <metis.h>

#include <limits>

namespace regatta {
namespace {

constexpr std::int64_t kMetisLimit = std::numeric_limits<idx_t>::max();

const char* metis_reason(int status) {
  if (status == METIS_ERROR_INPUT)
    return "it refused its input";
  if (status == METIS_ERROR_MEMORY)
    return "it ran out of memory";
  return "it failed";
}

}  // namespace

void check_metis_size(const CsrView& graph, const MetisRequest& request) {
  if (graph.nodes < kMetisLimit && graph.edges() < kMetisLimit / 2)
    return;
  fail(ExitCode::kUsage,
       "{}: {} nodes and {} edges, but this METIS library has {}-bit indices and takes at most {} "
       "edges; set {}",
       request.option,
       graph.nodes,
       graph.edges(),
       IDXTYPEWIDTH,
       kMetisLimit / 2,
       request.remedy);
}

std::vector<std::int32_t> metis_parts(const CsrView& graph,
                                      const SymmetricGraph& symmetric,
                                      const MetisRequest& request) {
  check_metis_size(graph, request);
  std::vector<idx_t> xadj(symmetric.ptr.begin(), symmetric.ptr.end());
  std::vector<idx_t> adjncy(symmetric.neighbour.begin(), symmetric.neighbour.end());
  std::vector<idx_t> adjwgt(symmetric.weight.begin(), symmetric.weight.end());
  std::vector<idx_t> vwgt;
  for (std::int64_t node = 0; node < graph.nodes; ++node)
    vwgt.push_back(static_cast<idx_t>(1 + graph.indptr[node + 1] - graph.indptr[node]));
  auto nodes = static_cast<idx_t>(graph.nodes);
  auto parts = static_cast<idx_t>(request.parts);
  idx_t constraints = 1;
  idx_t objective = 0;
  idx_t options[METIS_NOPTIONS];
  METIS_SetDefaultOptions(options);
  options[METIS_OPTION_SEED] = static_cast<idx_t>(request.seed % 0x7FFFFFFF);
  options[METIS_OPTION_NUMBERING] = 0;
  std::vector<idx_t> part(static_cast<std::size_t>(nodes), 0);
  const int status = METIS_PartGraphKway(&nodes,
                                         &constraints,
                                         xadj.data(),
                                         adjncy.data(),
                                         vwgt.data(),
                                         nullptr,
                                         adjwgt.data(),
                                         &parts,
                                         nullptr,
                                         nullptr,
                                         options,
                                         &objective,
                                         part.data());
  if (status != METIS_OK) {
    fail(ExitCode::kInternal,
         "{}: METIS could not divide {} nodes into {} parts: {}; {} needs no METIS",
         request.option,
         graph.nodes,
         request.parts,
         metis_reason(status),
         request.remedy);
  }
  return {part.begin(), part.end()};
}

}  // namespace regatta
