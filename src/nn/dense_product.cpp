#include "nn/dense_product.h"

#include "nn/row_block_product.h"

#include <ATen/cpu/Utils.h>
#include <torch/torch.h>

#include <algorithm>

namespace regatta {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Without AMX a bfloat16 product is slower than a float one.
bool multiplies_bfloat16(const at::Device& device) {
  static const bool amx = [] {
    const auto capabilities = at::cpu::get_cpu_capabilities();
    const auto found = capabilities.find("amx_bf16");
    return found != capabilities.end() && found->second.toBool() && at::cpu::init_amx();
  }();
  return !device.is_cpu() || amx;
}

/// Saves the narrow x, not a widened copy of it.
struct NarrowProduct : torch::autograd::Function<NarrowProduct> {
  static at::Tensor forward(AutogradContext* context,
                            const at::Tensor& x,
                            const at::Tensor& weight,
                            at::ScalarType type) {
    context->save_for_backward({x, weight});
    context->saved_data["narrow"] = type == at::kBFloat16 && multiplies_bfloat16(x.device());
    return product(context, x, weight).to(type);
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    at::Tensor grad_x, grad_weight;
    if (context->needs_input_grad(0))
      grad_x = product(context, grads[0], weight.t()).to(x.scalar_type());
    if (context->needs_input_grad(1))
      grad_weight = weight_product(context, x, grads[0]).to(weight.scalar_type());
    return {grad_x, grad_weight, at::Tensor()};
  }

 private:
  static at::Tensor product(AutogradContext* context, const at::Tensor& a, const at::Tensor& b) {
    if (context->saved_data["narrow"].toBool())
      return torch::mm(a.to(at::kBFloat16), b.to(at::kBFloat16));
    return row_block_product(a.to(at::kFloat), b.to(at::kFloat));
  }
  static at::Tensor weight_product(AutogradContext* context,
                                   const at::Tensor& x,
                                   const at::Tensor& grad) {
    if (context->saved_data["narrow"].toBool())
      return torch::mm(x.to(at::kBFloat16).t(), grad.to(at::kBFloat16));
    return row_block_gradient(x.to(at::kFloat), grad.to(at::kFloat));
  }
};

}  // namespace

at::Tensor dense_product(const at::Tensor& x, const at::Tensor& weight, at::ScalarType type) {
  if (x.scalar_type() == type && weight.scalar_type() == type)
    return row_block_product(x, weight);
  return NarrowProduct::apply(x, weight, type);
}

std::vector<at::Tensor> dense_products(const at::Tensor& x,
                                       at::TensorList weights,
                                       at::ScalarType type) {
  const bool alike = std::all_of(weights.begin(), weights.end(), [&](const at::Tensor& weight) {
    return weight.scalar_type() == type && x.scalar_type() == type;
  });
  if (alike)
    return row_block_products(x, weights);
  std::vector<at::Tensor> results;
  for (const at::Tensor& weight : weights) results.push_back(dense_product(x, weight, type));
  return results;
}

}  // namespace regatta
