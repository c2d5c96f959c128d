// The graphs that benchmarks run on: the chunk of a dataset, or one drawn from a named
// distribution.
#pragma once

#include "kernels/prepared_graph.h"

#include <cstdint>
#include <string>

namespace regatta {

class OptionGroup;

/// `graph` is the name of a distribution or a dataset folder of one chunk; nodes, edges and seed
/// are of the former.
///
/// random: sources and destinations uniform. power_law: both with weights (k+1)^(-2/3) over a
/// random order of the nodes, so that degrees fall as d^(-5/2) (Chung and Lu, PNAS 99, 2002).
/// clustered: nodes in runs of 256; 9 of 10 sources come from the destination's run, the rest from
/// anywhere. Parallel edges and self loops occur.
struct BenchGraphOptions {
  std::string graph = "random";
  std::int64_t nodes = 100000;
  std::int64_t edges = 2400000;
  std::int64_t seed = 1;

  void declare(OptionGroup& group);
  bool generated() const;
  /// Throws Error(kUsage) where `graph` is neither a distribution nor a folder.
  void check() const;
};

/// The graph, with its own sizes; edge ids are places in the in-edge list and global ids local
/// numbers where it is generated. The same bits on every machine. Throws Error(kUsage) for what is
/// neither a distribution nor a folder, Error(kData) for a dataset of several chunks.
PreparedGraph make_bench_graph(const BenchGraphOptions& options);

}  // namespace regatta
