#include "nn/attention_function.h"

#include "core/error.h"

#include <torch/torch.h>

namespace regatta {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

KernelType kernel_type(const at::Tensor& tensor) {
  return tensor.scalar_type() == torch::kDouble ? KernelType::kFloat64 : KernelType::kFloat32;
}

AttentionInputs make_inputs(const AttentionCall& call,
                            const at::Tensor& z,
                            const at::Tensor& s,
                            const at::Tensor& t) {
  AttentionInputs in;
  in.kind = call.kind;
  in.dtype = kernel_type(z);
  in.rows = call.rows;
  in.nodes = z.size(0);
  in.heads = z.size(1);
  in.width = z.size(2);
  in.graph = &call.batch->graph;
  in.value = z.const_data_ptr();
  if (call.kind == AttentionKind::kDot)
    in.query = in.key = in.value;
  if (s.defined())
    in.source_logit = s.const_data_ptr();
  if (t.defined())
    in.destination_logit = t.const_data_ptr();
  in.negative_slope = call.negative_slope;
  in.scale = call.scale;
  in.attention_dropout = call.attention_dropout;
  in.message_dropout = call.message_dropout;
  return in;
}

at::Tensor workspace(std::size_t bytes, const at::Tensor& like) {
  return torch::empty({static_cast<std::int64_t>(bytes)}, like.options().dtype(torch::kByte));
}

void run_forward(const KernelTable& kernels, AttentionForwardArgs& args, const at::Tensor& z) {
  const at::Tensor scratch = workspace(kernels.forward_workspace_bytes(args), z);
  args.workspace = scratch.mutable_data_ptr();
  kernels.forward(args);
}

struct AttentionFunction : torch::autograd::Function<AttentionFunction> {
  static at::Tensor forward(AutogradContext* context,
                            const at::Tensor& z_in,
                            const at::Tensor& s_in,
                            const at::Tensor& t_in,
                            const AttentionCall& call) {
    const bool gat = call.kind == AttentionKind::kGat;
    const at::Tensor z = z_in.contiguous();
    const at::Tensor s = gat ? s_in.contiguous() : at::Tensor();
    const at::Tensor t = gat ? t_in.contiguous() : at::Tensor();
    const bool training = z_in.requires_grad();

    const std::int64_t heads = z.size(1), width = z.size(2);
    at::Tensor out = torch::empty({call.rows, heads, width}, z.options());
    at::Tensor logsumexp, correction;
    AttentionForwardArgs args;
    args.in = make_inputs(call, z, s, t);
    args.out = out.mutable_data_ptr();
    if (training) {
      logsumexp = torch::empty({call.rows, heads}, z.options());
      args.logsumexp = logsumexp.mutable_data_ptr();
      if (gat) {
        correction = torch::empty_like(out);
        args.correction = correction.mutable_data_ptr();
      }
    }
    run_forward(*call.batch->placement.kernels, args, z);

    context->save_for_backward({z, s, t, out, logsumexp, correction});
    context->saved_data["call"] = c10::IValue::make_capsule(c10::make_intrusive<Holder>(call));
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    const AttentionCall call =
        c10::dynamic_intrusive_pointer_cast<Holder>(context->saved_data["call"].toCapsule())->call;
    const at::Tensor &z = saved[0], &s = saved[1], &t = saved[2];
    const at::Tensor grad_out = grads[0].contiguous();

    at::Tensor grad_z = torch::empty_like(z);
    at::Tensor grad_s = s.defined() ? torch::empty_like(s) : at::Tensor();
    at::Tensor grad_t = t.defined() ? torch::empty_like(t) : at::Tensor();
    AttentionBackwardArgs args;
    args.in = make_inputs(call, z, s, t);
    args.out = saved[3].const_data_ptr();
    args.logsumexp = saved[4].const_data_ptr();
    args.correction = saved[5].defined() ? saved[5].const_data_ptr() : nullptr;
    args.grad_out = grad_out.const_data_ptr();
    args.grad_value = grad_z.mutable_data_ptr();
    if (call.kind == AttentionKind::kDot)
      args.grad_query = args.grad_key = args.grad_value;
    if (s.defined())
      args.grad_source_logit = grad_s.mutable_data_ptr();
    if (t.defined())
      args.grad_destination_logit = grad_t.mutable_data_ptr();

    const KernelTable& kernels = *call.batch->placement.kernels;
    const at::Tensor scratch = workspace(kernels.backward_workspace_bytes(args), z);
    args.workspace = scratch.mutable_data_ptr();
    kernels.backward(args);
    return {grad_z, grad_s, grad_t, at::Tensor()};
  }

 private:
  /// Carries the call through autograd; the batch it points to outlives the step.
  struct Holder : torch::CustomClassHolder {
    explicit Holder(AttentionCall value) : call(value) {}
    AttentionCall call;
  };
};

struct SparseProjectionFunction : torch::autograd::Function<SparseProjectionFunction> {
  static at::Tensor forward(AutogradContext* context,
                            const at::Tensor& weight_in,
                            const Batch& batch,
                            std::int64_t rows,
                            const DropoutArgs& dropout) {
    const at::Tensor weight = weight_in.contiguous();
    at::Tensor out = torch::empty({rows, weight.size(1)}, weight.options());
    SparseProjectionArgs args;
    args.dtype = kernel_type(weight);
    args.rows = rows;
    args.columns = weight.size(1);
    args.x = &*batch.features.sparse;
    args.input_dropout = dropout;
    args.weight = weight.const_data_ptr();
    args.out = out.mutable_data_ptr();
    batch.placement.kernels->sparse_project(args);

    args.weight = args.out = nullptr;
    context->saved_data["call"] = c10::IValue::make_capsule(
        c10::make_intrusive<Holder>(args, batch.placement.kernels, weight.sizes().vec()));
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto call =
        c10::dynamic_intrusive_pointer_cast<Holder>(context->saved_data["call"].toCapsule());
    const at::Tensor grad_out = grads[0].contiguous();
    at::Tensor grad_weight = torch::empty(call->weight_shape, grad_out.options());
    SparseProjectionArgs args = call->args;
    args.grad_out = grad_out.const_data_ptr();
    args.grad_weight = grad_weight.mutable_data_ptr();
    call->kernels->sparse_project_backward(args);
    return {grad_weight, at::Tensor(), at::Tensor(), at::Tensor()};
  }

 private:
  struct Holder : torch::CustomClassHolder {
    Holder(SparseProjectionArgs a, const KernelTable* k, std::vector<std::int64_t> shape)
        : args(a), kernels(k), weight_shape(std::move(shape)) {}
    SparseProjectionArgs args;
    const KernelTable* kernels;
    std::vector<std::int64_t> weight_shape;
  };
};

}  // namespace

at::Tensor attend(const AttentionCall& call,
                  const at::Tensor& z,
                  const at::Tensor& source_logit,
                  const at::Tensor& destination_logit) {
  // autograd takes no undefined inputs: a kind without logits of its own hands in empty ones.
  const auto or_empty = [&z](const at::Tensor& t) { return t.defined() ? t : z.new_empty({0}); };
  return AttentionFunction::apply(z, or_empty(source_logit), or_empty(destination_logit), call);
}

at::Tensor attention_weights(const AttentionCall& call,
                             const at::Tensor& z_in,
                             const at::Tensor& source_logit,
                             const at::Tensor& destination_logit) {
  const at::NoGradGuard no_grad;
  const bool gat = call.kind == AttentionKind::kGat;
  const at::Tensor z = z_in.contiguous();
  const at::Tensor s = gat ? source_logit.contiguous() : at::Tensor();
  const at::Tensor t = gat ? destination_logit.contiguous() : at::Tensor();
  AttentionForwardArgs forward;
  forward.in = make_inputs(call, z, s, t);
  at::Tensor out = torch::empty({call.rows, z.size(1), z.size(2)}, z.options());
  at::Tensor logsumexp = torch::empty({call.rows, z.size(1)}, z.options());
  forward.out = out.mutable_data_ptr();
  forward.logsumexp = logsumexp.mutable_data_ptr();
  const KernelTable& kernels = *call.batch->placement.kernels;
  run_forward(kernels, forward, z);

  const std::int64_t edges = call.batch->graph.in.view().edges();
  at::Tensor weights = torch::zeros({edges, z.size(1)}, z.options());
  AttentionWeightsArgs args;
  args.in = forward.in;
  args.logsumexp = logsumexp.const_data_ptr();
  args.weights = weights.mutable_data_ptr();
  kernels.weights(args);
  return weights;
}

at::Tensor sparse_project(const Batch& batch,
                          std::int64_t rows,
                          const at::Tensor& weight,
                          const DropoutArgs& dropout) {
  REGATTA_CHECK(batch.features.sparse.has_value(), "the batch has no sparse features");
  return SparseProjectionFunction::apply(weight, batch, rows, dropout);
}

}  // namespace regatta
