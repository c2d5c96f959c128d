#include "nn/dense_product.h"

#include "nn/row_block_product.h"

#include <torch/autograd.h>
#include <torch/types.h>

#include <algorithm>

namespace regatta {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Multiplied in bfloat16 by the device's own product.
struct NarrowProduct : torch::autograd::Function<NarrowProduct> {
  static at::Tensor forward(AutogradContext* context,
                            const at::Tensor& x,
                            const at::Tensor& weight) {
    context->save_for_backward({x, weight});
    return torch::mm(x.to(at::kBFloat16), weight.to(at::kBFloat16));
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const at::Tensor dy = grads[0].to(at::kBFloat16);
    at::Tensor grad_x, grad_weight;
    if (context->needs_input_grad(0))
      grad_x = torch::mm(dy, weight.t().to(at::kBFloat16)).to(x.scalar_type());
    if (context->needs_input_grad(1))
      grad_weight = torch::mm(x.to(at::kBFloat16).t(), dy).to(weight.scalar_type());
    return {grad_x, grad_weight};
  }
};

}  // namespace

at::Tensor dense_product(const at::Tensor& x, const at::Tensor& weight, at::ScalarType type) {
  return dense_products(x, weight, type).front();
}

std::vector<at::Tensor> dense_products(const at::Tensor& x,
                                       at::TensorList weights,
                                       at::ArrayRef<at::ScalarType> types) {
  if (x.is_cpu() || std::find(types.begin(), types.end(), at::kBFloat16) == types.end())
    return row_block_products(x, weights, types);
  std::vector<at::Tensor> results;
  for (std::size_t k = 0; k < weights.size(); ++k)
    results.push_back(types[k] == at::kBFloat16
                          ? NarrowProduct::apply(x, weights[k])
                          : row_block_products(x, weights[k], types[k]).front());
  return results;
}

}  // namespace regatta
