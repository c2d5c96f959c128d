// The least that a training step must move and multiply, and how long that takes at measured rates.
#pragma once

#include "data/dataset.h"
#include "train/plan.h"
#include "train/train_options.h"

#include <cstdint>
#include <string>
#include <vector>

namespace regatta {

/// What a layer reads and computes in an epoch, over all chunks.
struct LayerExtent {
  double nodes = 0;          ///< rows of its input
  double rows = 0;           ///< rows it computes
  double edges = 0;          ///< in-edges of those
  double node_features = 0;  ///< what the dataset holds of the nodes: N F values, or the non-zeros
  double row_features = 0;   ///< the same of the rows
};

/// Of the chunks of `plan`, which are whole. Reads them, one at a time.
std::vector<LayerExtent> layer_extents(const Dataset& dataset,
                                       const std::vector<Step>& plan,
                                       std::size_t layers);

/// What a step's floor depends on beside the job.
struct StepShape {
  std::vector<LayerExtent> layers;
  bool sparse = false;  ///< features of the dataset
  double edge_types = 0;
  double classes = 0;
  double parameters = 0;
  double shares = 1;  ///< steps of an epoch times ranks, between which its chunks are divided
};

/// Measured in the same call.
struct StepRates {
  double copy = 0;     ///< bytes read plus bytes written, per second
  double product = 0;  ///< FLOP per second of dense products
};

/// Seconds of a step. What one kernel moves and multiplies may overlap, so the longer of the two
/// counts.
struct StepFloor {
  double attention = 0;  ///< every array of each pass moved once: `compulsory` of attention_floor
  double products = 0;   ///< projections, residuals, feed-forward blocks, the head
  double optimiser = 0;  ///< gradients, moments and parameters
  double total() const { return attention + products + optimiser; }
};

/// Whether there are formulas for the job's steps: not for ranges of targets, whose graphs overlap,
/// nor for logits of a layer's input (dot, score_on: input).
bool has_step_floor(const TrainJob& job);

/// Norms, dropouts, edge features, the loss and sums over ranks are left out. Throws as
/// attention_floor for an unknown kind.
StepFloor step_floor(const TrainJob& job, const StepShape& shape, const StepRates& rates);

}  // namespace regatta
