#include "nn/attention_function.h"

#include "nn/precision.h"
#include "nn/tensor_memory.h"

#include <torch/autograd.h>
#include <torch/types.h>

namespace regatta {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using enum TensorRole;

KernelType kernel_type(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kDouble:
      return KernelType::kFloat64;
    case at::kBFloat16:
      return KernelType::kBFloat16;
    default:
      return KernelType::kFloat32;
  }
}

const void* pointer(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr() : nullptr;
}
void* writable(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.mutable_data_ptr() : nullptr;
}

AttentionInputs make_inputs(const AttentionCall& call, const AttentionTensors& t) {
  const at::Tensor& value = t.value();
  AttentionInputs in;
  in.kind = call.kind;
  in.dtype = kernel_type(value);
  in.rows = call.rows;
  in.nodes = value.size(0);
  in.heads = value.size(1);
  in.width = value.size(2);
  in.graph = call.graph;
  in.value = pointer(value);
  in.query = pointer(t[kQuery]);
  in.key = pointer(t[kKey]);
  if (call.kind == AttentionKind::kDot) {
    if (t[kQuery].defined()) {
      in.score_heads = t[kQuery].size(1);
      in.score_width = t[kQuery].size(2);
    } else {
      in.query = in.key = in.value;
    }
  }
  in.source_logit = pointer(t[kSourceLogit]);
  in.destination_logit = pointer(t[kDestinationLogit]);
  in.attention_vector = pointer(t[kAttentionVector]);
  in.negative_slope = call.negative_slope;
  in.scale = call.scale;
  in.edge.logit = pointer(t[kEdgeLogit]);
  in.edge.x = pointer(t[kEdgeX]);
  in.edge.features = t[kEdgeX].defined() ? t[kEdgeX].size(1) : 0;
  in.edge.query = pointer(t[kEdgeQuery]);
  in.edge.weight = pointer(t[kEdgeWeight]);
  in.attention_dropout = call.attention_dropout;
  in.message_dropout = call.message_dropout;
  return in;
}

AttentionEpilogue make_epilogue(const AttentionCall& call,
                                const void* bias,
                                const void* residual,
                                void* y) {
  AttentionEpilogue epilogue;
  if (!call.epilogue)
    return epilogue;
  epilogue.activation = call.activation;
  epilogue.bias = bias;
  epilogue.residual = residual;
  epilogue.y = y;
  return epilogue;
}

at::Tensor workspace(std::size_t bytes, const at::Tensor& like) {
  return empty_tensor(
      "workspace", {static_cast<std::int64_t>(bytes)}, like.options().dtype(torch::kByte));
}

/// What a forward leaves behind.
struct Forward {
  at::Tensor out, y, logsumexp, correction, edge_out, kept_messages, kept_edges;
};

KeptBits kept_bits(const at::Tensor& messages, const at::Tensor& edges) {
  return {static_cast<std::uint64_t*>(writable(messages)),
          static_cast<std::uint8_t*>(writable(edges))};
}

/// Room for what the processor's kernels keep of dropout.
void add_kept_bits(const AttentionCall& call, const at::Tensor& value, Forward& result) {
  if (call.kind != AttentionKind::kGat || !value.is_cpu())
    return;
  if (call.message_dropout.probability > 0)
    result.kept_messages =
        empty_tensor("kept messages",
                     {value.size(0), KeptBits::message_words(value.size(1) * value.size(2))},
                     torch::kInt64);
  if (call.attention_dropout.probability > 0)
    result.kept_edges =
        empty_tensor("kept edges", {(value.size(1) + 3) / 4, call.edges}, torch::kByte);
}

/// `keep`: a backward, or a reader of L, follows.
Forward run_forward(const AttentionCall& call, const AttentionTensors& t, bool keep) {
  const at::Tensor& value = t.value();
  const auto working = value.options().dtype(working_type(value.scalar_type()));
  const std::int64_t heads = value.size(1);
  AttentionForwardArgs args;
  args.in = make_inputs(call, t);
  Forward result;
  const std::array<std::int64_t, 3> row_heads{call.rows, heads, value.size(2)};
  if (keep || !call.epilogue)
    result.out = empty_tensor("attention output", row_heads, value.options());
  if (call.epilogue)
    result.y = empty_tensor("output", row_heads, value.options());
  if (keep) {
    result.logsumexp = empty_tensor("logsumexp", {call.rows, args.in.logit_heads()}, working);
    if (call.kind == AttentionKind::kGat)
      result.correction = empty_tensor("correction", row_heads, value.options());
    add_kept_bits(call, value, result);
  }
  if (t[kEdgeQuery].defined())
    result.edge_out =
        empty_tensor("edge output", {call.rows, heads, args.in.edge.features}, working);
  args.out = writable(result.out);
  args.logsumexp = writable(result.logsumexp);
  args.correction = writable(result.correction);
  args.edge_out = writable(result.edge_out);
  args.kept = kept_bits(result.kept_messages, result.kept_edges);
  args.epilogue = make_epilogue(call, pointer(t[kBias]), pointer(t[kResidual]), writable(result.y));
  const at::Tensor scratch = workspace(call.kernels->forward_workspace_bytes(args), value);
  args.workspace = scratch.mutable_data_ptr();
  call.kernels->forward(args);
  return result;
}

AttentionTensors contiguous(const AttentionTensors& tensors) {
  AttentionTensors dense;
  for (std::size_t r = 0; r < kTensorRoles; ++r) {
    if (tensors.all()[r].defined())
      dense.all()[r] = tensors.all()[r].contiguous();
  }
  return dense;
}

/// What travels through autograd beside the saved tensors. Bias and residual are not saved: the
/// backward needs their shapes alone.
struct Plan : torch::CustomClassHolder {
  explicit Plan(AttentionCall value) : call(value) {}
  AttentionCall call;
  std::array<bool, kTensorRoles> present{};
  std::array<bool, kTensorRoles> saved{};
  bool keep = false;
  bool has_y = false, has_correction = false, has_edge_out = false;
  bool has_kept_messages = false, has_kept_edges = false;
};

/// Takes the next saved tensor where there is one.
class Unpacker {
 public:
  explicit Unpacker(variable_list list) : list_(std::move(list)) {}
  at::Tensor next(bool present) { return present ? list_[at_++] : at::Tensor(); }

 private:
  variable_list list_;
  std::size_t at_ = 0;
};

/// Gradients by role, of the kernels' shapes and types.
AttentionTensors empty_gradients(const Plan& plan, const AttentionTensors& t) {
  AttentionTensors grads;
  const auto empty = [&](TensorRole role, at::IntArrayRef shape, const at::TensorOptions& options) {
    const std::string name = std::string("gradient of ") + role_name(role);
    grads[role] = empty_tensor(name, shape, options);
  };
  for (std::size_t r = 0; r < kTensorRoles; ++r) {
    const at::Tensor& tensor = t.all()[r];
    if (tensor.defined() && r != static_cast<std::size_t>(kEdgeX))
      empty(static_cast<TensorRole>(r), tensor.sizes(), tensor.options());
  }
  const at::Tensor& value = t.value();
  const std::int64_t row = value.size(1) * value.size(2);
  if (plan.present[static_cast<std::size_t>(kBias)])
    empty(kBias, {row}, value.options().dtype(working_type(value.scalar_type())));
  if (plan.present[static_cast<std::size_t>(kResidual)])
    empty(kResidual, {plan.call.rows, row}, value.options());
  return grads;
}

void set_gradients(AttentionBackwardArgs& args, const AttentionTensors& grads) {
  args.grad_value = writable(grads.value());
  args.grad_query = writable(grads[kQuery]);
  args.grad_key = writable(grads[kKey]);
  if (args.in.shares_table())
    args.grad_query = args.grad_key = args.grad_value;
  args.grad_source_logit = writable(grads[kSourceLogit]);
  args.grad_destination_logit = writable(grads[kDestinationLogit]);
  args.grad_attention_vector = writable(grads[kAttentionVector]);
  args.grad_edge_logit = writable(grads[kEdgeLogit]);
  args.grad_edge_query = writable(grads[kEdgeQuery]);
  args.grad_edge_weight = writable(grads[kEdgeWeight]);
  args.grad_bias = writable(grads[kBias]);
  args.grad_residual = writable(grads[kResidual]);
}

struct AttentionFunction : torch::autograd::Function<AttentionFunction> {
  /// `present` are the defined tensors in the order of the roles. Results: y or O, edge_out where
  /// there is one, L where wanted.
  static variable_list forward(AutogradContext* context,
                               at::TensorList present,
                               const c10::intrusive_ptr<Plan>& plan) {
    AttentionTensors tensors;
    std::size_t next = 0;
    for (std::size_t r = 0; r < kTensorRoles; ++r) {
      if (plan->present[r])
        tensors.all()[r] = present[next++].contiguous();
    }
    const Forward result = run_forward(plan->call, tensors, plan->keep);
    if (plan->keep)
      save(context, *plan, tensors, result);
    context->saved_data["plan"] = c10::IValue::make_capsule(plan);
    context->set_materialize_grads(false);

    variable_list outputs{plan->call.epilogue ? result.y : result.out};
    if (result.edge_out.defined())
      outputs.push_back(result.edge_out);
    if (plan->call.logsumexp)
      outputs.push_back(result.logsumexp);
    return outputs;
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto plan =
        c10::dynamic_intrusive_pointer_cast<Plan>(context->saved_data["plan"].toCapsule());
    variable_list results;
    in_layer(plan->call.layer,
             [&] { results = gradients(*plan, Unpacker(context->get_saved_variables()), grads); });
    return results;
  }

 private:
  static variable_list gradients(const Plan& plan, Unpacker saved, const variable_list& grads) {
    AttentionTensors tensors;
    for (std::size_t r = 0; r < kTensorRoles; ++r) tensors.all()[r] = saved.next(plan.saved[r]);
    const at::Tensor out = saved.next(true), logsumexp = saved.next(true);
    const at::Tensor y = saved.next(plan.has_y);
    const at::Tensor correction = saved.next(plan.has_correction);
    const at::Tensor edge_out = saved.next(plan.has_edge_out);
    const at::Tensor kept_messages = saved.next(plan.has_kept_messages);
    const at::Tensor kept_edges = saved.next(plan.has_kept_edges);

    AttentionBackwardArgs args;
    args.in = make_inputs(plan.call, tensors);
    args.out = pointer(out);
    args.logsumexp = pointer(logsumexp);
    args.correction = pointer(correction);
    args.edge_out = pointer(edge_out);
    args.kept = kept_bits(kept_messages, kept_edges);
    const at::Tensor grad_out = grads[0].defined() ? grads[0].contiguous() : torch::zeros_like(out);
    args.grad_out = pointer(grad_out);
    Unpacker others({grads.begin() + 1, grads.end()});
    at::Tensor grad_edge_out = others.next(plan.has_edge_out);
    at::Tensor grad_logsumexp = others.next(plan.call.logsumexp);
    if (grad_edge_out.defined())
      grad_edge_out = grad_edge_out.contiguous();
    if (grad_logsumexp.defined())
      grad_logsumexp = grad_logsumexp.contiguous();
    args.grad_edge_out = pointer(grad_edge_out);
    args.grad_logsumexp = pointer(grad_logsumexp);

    const AttentionTensors results = empty_gradients(plan, tensors);
    set_gradients(args, results);
    // The kernels only read y and the presence of bias and residual here.
    args.epilogue =
        make_epilogue(plan.call, args.grad_bias, args.grad_residual, const_cast<void*>(pointer(y)));
    const at::Tensor scratch =
        workspace(plan.call.kernels->backward_workspace_bytes(args), tensors.value());
    args.workspace = scratch.mutable_data_ptr();
    plan.call.kernels->backward(args);
    return by_input(plan, results);
  }

  static void save(AutogradContext* context,
                   Plan& plan,
                   const AttentionTensors& tensors,
                   const Forward& result) {
    variable_list list;
    for (std::size_t r = 0; r < kTensorRoles; ++r) {
      const auto role = static_cast<TensorRole>(r);
      plan.saved[r] = plan.present[r] && role != kBias && role != kResidual;
      if (plan.saved[r])
        list.push_back(tensors.all()[r]);
    }
    list.push_back(result.out);
    list.push_back(result.logsumexp);
    plan.has_y = result.y.defined();
    plan.has_correction = result.correction.defined();
    plan.has_edge_out = result.edge_out.defined();
    plan.has_kept_messages = result.kept_messages.defined();
    plan.has_kept_edges = result.kept_edges.defined();
    for (const at::Tensor& tensor :
         {result.y, result.correction, result.edge_out, result.kept_messages, result.kept_edges}) {
      if (tensor.defined())
        list.push_back(tensor);
    }
    context->save_for_backward(std::move(list));
  }

  /// One gradient for each tensor handed to apply, and none for the plan.
  static variable_list by_input(const Plan& plan, const AttentionTensors& grads) {
    variable_list list;
    for (std::size_t r = 0; r < kTensorRoles; ++r) {
      if (plan.present[r])
        list.push_back(grads.all()[r]);
    }
    list.emplace_back();
    return list;
  }
};

}  // namespace

AttentionResult attend(const AttentionCall& call, const AttentionTensors& tensors) {
  check_attention_tensors(call, tensors);
  auto plan = c10::make_intrusive<Plan>(call);
  std::vector<at::Tensor> present;
  bool differentiable = false;
  for (std::size_t r = 0; r < kTensorRoles; ++r) {
    const at::Tensor& tensor = tensors.all()[r];
    plan->present[r] = tensor.defined();
    if (!tensor.defined())
      continue;
    present.push_back(tensor);
    differentiable = differentiable || tensor.requires_grad();
  }
  plan->keep = (differentiable && at::GradMode::is_enabled()) || call.logsumexp;
  const variable_list outputs = AttentionFunction::apply(at::TensorList(present), plan);
  AttentionResult result;
  result.out = outputs[0];
  if (tensors[kEdgeQuery].defined())
    result.edge_out = outputs[1];
  if (call.logsumexp)
    result.logsumexp = outputs.back();
  return result;
}

AttentionWeights attention_weights(const AttentionCall& call, const AttentionTensors& tensors) {
  const at::NoGradGuard no_grad;
  check_attention_tensors(call, tensors);
  const AttentionTensors dense = contiguous(tensors);
  AttentionCall plain = call;
  plain.epilogue = false;
  const Forward forward = run_forward(plain, dense, true);
  AttentionWeights result;
  result.logsumexp = forward.logsumexp;
  result.alpha = empty_tensor(
      "attention", {call.edges, forward.logsumexp.size(1)}, forward.logsumexp.options());
  AttentionWeightsArgs args;
  args.in = make_inputs(plain, dense);
  args.logsumexp = pointer(forward.logsumexp);
  args.weights = writable(result.alpha);
  call.kernels->weights(args);
  return result;
}

}  // namespace regatta
