// What the projections of one layer read.
#pragma once

#include "nn/batch.h"
#include "nn/dropout_keys.h"
#include "nn/finite_trace.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace regatta {

/// What a pass through the model needs to know beside its input.
struct PassContext {
  const Batch* batch = nullptr;
  bool training = false;  ///< dropouts on
  std::uint64_t seed = 0;
  std::uint64_t step = 0;             ///< keys the dropouts
  FiniteTrace* trace = nullptr;       ///< sees every tensor where given
  const DropoutKeys* keys = nullptr;  ///< where kernels find the keys of this pass; null: by value
};

/// [rows,K] of type `type` from weight [F,K].
struct Projection {
  at::Tensor weight;
  std::int64_t rows = 0;
  at::ScalarType type = at::kFloat;
};

/// x [N,F] with its dropout applied, or the batch's sparse features, dropped as they are read.
class LayerInput {
 public:
  /// `x` undefined: the batch's sparse features. `nodes` rows are read at most.
  LayerInput(const Batch& batch,
             std::int64_t nodes,
             const at::Tensor& x,
             const DropoutArgs& dropout);
  std::int64_t nodes() const { return nodes_; }  ///< N of the layer
  /// [rows,K] of type `type` from weight [F,K].
  at::Tensor project(const at::Tensor& weight, std::int64_t rows, at::ScalarType type) const;
  /// [rows,K] of the storage type.
  at::Tensor project(const at::Tensor& weight, std::int64_t rows) const;
  /// All of them; x is read once where they agree in rows and, for sparse features, in type.
  std::vector<at::Tensor> project_all(const std::vector<Projection>& projections) const;
  at::ScalarType storage() const { return batch_.placement.dtype; }
  /// [rows,F]; sparse features are made dense.
  at::Tensor dense(std::int64_t rows) const;

 private:
  const Batch& batch_;
  std::int64_t nodes_;
  at::Tensor x_;
  DropoutArgs dropout_;
};

}  // namespace regatta
