#include "nn/sparse_projection.h"

#include "core/error.h"
#include "nn/batch_placement.h"
#include "nn/precision.h"

#include <torch/autograd.h>
#include <torch/types.h>

#include <algorithm>
#include <vector>

namespace regatta {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

KernelType kernel_type(at::ScalarType type) {
  return type == at::kDouble     ? KernelType::kFloat64
         : type == at::kBFloat16 ? KernelType::kBFloat16
                                 : KernelType::kFloat32;
}

/// What the backward needs of the forward.
struct SparseCall : torch::CustomClassHolder {
  const Batch* batch = nullptr;
  std::int64_t rows = 0;
  DropoutArgs dropout;
  at::Tensor kept;  ///< what the processor's forward drew, for the backward

  /// A byte an entry, where there is dropout and a backward to come.
  void keep_drawn(at::TensorList weights) {
    const bool differentiable =
        std::any_of(weights.begin(), weights.end(), [](const at::Tensor& weight) {
          return weight.requires_grad();
        });
    if (dropout.probability > 0 && batch->placement.device.is_cpu() && differentiable &&
        at::GradMode::is_enabled())
      kept = torch::empty({static_cast<std::int64_t>(batch->features.sparse->value.size())},
                          torch::kUInt8);
  }

  SparseProjectionArgs args(at::ScalarType type, std::int64_t columns) const {
    SparseProjectionArgs args;
    args.dtype = kernel_type(type);
    args.rows = rows;
    args.columns = columns;
    args.x = &*batch->features.sparse;
    args.input_dropout = dropout;
    args.kept = kept.defined() ? kept.mutable_data_ptr<std::uint8_t>() : nullptr;
    return args;
  }
};

/// The products as one call of the kernels.
const SparseProjectionArgs& linked(std::vector<SparseProjectionArgs>& products) {
  for (std::size_t k = 0; k + 1 < products.size(); ++k) products[k].also = &products[k + 1];
  return products.front();
}

struct SparseProjectionFunction : torch::autograd::Function<SparseProjectionFunction> {
  static variable_list forward(AutogradContext* context,
                               at::TensorList weights,
                               const c10::intrusive_ptr<SparseCall>& call,
                               at::ScalarType type) {
    context->saved_data["call"] = c10::IValue::make_capsule(call);
    variable_list dense, results;
    std::vector<SparseProjectionArgs> products;
    std::vector<std::int64_t> types;
    for (const at::Tensor& weight : weights) {
      dense.push_back(weight.to(type).contiguous());
      results.push_back(torch::empty({call->rows, weight.size(1)}, dense.back().options()));
      products.push_back(call->args(type, weight.size(1)));
      products.back().weight = dense.back().const_data_ptr();
      products.back().out = results.back().mutable_data_ptr();
      types.push_back(static_cast<std::int64_t>(weight.scalar_type()));
    }
    context->saved_data["types"] = types;
    call->batch->placement.kernels->sparse_project(linked(products));
    return results;
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto call =
        c10::dynamic_intrusive_pointer_cast<SparseCall>(context->saved_data["call"].toCapsule());
    const auto types = context->saved_data["types"].toIntVector();
    const std::int64_t features = call->batch->features.sparse->columns;
    variable_list dense, results;
    std::vector<SparseProjectionArgs> products;
    for (const at::Tensor& grad : grads) {
      dense.push_back(grad.contiguous());
      const at::ScalarType type = grad.scalar_type();
      results.push_back(
          torch::empty({features, grad.size(1)}, grad.options().dtype(working_type(type))));
      products.push_back(call->args(type, grad.size(1)));
      products.back().grad_out = dense.back().const_data_ptr();
      products.back().grad_weight = results.back().mutable_data_ptr();
    }
    call->batch->placement.kernels->sparse_project_backward(linked(products));
    for (std::size_t k = 0; k < results.size(); ++k)
      results[k] = results[k].to(static_cast<at::ScalarType>(types[k]));
    results.resize(results.size() + 2);  // none for the call and the type
    return results;
  }
};

}  // namespace

std::vector<at::Tensor> sparse_project(const Batch& batch,
                                       std::int64_t rows,
                                       at::TensorList weights,
                                       at::ScalarType type,
                                       const DropoutArgs& dropout) {
  REGATTA_CHECK(batch.features.sparse.has_value(), "the batch has no sparse features");
  // The processor's kernels are fp32 and fp64: narrow results are rounded once, at the end.
  const bool widened = type == at::kBFloat16 && batch.placement.device.is_cpu();
  auto call = c10::make_intrusive<SparseCall>();
  call->batch = &batch;
  call->rows = rows;
  call->dropout = dropout;
  call->keep_drawn(weights);
  std::vector<at::Tensor> results =
      SparseProjectionFunction::apply(weights, call, widened ? at::kFloat : type);
  for (at::Tensor& result : results) result = result.to(type);
  return results;
}

at::Tensor densified(const Batch& batch, std::int64_t rows) {
  REGATTA_CHECK(batch.features.sparse.has_value(), "the batch has no sparse features");
  const PreparedSparse& x = *batch.features.sparse;
  const at::Device device = batch.placement.device;
  const at::Tensor start = array_view(x.row_ptr, device);
  const at::Tensor row =
      torch::repeat_interleave(start.narrow(0, 1, x.rows) - start.narrow(0, 0, x.rows));
  at::Tensor dense =
      torch::zeros({x.rows, x.columns}, torch::TensorOptions(batch.placement.dtype).device(device));
  if (!x.value.empty()) {
    dense.index_put_({row, array_view(x.column, device).to(torch::kInt64)},
                     array_view(x.value, device).to(batch.placement.dtype));
  }
  return dense.narrow(0, 0, rows);
}

}  // namespace regatta
