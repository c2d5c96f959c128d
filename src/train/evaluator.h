// Evaluator: metrics of a model on whole chunks, merged over ranks as counts.
#pragma once

#include "comm/communicator.h"
#include "tasks/task.h"
#include "train/batch_store.h"

#include <array>
#include <vector>

namespace regatta {

class Model;

/// Metrics by split (index = Split); count 0 where a split was not asked for or is empty.
using SplitMetrics = std::array<Metrics, 4>;

/// Collective: every rank takes its chunks and all get the same result, which does not depend on
/// the number of ranks: losses are added chunk by chunk in the order of the chunks. No dropout, no
/// gradients. `costs`: of chunk_costs, or newer.
SplitMetrics evaluate_model(Model& model,
                            const Task& task,
                            BatchStore& store,
                            const std::vector<Split>& splits,
                            const std::vector<double>& costs,
                            Communicator& world);

/// Chunks that this rank evaluates or predicts on, by the same greedy assignment as training.
/// `costs`: by chunk, alike on every rank.
std::vector<std::int64_t> chunks_of_rank(const std::vector<double>& costs, Communicator& world);

/// Estimated work of a chunk, in row-sized units.
double chunk_cost(const ManifestChunk& chunk);

/// chunk_cost of every chunk.
std::vector<double> chunk_costs(const Manifest& manifest);

}  // namespace regatta
