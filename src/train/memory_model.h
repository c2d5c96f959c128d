// What a training needs of memory, from the manifest and the model alone.
#pragma once

#include "data/manifest.h"
#include "train/train_options.h"

#include <cstdint>

namespace regatta {

class Model;

/// Estimates; bytes.
struct MemoryModel {
  double bytes_a_value = 4;  ///< storage type
  double bytes_a_parameter = 4;
  double values_a_node = 0;         ///< kept for backward over all layers
  double dropout_bytes_a_node = 0;  ///< bits of dropout kept for backward over all layers
  double dropout_bytes_an_edge = 0;
  double weight_bytes_an_edge = 0;  ///< attention weights, of the layer that needs most
  double feature_values = 0;        ///< a node's input
  double edge_bytes = 24;           ///< an edge's place in both lists, its features and type
  double parameters = 0;

  /// A chunk as it is kept between steps.
  double chunk_bytes(const ManifestChunk& chunk) const;
  /// What a step on it needs beside.
  double activation_bytes(const ManifestChunk& chunk) const;
  /// Parameters, gradients, sums and moments.
  double parameter_bytes() const { return 5 * parameters * bytes_a_parameter; }
};

MemoryModel memory_model(const TrainJob& job,
                         const Manifest& manifest,
                         const Model& model,
                         std::int64_t classes);

/// Bytes of prepared chunks that a rank may keep: runtime.chunk_cache_mib, or what
/// runtime.memory_limit_mib leaves beside `resident_mib`, the chunks that are read ahead and one
/// step. Throws Error(kUsage) naming the least limit where not even those fit.
std::int64_t chunk_cache_bytes(const RuntimeOptions& options,
                               const Manifest& manifest,
                               const MemoryModel& memory,
                               std::int64_t resident_mib);

}  // namespace regatta
