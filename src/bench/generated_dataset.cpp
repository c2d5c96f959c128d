#include "bench/generated_dataset.h"

#include "core/error.h"
#include "core/options.h"
#include "core/rng.h"
#include "data/chunk_writer.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

namespace regatta {
namespace {

RandomStream stream_of(const StepGraphOptions& options, const char* name) {
  return RandomStream(make_random_key(
      static_cast<std::uint64_t>(options.graph.seed), RandomPurpose::kInitialWeights, name));
}

NodeFeatures random_features(const StepGraphOptions& options, std::int64_t nodes) {
  RandomStream stream = stream_of(options, "bench.x");
  std::vector<float> x(static_cast<std::size_t>(nodes * options.features));
  for (float& value : x) value = uniform_float(stream.next_word()) - 0.5F;
  NodeFeatures features;
  features.width = options.features;
  features.x = std::move(x);
  return features;
}

NodeTarget random_target(const StepGraphOptions& options,
                         const std::string& name,
                         std::int64_t nodes) {
  RandomStream stream = stream_of(options, "bench.label");
  std::vector<std::int64_t> label(static_cast<std::size_t>(nodes));
  for (std::int64_t& value : label)
    value =
        static_cast<std::int64_t>(stream.next_below(static_cast<std::uint64_t>(options.classes)));
  NodeTarget target;
  target.name = name;
  target.value = std::move(label);
  target.split = std::vector<std::uint8_t>(static_cast<std::size_t>(nodes),
                                           static_cast<std::uint8_t>(Split::kTrain));
  return target;
}

GraphChunk make_chunk(const StepGraphOptions& options, const std::string& target) {
  PreparedGraph prepared = make_bench_graph(options.graph);
  const std::int64_t nodes = prepared.in.nodes;
  GraphChunk chunk;
  chunk.num_owned = nodes;
  chunk.graph = std::move(prepared.in);
  chunk.global_id = std::move(prepared.global_id);
  chunk.ring_ptr = std::vector<std::int64_t>{0, nodes};
  chunk.features = random_features(options, nodes);
  chunk.targets.push_back(random_target(options, target, nodes));
  return chunk;
}

/// All but the chunk's entry and what follows from it.
Manifest describe(const StepGraphOptions& options,
                  const std::string& target,
                  const GraphChunk& chunk) {
  Manifest manifest;
  manifest.nodes = chunk.num_nodes();
  manifest.edges = chunk.graph.view().edges();
  manifest.directed = true;
  manifest.self_loops = "keep";
  manifest.feature_kind = "dense";
  manifest.feature_width = options.features;
  manifest.halo_mode = "none";
  manifest.partition_method = "none";
  manifest.original_ids = "none";
  manifest.source = nlohmann::ordered_json::array();
  StepGraphOptions copy = options;
  OptionGroup group;
  copy.declare(group);
  manifest.preprocess = group.values();
  for (std::int64_t c = 0; c < options.classes; ++c)
    manifest.targets[target].classes.push_back(std::to_string(c));
  return manifest;
}

}  // namespace

void StepGraphOptions::declare(OptionGroup& group) {
  graph.declare(group);
  group.integer("features", features, {.min = 1, .max = 1 << 20}, "columns of random features");
  group.integer("classes", classes, {.min = 1, .max = 65536}, "classes of random labels");
}

TemporaryFolder::TemporaryFolder()
    : path_((std::filesystem::temp_directory_path() / "regatta-bench-XXXXXX").string()) {
  if (mkdtemp(path_.data()) == nullptr)
    fail(ExitCode::kStorage, "{}: cannot be made: {}", path_, std::strerror(errno));
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void write_generated_dataset(const StepGraphOptions& options,
                             const std::string& target,
                             const std::string& folder) {
  const GraphChunk chunk = make_chunk(options, target);
  Manifest manifest = describe(options, target, chunk);
  manifest.chunks.push_back(write_chunk_file(folder, chunk, manifest.targets));
  manifest.targets[target].counts = manifest.chunks.front().class_counts.at(target);
  write_manifest(folder, manifest);
}

}  // namespace regatta
