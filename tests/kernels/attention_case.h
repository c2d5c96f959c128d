// Random graphs and inputs for kernel tests, and one call that runs a whole table on them.
#pragma once

#include "kernels/attention.h"
#include "kernels/prepared_graph.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace regatta::test {

/// In-degrees of the rows and how sources are drawn; sources repeat, so parallel edges are common.
struct GraphShape {
  std::string name;
  std::int64_t nodes = 0;
  std::vector<std::int64_t> degrees;  ///< one per row
  std::int64_t low_sources = 4;       ///< half of a row's edges come from the first so many nodes
};

GraphShape mixed_shape();   ///< 24 rows of 30 nodes, degrees 0 to 9
GraphShape chunks_shape();  ///< degrees round the kernels' chunk of 64 edges
GraphShape hub_shape();     ///< one row of 10^4 in-edges, and its source serves many rows
GraphShape single_node_shape();
GraphShape no_edge_shape();
GraphShape empty_shape();      ///< no node at all
GraphShape bipartite_shape();  ///< more rows than sources

/// Ids of edges and nodes start above 2^32, so that both halves of a counter matter.
PreparedGraph make_graph(const GraphShape& shape, std::uint64_t seed);

using Arrays = std::map<std::string, std::vector<double>>;

/// What a case has beside its graph. `terms` turns everything optional on: edge terms, epilogue,
/// gradient of logsumexp.
struct CaseOptions {
  AttentionKind kind = AttentionKind::kGat;
  KernelType dtype = KernelType::kFloat64;
  std::int64_t heads = 1;
  std::int64_t width = 1;
  double attention_dropout = 0;
  double message_dropout = 0;
  bool shared = true;            ///< dot: one table in all three roles
  std::int64_t score_heads = 0;  ///< dot with tables of its own
  std::int64_t score_width = 0;
  bool edge_logit = false;
  std::int64_t edge_features = 0;  ///< dot: edge.query; gatv2: edge.weight
  bool logsumexp_gradient = false;
  bool epilogue = false;  ///< bias, residual and `activation`
  FusedActivation activation = FusedActivation::kElu;
};

/// Arrays in double, by the names of the interface ("value", "query", "edge.logit", ...); run_table
/// narrows them to the types of the case.
struct AttentionCase : CaseOptions {
  std::uint64_t seed = 1;
  std::int64_t rows = 0;
  double scale = 1;
  double negative_slope = 0.2;
  bool with_correction = true;
  bool keeps_bits = false;  ///< the forward leaves the bits of dropout to the backward
  PreparedGraph graph;
  Arrays arrays;

  std::vector<double>& at(const std::string& array) { return arrays.at(array); }
  const std::vector<double>& at(const std::string& array) const { return arrays.at(array); }
  std::string name() const;
};

/// "gat", "dot" (one table), "transformer" (three tables), "gatv2".
std::string kind_name(const CaseOptions& options);
const char* type_name(KernelType type);
/// One of each of kind_name.
std::vector<CaseOptions> all_kinds();

AttentionCase make_case(const GraphShape& shape,
                        const CaseOptions& options,
                        std::uint64_t seed = 1);

/// Cuts the case down to the first `rows` rows of its graph, with new arrays.
void set_rows(AttentionCase& test, std::int64_t rows);

/// Everything a table computes, widened to double: "out", "logsumexp", "correction", "weights",
/// "y", "edge_out", and "grad.<array>" for each array that gets a gradient.
Arrays run_table(const KernelTable& table, const AttentionCase& test);
/// Forward alone, without logsumexp and correction: "out" or "y", and "edge_out".
Arrays run_forward(const KernelTable& table, const AttentionCase& test);

/// Of run_forward.
std::size_t forward_workspace_bytes(const KernelTable& table, const AttentionCase& test);

/// |a-b| / max(|b|, floor) in norm: the floor serves gradients that cancel to 0. Infinite when
/// sizes differ.
double relative_error(const std::vector<double>& a,
                      const std::vector<double>& b,
                      double floor = 0.1);

/// Bit patterns, because NaN and -0 count too.
bool same_bits(const Arrays& a, const Arrays& b);

/// The relative_error that a table may have against the reference.
double error_limit(const CaseOptions& options);
/// And what the error of an array is divided by at least.
double error_floor(const std::string& array, std::size_t values, std::int64_t width, double limit);

std::vector<double> random_values(std::int64_t count, std::uint64_t seed);

}  // namespace regatta::test
