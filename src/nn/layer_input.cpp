#include "nn/layer_input.h"

#include "core/error.h"
#include "nn/dense_product.h"
#include "nn/keyed_dropout.h"
#include "nn/precision.h"
#include "nn/sparse_projection.h"

namespace regatta {
namespace {

/// 1/(1-p) would lose digits in bfloat16, so that is multiplied in float.
at::Tensor dropped(const Batch& batch, const at::Tensor& x, const DropoutArgs& dropout) {
  if (dropout.probability <= 0)
    return x;
  const SharedArray<std::int64_t>& global_id = batch.graph.global_id;
  const auto ids = static_cast<std::int64_t>(global_id.size());
  REGATTA_CHECK(ids >= x.size(0), "{} global ids for {} rows", ids, x.size(0));
  return keyed_dropout(x.to(working_type(x.scalar_type())),
                       global_id.data(),
                       dropout,
                       *batch.placement.kernels)
      .to(x.scalar_type());
}

/// x itself where it has no more rows: a view would cost a copy of its gradient.
at::Tensor first_rows(const at::Tensor& x, std::int64_t rows) {
  return x.size(0) == rows ? x : x.narrow(0, 0, rows);
}

}  // namespace

LayerInput::LayerInput(const Batch& batch,
                       std::int64_t nodes,
                       const at::Tensor& x,
                       const DropoutArgs& dropout)
    : batch_(batch), nodes_(nodes), dropout_(dropout) {
  if (x.defined())
    x_ = dropped(batch, x, dropout);
}

at::Tensor LayerInput::project(const at::Tensor& weight,
                               std::int64_t rows,
                               at::ScalarType type) const {
  if (x_.defined())
    return dense_product(first_rows(x_, rows), weight, type);
  return sparse_project(batch_, rows, weight, type, dropout_).front();
}

at::Tensor LayerInput::project(const at::Tensor& weight, std::int64_t rows) const {
  return project(weight, rows, batch_.placement.dtype);
}

std::vector<at::Tensor> LayerInput::project_all(const std::vector<Projection>& projections) const {
  const Projection& first = projections.front();
  std::vector<at::Tensor> results, weights;
  std::vector<at::ScalarType> types;
  bool same_rows = true, same_types = true;
  for (const Projection& each : projections) {
    weights.push_back(each.weight);
    types.push_back(each.type);
    same_rows = same_rows && each.rows == first.rows;
    same_types = same_types && each.type == first.type;
  }
  if (same_rows && x_.defined())
    return dense_products(first_rows(x_, first.rows), weights, types);
  if (same_rows && same_types)
    return sparse_project(batch_, first.rows, weights, first.type, dropout_);
  for (const Projection& each : projections)
    results.push_back(project(each.weight, each.rows, each.type));
  return results;
}

at::Tensor LayerInput::dense(std::int64_t rows) const {
  if (x_.defined())
    return first_rows(x_, rows);
  return dropped(batch_, densified(batch_, rows), dropout_);
}

}  // namespace regatta
