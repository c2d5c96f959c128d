#include "config/option_readers.h"

#include <array>

namespace regatta {
namespace {

constexpr OptionState attention(std::string_view kinds) {
  return {"model.layers[].attention", kinds};
}
constexpr OptionState optimiser(std::string_view kinds) {
  return {"train.optimiser.kind", kinds};
}
constexpr OptionState schedule(std::string_view kinds) {
  return {"train.schedule.kind", kinds};
}
constexpr OptionState given(std::string_view key) {
  return {key, kGiven};
}

// Not here: what depends on the dataset (checked where it is opened), and what only says that
// something is left out (runtime.cuda_graph: off, runtime.amx: false), which holds anywhere.
constexpr auto kReaders = std::to_array<OptionReader>({
    {"preprocess", "num_nodes", {"preprocess.nodes.path", kNotGiven}},
    {"preprocess.nodes",
     "format|header|comment|id|label|features|num_features|first_index",
     given("preprocess.nodes.path")},
    {"preprocess.nodes", "header|id|label|features", {"preprocess.nodes.format", "auto|csv|tsv"}},
    {"preprocess.nodes", "num_features|first_index", {"preprocess.nodes.format", "auto|svmlight"}},
    {"preprocess.labels", "format|header|id|label", given("preprocess.labels.path")},
    {"preprocess.splits", "path", {"preprocess.splits.method", "auto|given"}},
    {"preprocess.splits", "format|header|node|split", given("preprocess.splits.path")},
    {"preprocess.splits",
     "unit|train|validation|test|stratified|seed",
     {"preprocess.splits.method", "random"}},
    {"preprocess.clean", "reverse_types", {"preprocess.clean.direction", "undirected"}},
    {"preprocess.clean", "reverse_types", given("preprocess.edges.type")},
    {"preprocess.clean", "self_loop_fill", {"preprocess.clean.self_loops", "add"}},
    {"preprocess.clean", "self_loop_fill", given("preprocess.edges.features")},
    {"preprocess.features", "normalise|fill", given("preprocess.nodes.path")},
    {"preprocess.features", "fill_value", {"preprocess.features.fill", "constant"}},
    {"preprocess.edge_features", "normalise|fill", given("preprocess.edges.features")},
    {"preprocess.edge_features", "fill_value", {"preprocess.edge_features.fill", "constant"}},
    {"preprocess.partition", "seed", {"preprocess.partition.method", "metis"}},
    {"preprocess.halo", "hops", {"preprocess.halo.mode", "exact"}},

    {"model.layers[]", "negative_slope", attention("gat|gatv2")},
    {"model.layers[]", "score_on|scale", attention("dot")},
    {"model.layers[]", "share_weights", attention("gatv2")},
    {"model.layers[]",
     "norm_place",
     {"model.layers[].norm", "layer|graph"},
     {"model.layers[].layer_norm", "true"}},

    {"task", "weights", {"task.class_weights", "given"}},

    {"train.optimiser", "momentum", optimiser("sgd|gradient_descent|rmsprop")},
    {"train.optimiser", "nesterov", optimiser("sgd|gradient_descent")},
    {"train.optimiser", "beta1|beta2", optimiser("adam|adamw")},
    {"train.optimiser", "epsilon", optimiser("adam|adamw|rmsprop|adagrad")},
    {"train.optimiser", "smoothing", optimiser("rmsprop")},
    {"train.schedule", "every", schedule("step")},
    {"train.schedule", "factor", schedule("step|plateau")},
    {"train.schedule", "minimum", schedule("cosine|plateau")},
    {"train.schedule", "patience", schedule("plateau")},

    {"runtime", "kernels", {"runtime.device", "auto|cpu"}},
});

}  // namespace

std::span<const OptionReader> option_readers() {
  return kReaders;
}

}  // namespace regatta
