#include "bench/step_floor.h"

#include "bench/attention_floor.h"
#include "bench/kernel_case.h"
#include "kernels/storage_types.h"
#include "nn/batch.h"
#include "nn/projections.h"

#include <algorithm>

namespace regatta {
namespace {

/// FLOP of a product with one column for each value of its input: forward and the gradient of the
/// weight, and the input's gradient where it has one.
constexpr double kOfFeatures = 4, kOfRows = 6;

/// Values that a layer's products read, and the FLOP that each costs a column.
struct ProductInput {
  double of_nodes = 0;  ///< in all rows of the input
  double of_rows = 0;   ///< in those that the layer computes
  double flop = kOfRows;
};

double longer(double bytes, double flop, const StepRates& rates) {
  return std::max(bytes / rates.copy, flop / rates.product);
}

double attention_seconds(const AttentionSizes& sizes, const StepRates& rates) {
  MemoryBound once;
  once.copy_rate = rates.copy;
  double seconds = 0;
  for (const bool forward : {true, false})
    seconds += std::max(attention_floor(sizes, forward, once).compulsory,
                        attention_flop(sizes, forward) / rates.product);
  return seconds;
}

/// FLOP of everything that one layer multiplies, whose result is `output` wide.
double product_flop(const LayerOptions& layer,
                    const LayerExtent& extent,
                    const ProductInput& input,
                    double relations,
                    double output) {
  const double width = output * (layer.combine == "concat" ? 1 : static_cast<double>(layer.heads));
  const Projections projections = projections_of(layer);
  double flop = relations * input.flop * width *
                (input.of_nodes * projections.of_nodes + input.of_rows * projections.of_rows);
  const std::string residual = layer.residual_kind();
  if (residual == "linear")
    flop += input.flop * input.of_rows * output;
  if (residual == "input")
    flop += kOfFeatures * extent.row_features * output;
  // Up and down again.
  return flop + 2 * kOfRows * extent.rows * output * static_cast<double>(layer.feed_forward);
}

AttentionSizes attention_sizes(const TrainJob& job,
                               const LayerOptions& layer,
                               const LayerExtent& extent,
                               double width) {
  const KernelType type = kernel_type_of(job.runtime.precision);
  AttentionSizes sizes;
  sizes.kind = layer.attention;
  // Tables of sources have more rows than this where there is a halo: a floor may be low.
  sizes.nodes = extent.rows;
  sizes.edges = extent.edges;
  sizes.heads = static_cast<double>(layer.heads);
  sizes.width = width;
  sizes.row_value_bytes = static_cast<double>(storage_bytes(type));
  sizes.scalar_bytes = static_cast<double>(working_bytes(type));
  return sizes;
}

/// Arrays as large as the parameters that the optimiser keeps.
double moments(const OptimiserOptions& options) {
  if (options.kind == "adam" || options.kind == "adamw")
    return 2;
  if (options.kind == "adagrad")
    return 1;
  return (options.kind == "rmsprop" ? 1 : 0) + (options.momentum > 0 ? 1 : 0);
}

/// FLOP of the head that reads the layers' outputs, `joined` wide side by side, `last` the last.
double head_flop(const TrainJob& job, const StepShape& shape, double joined, double last) {
  const std::string& kind = job.model.jumping_knowledge;
  if (kind == "none")
    return 0;
  const double width = kind == "concat" ? joined : last;
  return kOfRows * shape.layers.back().rows * width * shape.classes;
}

}  // namespace

std::vector<LayerExtent> layer_extents(const Dataset& dataset,
                                       const std::vector<Step>& plan,
                                       std::size_t layers) {
  const bool exact = dataset.manifest().halo_mode == "exact";
  std::vector<LayerExtent> extents(layers);
  for (const Step& step : plan) {
    for (const MicroBatch& micro : step.micro_batches) {
      const auto chunk = dataset.read_chunk(micro.chunk);
      const NodeFeatures& features = chunk->features;
      const auto values_of = [&](std::int64_t rows) {
        return static_cast<double>(features.kind == FeatureKind::kDense
                                       ? rows * features.width
                                       : features.x_indptr[static_cast<std::size_t>(rows)]);
      };
      const Batch batch = make_host_batch(*chunk, static_cast<int>(layers), exact, {});
      for (std::size_t l = 0; l < layers; ++l) {
        extents[l].nodes += static_cast<double>(batch.nodes_in[l]);
        extents[l].rows += static_cast<double>(batch.rows_out[l]);
        extents[l].edges += static_cast<double>(batch.edges_out[l]);
        extents[l].node_features += values_of(batch.nodes_in[l]);
        extents[l].row_features += values_of(batch.rows_out[l]);
      }
    }
  }
  return extents;
}

bool has_step_floor(const TrainJob& job) {
  return job.train.step.targets == 0 &&
         std::none_of(
             job.model.layers.begin(), job.model.layers.end(), [](const LayerOptions& layer) {
               return layer.attention == "dot" && layer.score_on == "input";
             });
}

StepFloor step_floor(const TrainJob& job, const StepShape& shape, const StepRates& rates) {
  const KernelType type = kernel_type_of(job.runtime.precision);
  // A value and its column, or a value of the storage type.
  const double feature_bytes = shape.sparse ? 8 : static_cast<double>(storage_bytes(type));
  StepFloor floor;
  double input = 0, joined = 0;
  for (std::size_t l = 0; l < job.model.layers.size(); ++l) {
    const LayerOptions& layer = job.model.layers[l];
    const LayerExtent& extent = shape.layers[l];
    const double width = layer.width == 0 ? shape.classes : static_cast<double>(layer.width);
    const double output =
        layer.combine == "concat" ? width * static_cast<double>(layer.heads) : width;
    const ProductInput read =
        l == 0 ? ProductInput{extent.node_features, extent.row_features, kOfFeatures}
               : ProductInput{extent.nodes * input, extent.rows * input, kOfRows};
    // Features are read forward and for the gradient of the weights.
    const double bytes = l == 0 ? 2 * feature_bytes * extent.node_features : 0;
    const double relations = layer.relations == "parameters" ? shape.edge_types : 1;
    floor.attention += attention_seconds(attention_sizes(job, layer, extent, width), rates);
    floor.products += longer(bytes, product_flop(layer, extent, read, relations, output), rates);
    input = output;
    joined += output;
  }
  floor.products += longer(0, head_flop(job, shape, joined, input), rates);
  floor.attention /= shape.shares;
  floor.products /= shape.shares;
  // On every rank: gradient and parameter read, parameter written, moments both.
  floor.optimiser = (3 + 2 * moments(job.train.optimiser)) * shape.parameters *
                    static_cast<double>(working_bytes(type)) / rates.copy;
  return floor;
}

}  // namespace regatta
