// Predictions, probabilities and embeddings of a trained model, by original node id.
#pragma once

#include "comm/communicator.h"
#include "train/batch_store.h"

#include <cstdint>
#include <string>
#include <vector>

namespace regatta {

class Model;

/// Which columns are wanted beside id and predicted class.
struct PredictionColumns {
  bool probabilities = false;
  std::int64_t embedding_layer = -1;  ///< layer whose output is the embedding; -1 = none
};

/// One row a node, ascending by global id.
struct Predictions {
  std::vector<std::int64_t> global_id;
  std::vector<std::string> original_id;
  std::vector<std::int64_t> predicted;  ///< class number
  std::vector<float> probability;       ///< [rows, classes]
  std::vector<float> embedding;         ///< [rows, embedding_width]
  std::int64_t classes = 0;
  std::int64_t embedding_width = 0;
};

/// Collective: every rank predicts the owned nodes of its chunks; rank 0 gets all rows, other ranks
/// none.
Predictions predict_nodes(Model& model,
                          BatchStore& store,
                          const PredictionColumns& columns,
                          Communicator& world);

/// id, predicted class, p_<class>..., e_<i>... with a header row, RFC 4180 quoting; replaced
/// atomically.
void write_predictions_csv(const std::string& path,
                           const Predictions& predictions,
                           const std::vector<std::string>& classes);
/// Arrays id, predicted, probability, embedding, and classes; readable with h5py.
void write_predictions_hdf5(const std::string& path,
                            const Predictions& predictions,
                            const std::vector<std::string>& classes);

}  // namespace regatta
