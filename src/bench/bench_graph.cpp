#include "bench/bench_graph.h"

#include "core/error.h"
#include "core/options.h"
#include "core/rng.h"
#include "data/dataset.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <vector>

namespace regatta {
namespace {

constexpr std::uint64_t kCluster = 256;

/// Draws sources and destinations of one distribution.
class EndDrawer {
 public:
  EndDrawer(std::int64_t nodes, RandomStream& stream)
      : nodes_(static_cast<std::uint64_t>(nodes)), stream_(stream) {}
  virtual ~EndDrawer() = default;
  virtual std::uint64_t destination() { return stream_.next_below(nodes_); }
  virtual std::uint64_t source(std::uint64_t destination) = 0;

 protected:
  std::uint64_t nodes_;
  RandomStream& stream_;
};

class UniformEnds : public EndDrawer {
 public:
  using EndDrawer::EndDrawer;
  std::uint64_t source(std::uint64_t) override { return stream_.next_below(nodes_); }
};

class PowerLawEnds : public EndDrawer {
 public:
  PowerLawEnds(std::int64_t nodes, RandomStream& stream) : EndDrawer(nodes, stream) {
    order_.resize(nodes_);
    std::iota(order_.begin(), order_.end(), std::uint64_t{0});
    for (std::uint64_t k = nodes_; k > 1; --k)
      std::swap(order_[k - 1], order_[stream.next_below(k)]);
    double total = 0;
    for (std::uint64_t k = 0; k < nodes_; ++k)
      cumulated_.push_back(total += std::pow(static_cast<double>(k + 1), -2.0 / 3.0));
  }
  std::uint64_t destination() override { return draw(); }
  std::uint64_t source(std::uint64_t) override { return draw(); }

 private:
  std::uint64_t draw() {
    const double at = stream_.next_double() * cumulated_.back();
    const auto found = std::upper_bound(cumulated_.begin(), cumulated_.end() - 1, at);
    return order_[static_cast<std::size_t>(found - cumulated_.begin())];
  }
  std::vector<std::uint64_t> order_;
  std::vector<double> cumulated_;
};

class ClusteredEnds : public EndDrawer {
 public:
  using EndDrawer::EndDrawer;
  std::uint64_t source(std::uint64_t destination) override {
    if (stream_.next_below(10) == 0)
      return stream_.next_below(nodes_);
    const std::uint64_t first = destination / kCluster * kCluster;
    return first + stream_.next_below(std::min(kCluster, nodes_ - first));
  }
};

using MakeEnds = std::unique_ptr<EndDrawer> (*)(std::int64_t, RandomStream&);

template <class Ends>
std::unique_ptr<EndDrawer> make_ends(std::int64_t nodes, RandomStream& stream) {
  return std::make_unique<Ends>(nodes, stream);
}

struct Distribution {
  const char* name;
  MakeEnds make;
};
constexpr std::array kDistributions{Distribution{"random", &make_ends<UniformEnds>},
                                    Distribution{"power_law", &make_ends<PowerLawEnds>},
                                    Distribution{"clustered", &make_ends<ClusteredEnds>}};

const Distribution* find_distribution(const std::string& name) {
  for (const Distribution& row : kDistributions)
    if (name == row.name)
      return &row;
  return nullptr;
}

template <class T>
std::vector<T> counted(std::size_t count) {
  std::vector<T> values(count);
  std::iota(values.begin(), values.end(), T{0});
  return values;
}

PreparedGraph generate(const Distribution& distribution, const BenchGraphOptions& options) {
  const auto seed = static_cast<std::uint64_t>(options.seed);
  RandomStream stream(make_random_key(seed, RandomPurpose::kSplit, 0, 0));
  const auto ends = distribution.make(options.nodes, stream);
  const auto nodes = static_cast<std::size_t>(options.nodes);
  const auto edges = static_cast<std::size_t>(options.edges);
  std::vector<std::int32_t> row(edges);
  std::vector<std::int64_t> indptr(nodes + 1, 0);
  for (auto& destination : row) {
    destination = static_cast<std::int32_t>(ends->destination());
    ++indptr[static_cast<std::size_t>(destination) + 1];
  }
  std::partial_sum(indptr.begin(), indptr.end(), indptr.begin());
  std::sort(row.begin(), row.end());
  std::vector<std::int32_t> src(edges);
  for (std::size_t e = 0; e < edges; ++e)
    src[e] = static_cast<std::int32_t>(ends->source(static_cast<std::uint64_t>(row[e])));
  for (std::size_t i = 0; i < nodes; ++i)
    std::sort(src.begin() + indptr[i], src.begin() + indptr[i + 1]);
  return prepare_graph({options.nodes,
                        options.nodes,
                        std::move(indptr),
                        std::move(src),
                        counted<std::int64_t>(edges)},
                       counted<std::int64_t>(nodes));
}

PreparedGraph from_dataset(const std::string& folder) {
  const Dataset dataset(folder);
  if (dataset.num_chunks() != 1) {
    fail(ExitCode::kData,
         "graph: {} has {} chunks, a benchmark takes one; preprocess with partition.chunks: 1",
         folder,
         dataset.num_chunks());
  }
  const auto chunk = dataset.read_chunk(0);
  return prepare_graph(chunk->graph, chunk->global_id);
}

}  // namespace

void BenchGraphOptions::declare(OptionGroup& group) {
  constexpr std::int64_t kMost = 2147483647;
  group.text("graph", graph, "random, power_law, clustered, or a dataset folder of one chunk");
  group.integer("nodes", nodes, {.min = 1, .max = kMost}, "nodes of a generated graph");
  group.integer("edges", edges, {.min = 1, .max = kMost}, "edges of a generated graph");
  group.integer("seed", seed, {.min = 0}, "seed of graph, inputs and parameters");
}

bool BenchGraphOptions::generated() const {
  return find_distribution(graph) != nullptr;
}

void BenchGraphOptions::check() const {
  if (!generated() && !std::filesystem::is_directory(graph))
    fail(ExitCode::kUsage,
         "graph: '{}' is no folder and none of random, power_law, clustered",
         graph);
}

PreparedGraph make_bench_graph(const BenchGraphOptions& options) {
  if (const Distribution* distribution = find_distribution(options.graph))
    return generate(*distribution, options);
  options.check();
  return from_dataset(options.graph);
}

}  // namespace regatta
