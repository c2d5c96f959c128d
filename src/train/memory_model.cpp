#include "train/memory_model.h"

#include "core/error.h"
#include "nn/keyed_dropout.h"
#include "nn/model.h"
#include "nn/projections.h"

#include <algorithm>
#include <cmath>

namespace regatta {
namespace {

constexpr double kMebibyte = 1 << 20;

double bit_bytes(double columns) {
  return static_cast<double>(kept_bits_bytes(static_cast<std::int64_t>(columns)));
}

/// What a layer adds of dropout's bits and, while it runs, of attention weights.
void add_attention(const LayerOptions& layer, double width, MemoryModel& memory) {
  const bool gat = layer.attention == "gat";
  const double heads = static_cast<double>(layer.heads);
  // Of a group of heads at a time, padded to a power of two; dot and the others keep two arrays.
  const double group = std::exp2(std::ceil(std::log2(std::min(heads, gat ? 8.0 : 4.0))));
  memory.weight_bytes_an_edge =
      std::max(memory.weight_bytes_an_edge, (gat ? 1 : 2) * group * memory.bytes_a_parameter);
  if (gat && layer.attention_dropout > 0)
    memory.dropout_bytes_an_edge += std::ceil(heads / 4);
  if (gat && layer.message_dropout > 0)
    memory.dropout_bytes_a_node += bit_bytes(width);
}

}  // namespace

double MemoryModel::chunk_bytes(const ManifestChunk& chunk) const {
  return edge_bytes * static_cast<double>(chunk.edges) + static_cast<double>(chunk.bytes) +
         feature_values * bytes_a_value * static_cast<double>(chunk.nodes);
}

double MemoryModel::activation_bytes(const ManifestChunk& chunk) const {
  return (values_a_node * bytes_a_value + dropout_bytes_a_node) * static_cast<double>(chunk.nodes) +
         (dropout_bytes_an_edge + weight_bytes_an_edge) * static_cast<double>(chunk.edges);
}

MemoryModel memory_model(const TrainJob& job,
                         const Manifest& manifest,
                         const Model& model,
                         std::int64_t classes) {
  MemoryModel memory;
  const std::string& precision = job.runtime.precision;
  memory.bytes_a_value = precision == "fp64" ? 8 : precision == "bf16" ? 2 : 4;
  memory.bytes_a_parameter = precision == "fp64" ? 8 : 4;
  double input = static_cast<double>(manifest.feature_width);
  bool sparse = manifest.feature_kind != "dense";
  for (const LayerOptions& layer : job.model.layers) {
    const double width = static_cast<double>(layer.width == 0 ? classes : layer.width) *
                         static_cast<double>(layer.heads);
    const Projections projections = projections_of(layer);
    // projections, O, C, y and the activation's input, with gradients of the two largest alive at a
    // time; a head's logits, joined and apart, and L; the feed-forward block's hidden rows before
    // and after GELU
    memory.values_a_node += (6 + projections.of_nodes + projections.of_rows) * width +
                            5 * static_cast<double>(layer.heads) +
                            2 * static_cast<double>(layer.feed_forward);
    add_attention(layer, width, memory);
    if (layer.input_dropout > 0 && !sparse) {
      memory.dropout_bytes_a_node += bit_bytes(input);
      memory.values_a_node += input;
    }
    input = layer.combine == "concat" ? width : width / static_cast<double>(layer.heads);
    sparse = false;
  }
  if (manifest.feature_kind == "dense") {
    memory.feature_values = static_cast<double>(manifest.feature_width);
  }
  memory.edge_bytes +=
      memory.bytes_a_parameter * static_cast<double>(manifest.edge_features.width) +
      (manifest.edge_types.names.empty() ? 0 : 8);
  for (const at::Tensor& parameter : model.tensors()) {
    memory.parameters += static_cast<double>(parameter.numel());
  }
  return memory;
}

std::int64_t chunk_cache_bytes(const RuntimeOptions& options,
                               const Manifest& manifest,
                               const MemoryModel& memory,
                               std::int64_t resident_mib) {
  const std::int64_t wanted = options.chunk_cache_mib << 20;
  if (options.memory_limit_mib == 0)
    return wanted;
  double chunk = 0, step = 0;
  for (const ManifestChunk& c : manifest.chunks) {
    chunk = std::max(chunk, memory.chunk_bytes(c));
    step = std::max(step, memory.activation_bytes(c));
  }
  // Read ahead as they lie on disk, one prepared and one in use.
  const double streamed = static_cast<double>(options.prefetch + 2) * chunk;
  const double fixed = static_cast<double>(resident_mib) * kMebibyte + memory.parameter_bytes();
  const double left =
      static_cast<double>(options.memory_limit_mib) * kMebibyte - fixed - streamed - step;
  if (left < 0) {
    fail(ExitCode::kUsage,
         "runtime.memory_limit_mib: {} is too little: a rank needs about {:.0f} MiB ({:.0f} for "
         "program and parameters, {:.0f} for chunks on their way, {:.0f} for a step); preprocess "
         "into more chunks, or lower runtime.prefetch",
         options.memory_limit_mib,
         std::ceil((fixed + streamed + step) / kMebibyte),
         fixed / kMebibyte,
         streamed / kMebibyte,
         step / kMebibyte);
  }
  return std::min(wanted, static_cast<std::int64_t>(left));
}

}  // namespace regatta
