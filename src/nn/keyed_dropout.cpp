#include "nn/keyed_dropout.h"

#include "kernels/feature_dropout.h"

#include <torch/autograd.h>
#include <torch/types.h>

namespace regatta {
namespace {

/// A call without its arrays x and out.
struct Call : torch::CustomClassHolder {
  Call(const FeatureDropoutArgs& call, const KernelTable& table) : args(call), kernels(table) {}

  /// Bits for the backward, an eighth of a byte an element, where there will be one.
  void keep_bits(const at::Tensor& x) {
    if (x.is_cpu() && x.requires_grad() && at::GradMode::is_enabled())
      kept = torch::empty({x.size(0), KeptBits::message_words(x.size(1))}, torch::kInt64);
  }

  at::Tensor masked(const at::Tensor& x, bool known) const {
    at::Tensor out = torch::empty_like(x);
    FeatureDropoutArgs whole = args;
    if (kept.defined()) {
      whole.kept = reinterpret_cast<std::uint64_t*>(kept.mutable_data_ptr<std::int64_t>());
      whole.known = known;
    }
    whole.x = x.const_data_ptr();
    whole.out = out.mutable_data_ptr();
    kernels.feature_dropout(whole);
    return out;
  }

  FeatureDropoutArgs args;
  const KernelTable& kernels;
  at::Tensor kept;
};

struct KeyedDropout : torch::autograd::Function<KeyedDropout> {
  static at::Tensor forward(torch::autograd::AutogradContext* context,
                            const at::Tensor& x,
                            const c10::intrusive_ptr<Call>& call) {
    context->saved_data["call"] = c10::IValue::make_capsule(call);
    return call->masked(x.contiguous(), false);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto call =
        c10::dynamic_intrusive_pointer_cast<Call>(context->saved_data["call"].toCapsule());
    return {call->masked(grads[0].contiguous(), true), at::Tensor()};
  }
};

}  // namespace

at::Tensor keyed_dropout(const at::Tensor& x,
                         const std::int64_t* global_id,
                         const DropoutArgs& dropout,
                         const KernelTable& kernels) {
  if (dropout.probability <= 0)
    return x;
  FeatureDropoutArgs args;
  args.dtype = x.scalar_type() == torch::kDouble ? KernelType::kFloat64 : KernelType::kFloat32;
  args.rows = x.size(0);
  args.width = x.size(1);
  args.global_id = global_id;
  args.dropout = dropout;
  auto call = c10::make_intrusive<Call>(args, kernels);
  call->keep_bits(x);
  return KeyedDropout::apply(x, call);
}

}  // namespace regatta
