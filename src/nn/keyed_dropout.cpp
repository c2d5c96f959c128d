#include "nn/keyed_dropout.h"

#include "core/error.h"
#include "kernels/feature_dropout.h"

#include <torch/torch.h>

namespace regatta {
namespace {

/// mask (.) x, on the host.
at::Tensor masked(const at::Tensor& x, const at::Tensor& global_id, const DropoutArgs& dropout) {
  at::Tensor out = torch::empty_like(x);
  FeatureDropoutArgs args;
  args.dtype = x.scalar_type() == torch::kDouble ? KernelType::kFloat64 : KernelType::kFloat32;
  args.rows = x.size(0);
  args.width = x.size(1);
  args.global_id = global_id.const_data_ptr<std::int64_t>();
  args.dropout = dropout;
  args.x = x.const_data_ptr();
  args.out = out.mutable_data_ptr();
  feature_dropout(args);
  return out;
}

/// Keeps no mask: the backward makes it again.
struct KeyedDropout : torch::autograd::Function<KeyedDropout> {
  static at::Tensor forward(torch::autograd::AutogradContext* context,
                            const at::Tensor& x,
                            const at::Tensor& global_id,
                            double p,
                            RandomKey key) {
    context->saved_data["id"] = global_id;
    context->saved_data["p"] = p;
    context->saved_data["key"] = static_cast<std::int64_t>(key.value);
    return masked(x.contiguous(), global_id, {p, key});
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    DropoutArgs dropout;
    dropout.probability = context->saved_data["p"].toDouble();
    dropout.key.value = static_cast<std::uint64_t>(context->saved_data["key"].toInt());
    return {masked(grads[0].contiguous(), context->saved_data["id"].toTensor(), dropout),
            at::Tensor(),
            at::Tensor(),
            at::Tensor()};
  }
};

}  // namespace

at::Tensor keyed_dropout(const at::Tensor& x,
                         const at::Tensor& global_id,
                         double p,
                         RandomKey key) {
  if (p <= 0)
    return x;
  REGATTA_CHECK(
      global_id.size(0) >= x.size(0), "{} global ids for {} rows", global_id.size(0), x.size(0));
  if (x.is_cpu())
    return KeyedDropout::apply(x, global_id, p, key);
  // On a GPU the host's mask travels once per layer and step.
  const at::Tensor ones = torch::ones(x.sizes(), torch::TensorOptions(x.scalar_type()));
  return x * masked(ones, global_id, {p, key}).to(x.device());
}

}  // namespace regatta
