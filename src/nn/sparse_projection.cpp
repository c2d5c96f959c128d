#include "nn/sparse_projection.h"

#include "core/error.h"
#include "nn/batch_placement.h"
#include "nn/precision.h"

#include <torch/torch.h>

namespace regatta {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

KernelType kernel_type(at::ScalarType type) {
  return type == at::kDouble     ? KernelType::kFloat64
         : type == at::kBFloat16 ? KernelType::kBFloat16
                                 : KernelType::kFloat32;
}

struct SparseProjectionFunction : torch::autograd::Function<SparseProjectionFunction> {
  static at::Tensor forward(AutogradContext* context,
                            const at::Tensor& weight_in,
                            const Batch& batch,
                            std::int64_t rows,
                            at::ScalarType type,
                            const DropoutArgs& dropout) {
    const at::Tensor weight = weight_in.to(type).contiguous();
    at::Tensor out = torch::empty({rows, weight.size(1)}, weight.options());
    SparseProjectionArgs args;
    args.dtype = kernel_type(type);
    args.rows = rows;
    args.columns = weight.size(1);
    args.x = &*batch.features.sparse;
    args.input_dropout = dropout;
    args.weight = weight.const_data_ptr();
    args.out = out.mutable_data_ptr();
    batch.placement.kernels->sparse_project(args);

    args.weight = args.out = nullptr;
    context->saved_data["call"] = c10::IValue::make_capsule(
        c10::make_intrusive<Holder>(args, batch.placement.kernels, weight_in));
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto call =
        c10::dynamic_intrusive_pointer_cast<Holder>(context->saved_data["call"].toCapsule());
    const at::Tensor grad_out = grads[0].contiguous();
    const at::ScalarType working = working_type(grad_out.scalar_type());
    at::Tensor grad_weight = torch::empty(call->weight_shape, grad_out.options().dtype(working));
    SparseProjectionArgs args = call->args;
    args.grad_out = grad_out.const_data_ptr();
    args.grad_weight = grad_weight.mutable_data_ptr();
    call->kernels->sparse_project_backward(args);
    return {
        grad_weight.to(call->weight_type), at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }

 private:
  struct Holder : torch::CustomClassHolder {
    Holder(SparseProjectionArgs a, const KernelTable* k, const at::Tensor& weight)
        : args(a),
          kernels(k),
          weight_shape(weight.sizes().vec()),
          weight_type(weight.scalar_type()) {}
    SparseProjectionArgs args;
    const KernelTable* kernels;
    std::vector<std::int64_t> weight_shape;
    at::ScalarType weight_type;
  };
};

}  // namespace

at::Tensor sparse_project(const Batch& batch,
                          std::int64_t rows,
                          const at::Tensor& weight,
                          at::ScalarType type,
                          const DropoutArgs& dropout) {
  REGATTA_CHECK(batch.features.sparse.has_value(), "the batch has no sparse features");
  return SparseProjectionFunction::apply(weight, batch, rows, type, dropout);
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
