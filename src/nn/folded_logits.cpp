#include "nn/folded_logits.h"

#include "nn/joined_columns.h"
#include "nn/row_block_product.h"

#include <torch/autograd.h>
#include <torch/types.h>

namespace regatta {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Whether the loops here take the tensor. On a processor LibTorch's operators cost more than what
/// they do on tensors this small.
bool by_own_loops(const at::Tensor& tensor) {
  return tensor.is_cpu() &&
         (tensor.scalar_type() == torch::kFloat || tensor.scalar_type() == torch::kDouble);
}

/// body(T{}) for the type of `tensor`.
template <class Body>
void with_type(const at::Tensor& tensor, const Body& body) {
  if (tensor.scalar_type() == torch::kDouble)
    body(double{});
  else
    body(float{});
}

/// Vectors a [H,D] as columns of [H*D,V*H]: scale * a of head h stands in column v*H + h, and 0 in
/// the rows of other heads.
struct SpreadVectors : torch::autograd::Function<SpreadVectors> {
  static at::Tensor forward(AutogradContext* context, at::TensorList vectors, double scale) {
    context->saved_data["scale"] = scale;
    context->saved_data["heads"] = vectors.front().size(0);
    const auto count = static_cast<std::int64_t>(vectors.size());
    const std::int64_t heads = vectors.front().size(0), width = vectors.front().size(1);
    at::Tensor spread = torch::zeros({heads * width, count * heads}, vectors.front().options());
    with_type(spread, [&]<class T>(T) {
      T* to = spread.mutable_data_ptr<T>();
      for (std::int64_t v = 0; v < count; ++v) {
        const at::Tensor dense = vectors[static_cast<std::size_t>(v)].contiguous();
        const T* from = dense.const_data_ptr<T>();
        for (std::int64_t k = 0; k < heads * width; ++k)
          to[(k * count + v) * heads + k / width] = from[k] * static_cast<T>(scale);
      }
    });
    return spread;
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const double scale = context->saved_data["scale"].toDouble();
    const std::int64_t heads = context->saved_data["heads"].toInt();
    const at::Tensor spread = grads[0].contiguous();
    const std::int64_t count = spread.size(1) / heads, width = spread.size(0) / heads;
    variable_list result;
    with_type(spread, [&]<class T>(T) {
      const T* from = spread.const_data_ptr<T>();
      for (std::int64_t v = 0; v < count; ++v) {
        result.push_back(torch::empty({heads, width}, spread.options()));
        T* to = result.back().mutable_data_ptr<T>();
        for (std::int64_t k = 0; k < heads * width; ++k)
          to[k] = from[(k * count + v) * heads + k / width] * static_cast<T>(scale);
      }
    });
    result.emplace_back();  // none for the scale
    return result;
  }
};

struct SplitLogits : torch::autograd::Function<SplitLogits> {
  static variable_list forward(AutogradContext* context,
                               const at::Tensor& logits_in,
                               std::int64_t rows) {
    context->set_materialize_grads(false);
    const at::Tensor logits = logits_in.contiguous();
    const std::int64_t nodes = logits.size(0), heads = logits.size(1) / 2;
    context->saved_data["nodes"] = nodes;
    at::Tensor source = torch::empty({nodes, heads}, logits.options());
    at::Tensor destination = torch::empty({rows, heads}, logits.options());
    copy_columns(logits, 0, source, 0, nodes, heads);
    copy_columns(logits, heads, destination, 0, rows, heads);
    return {source, destination};
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const at::Tensor& like = grads[0].defined() ? grads[0] : grads[1];
    if (!like.defined())
      return {at::Tensor(), at::Tensor()};
    const std::int64_t nodes = context->saved_data["nodes"].toInt(), heads = like.size(1);
    at::Tensor joined = torch::empty({nodes, 2 * heads}, like.options());
    for (std::int64_t part = 0; part < 2; ++part) {
      const at::Tensor& grad = grads[static_cast<std::size_t>(part)];
      const std::int64_t held = grad.defined() ? grad.size(0) : 0;
      if (grad.defined())
        copy_columns(grad.contiguous(), 0, joined, part * heads, held, heads);
      if (held < nodes)
        joined.narrow(0, held, nodes - held).narrow(1, part * heads, heads).zero_();
    }
    return {joined, at::Tensor()};
  }
};

/// The same matrix by LibTorch's operators.
at::Tensor spread_by_operators(at::TensorList vectors, double scale) {
  const std::int64_t heads = vectors.front().size(0);
  const at::Tensor own_head = torch::eye(heads, vectors.front().options()) * scale;
  const at::Tensor spread =
      torch::stack(vectors, -1).unsqueeze(-1) * own_head.view({heads, 1, 1, heads});
  return spread.flatten(2).flatten(0, 1);
}

}  // namespace

at::Tensor fold_vectors(const at::Tensor& projection, at::TensorList vectors, double scale) {
  const at::Tensor spread = by_own_loops(vectors.front()) ? SpreadVectors::apply(vectors, scale)
                                                          : spread_by_operators(vectors, scale);
  return row_block_product(projection, spread);
}

std::pair<at::Tensor, at::Tensor> split_logits(const at::Tensor& logits, std::int64_t rows) {
  if (by_own_loops(logits)) {
    const variable_list parts = SplitLogits::apply(logits, rows);
    return {parts[0], parts[1]};
  }
  const std::int64_t heads = logits.size(1) / 2;
  return {logits.narrow(1, 0, heads), logits.narrow(0, 0, rows).narrow(1, heads, heads)};
}

}  // namespace regatta
