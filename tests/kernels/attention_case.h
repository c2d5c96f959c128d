// Random graphs and inputs for kernel tests, and one call that runs a whole table on them.
#pragma once

#include "kernels/attention.h"
#include "kernels/prepared_graph.h"

#include <cstdint>
#include <string>
#include <vector>

namespace regatta::test {

/// In-degrees of the rows and how sources are drawn; sources repeat, so parallel edges are common.
struct GraphShape {
  std::string name;
  std::int64_t nodes = 0;
  std::vector<std::int64_t> degrees;  ///< one per row
};

GraphShape mixed_shape();   ///< 24 rows of 30 nodes, degrees 0 to 9
GraphShape chunks_shape();  ///< degrees round the kernels' chunk of 64 edges
GraphShape hub_shape();     ///< one row of 10^4 in-edges, and its source serves many rows
GraphShape single_node_shape();
GraphShape no_edge_shape();
GraphShape empty_shape();  ///< no node at all

/// Ids of edges and nodes start above 2^32, so that both halves of a counter matter.
PreparedGraph make_graph(const GraphShape& shape, std::uint64_t seed);

/// Values in double; run_table narrows them to the type of the case.
struct AttentionCase {
  AttentionKind kind = AttentionKind::kGat;
  KernelType dtype = KernelType::kFloat64;
  std::int64_t rows = 0;
  std::int64_t heads = 1;
  std::int64_t width = 1;
  double attention_dropout = 0;
  double message_dropout = 0;
  double scale = 1;
  double negative_slope = 0.2;
  bool with_correction = true;
  PreparedGraph graph;
  std::vector<double> z, s, t, grad_out;

  std::string name() const;
};

struct CaseOptions {
  AttentionKind kind = AttentionKind::kGat;
  KernelType dtype = KernelType::kFloat64;
  std::int64_t heads = 1;
  std::int64_t width = 1;
  double attention_dropout = 0;
  double message_dropout = 0;
};

AttentionCase make_case(const GraphShape& shape,
                        const CaseOptions& options,
                        std::uint64_t seed = 1);

/// Everything a table computes, widened to double.
struct AttentionResult {
  std::vector<double> out, logsumexp, correction, weights;
  std::vector<double> grad_z, grad_s, grad_t;
};

AttentionResult run_table(const KernelTable& table, const AttentionCase& test);
/// Forward alone, without logsumexp and correction.
std::vector<double> run_forward(const KernelTable& table, const AttentionCase& test);

/// |a-b| / max(|b|, 0.1) in norm: the floor serves gradients that cancel to 0. Infinite when sizes
/// differ.
double relative_error(const std::vector<double>& a, const std::vector<double>& b);

std::vector<double> random_values(std::int64_t count, std::uint64_t seed);

}  // namespace regatta::test
