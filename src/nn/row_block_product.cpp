#include "nn/row_block_product.h"

#include "core/error.h"
#include "kernels/dense_product.h"
#include "nn/joined_columns.h"
#include "nn/precision.h"

#include <torch/autograd.h>
#include <torch/types.h>

#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

namespace regatta {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

bool narrow(const at::Tensor& tensor) {
  return tensor.defined() && tensor.scalar_type() == torch::kBFloat16;
}

/// Whether our kernels take the tensor; what they do not take goes to LibTorch.
bool by_own_kernels(const at::Tensor& tensor) {
  return tensor.is_cpu() &&
         (tensor.scalar_type() == torch::kFloat || tensor.scalar_type() == torch::kDouble);
}

DenseProductArgs product_args(const at::Tensor& like,
                              std::int64_t n,
                              std::int64_t f,
                              std::int64_t k) {
  DenseProductArgs args;
  args.dtype = like.scalar_type() == torch::kDouble ? KernelType::kFloat64 : KernelType::kFloat32;
  args.rows = n;
  args.inner = f;
  args.columns = k;
  return args;
}

at::Tensor workspace(std::size_t bytes) {
  return torch::empty({static_cast<std::int64_t>(bytes)}, torch::kByte);
}

/// Calls `run` with products of one x [n,f] and the weights, each with its own workspace.
template <class Run>
void with_workspaces(std::vector<DenseProductArgs>& products, const Run& run) {
  std::vector<at::Tensor> scratch;
  for (DenseProductArgs& args : products) {
    scratch.push_back(workspace(dense_product_workspace_bytes(args)));
    args.workspace = scratch.back().mutable_data_ptr();
  }
  run(products);
}

std::vector<at::Tensor> products_of(const at::Tensor& x,
                                    at::TensorList weights,
                                    at::ArrayRef<at::ScalarType> types) {
  std::vector<at::Tensor> results;
  std::vector<DenseProductArgs> products;
  for (std::size_t k = 0; k < weights.size(); ++k) {
    const at::Tensor& w = weights[k];
    results.push_back(torch::empty({x.size(0), w.size(1)}, w.options().dtype(types[k])));
    DenseProductArgs args = product_args(w, x.size(0), x.size(1), w.size(1));
    args.narrow_x = narrow(x);
    args.narrow_y = narrow(results.back());
    args.x = x.const_data_ptr();
    args.w = w.const_data_ptr();
    args.result = results.back().mutable_data_ptr();
    products.push_back(args);
  }
  with_workspaces(products, [](const auto& list) { multiply_dense(list); });
  return results;
}

/// Sum of dy w^T, of x's type.
at::Tensor input_gradient(const at::Tensor& x, at::TensorList grads, at::TensorList weights) {
  at::Tensor dx = torch::empty_like(x);
  std::vector<DenseProductArgs> products;
  for (std::size_t k = 0; k < grads.size(); ++k) {
    const at::Tensor &dy = grads[k], &w = weights[k];
    DenseProductArgs args = product_args(w, dy.size(0), w.size(0), w.size(1));
    args.narrow_x = narrow(x);
    args.narrow_y = narrow(dy);
    args.dy = dy.const_data_ptr();
    args.w = w.const_data_ptr();
    args.result = dx.mutable_data_ptr();
    products.push_back(args);
  }
  with_workspaces(products, [](const auto& list) { dense_input_gradient(list); });
  return dx;
}

/// x^T dy for each of them; an undefined x stands for a column of ones.
variable_list weight_gradients(const at::Tensor& x, at::TensorList grads) {
  variable_list results, scratch;
  std::vector<DenseProductArgs> products;
  for (const at::Tensor& dy : grads) {
    const std::int64_t inner = x.defined() ? x.size(1) : 1;
    const at::ScalarType working = working_type(dy.scalar_type());
    results.push_back(torch::empty({inner, dy.size(1)}, dy.options().dtype(working)));
    DenseProductArgs args = product_args(results.back(), dy.size(0), inner, dy.size(1));
    args.narrow_x = narrow(x);
    args.narrow_y = narrow(dy);
    args.x = x.defined() ? x.const_data_ptr() : nullptr;
    args.dy = dy.const_data_ptr();
    args.result = results.back().mutable_data_ptr();
    scratch.push_back(workspace(dense_weight_gradient_workspace_bytes(args)));
    args.workspace = scratch.back().mutable_data_ptr();
    products.push_back(args);
  }
  dense_weight_gradient(products);
  return results;
}

at::Tensor column_sums(const at::Tensor& y) {
  return weight_gradients({}, y.contiguous()).front().view({y.size(1)});
}

/// The products of x and several weights by one, where they share a vector.
variable_list joined_products(const at::Tensor& x, at::TensorList weights) {
  const at::Tensor joined = join_columns(weights);
  return split_columns(products_of(x, joined, joined.scalar_type()).front(), weights);
}

/// Inputs are x and the weights.
struct RowBlockProducts : torch::autograd::Function<RowBlockProducts> {
  static variable_list forward(AutogradContext* context,
                               at::TensorList inputs,
                               const std::vector<at::ScalarType>& types) {
    context->set_materialize_grads(false);
    variable_list saved;
    for (const at::Tensor& input : inputs) saved.push_back(input.contiguous());
    context->save_for_backward(saved);
    const at::TensorList weights = at::TensorList(saved).slice(1);
    const bool rounded = std::find(types.begin(), types.end(), at::kBFloat16) != types.end();
    return !rounded && share_a_vector(weights) ? joined_products(saved[0], weights)
                                               : products_of(saved[0], weights, types);
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    variable_list result(saved.size() + 1), dy, weights;  // none for the types
    std::vector<std::size_t> places;
    for (std::size_t k = 0; k < grads.size(); ++k) {
      if (!grads[k].defined())
        continue;
      dy.push_back(grads[k].contiguous());
      weights.push_back(saved[k + 1]);
      places.push_back(k + 1);
    }
    if (dy.empty())
      return result;
    const auto wanted = [&](std::size_t place) { return context->needs_input_grad(place); };
    if (share_a_vector(dy)) {
      dy = {join_columns(dy)};
      if (std::any_of(places.begin(), places.end(), wanted)) {
        const variable_list dw =
            split_columns(weight_gradients(saved[0], dy.front()).front(), weights);
        for (std::size_t k = 0; k < dw.size(); ++k) result[places[k]] = dw[k];
      }
      weights = {join_columns(weights)};
    } else {
      variable_list wanted_dy;
      std::vector<std::size_t> wanted_places;
      for (std::size_t k = 0; k < dy.size(); ++k) {
        if (!wanted(places[k]))
          continue;
        wanted_dy.push_back(dy[k]);
        wanted_places.push_back(places[k]);
      }
      if (!wanted_dy.empty()) {
        const variable_list dw = weight_gradients(saved[0], wanted_dy);
        for (std::size_t k = 0; k < dw.size(); ++k) result[wanted_places[k]] = dw[k];
      }
    }
    if (context->needs_input_grad(0))
      result[0] = input_gradient(saved[0], dy, weights);
    return result;
  }
};

struct AddToRows : torch::autograd::Function<AddToRows> {
  static at::Tensor forward(AutogradContext* /*context*/,
                            const at::Tensor& y,
                            const at::Tensor& b) {
    return y + b;
  }
  static variable_list backward(AutogradContext* context, variable_list grads) {
    return {grads[0], context->needs_input_grad(1) ? column_sums(grads[0]) : at::Tensor()};
  }
};

struct ScaleRows : torch::autograd::Function<ScaleRows> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& y, const at::Tensor& g) {
    context->save_for_backward({y, g});
    return y * g;
  }
  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    return {grads[0] * saved[1],
            context->needs_input_grad(1) ? column_sums(grads[0] * saved[0]) : at::Tensor()};
  }
};

struct ColumnMeans : torch::autograd::Function<ColumnMeans> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& y) {
    context->saved_data["rows"] = y.size(0);
    return column_sums(y) / y.size(0);
  }
  static variable_list backward(AutogradContext* context, variable_list grads) {
    const std::int64_t rows = context->saved_data["rows"].toInt();
    return {(grads[0] / rows).expand({rows, grads[0].size(0)})};
  }
};

}  // namespace

std::vector<at::Tensor> row_block_products(const at::Tensor& x,
                                           at::TensorList weights,
                                           at::ArrayRef<at::ScalarType> types) {
  std::vector<at::Tensor> inputs{x};
  for (const at::Tensor& w : weights) {
    REGATTA_CHECK(x.dim() == 2 && w.dim() == 2 && x.size(1) == w.size(0) &&
                      working_type(x.scalar_type()) == w.scalar_type(),
                  "product of x [{}] {} and w [{}] {}",
                  fmt::join(x.sizes(), ","),
                  c10::toString(x.scalar_type()),
                  fmt::join(w.sizes(), ","),
                  c10::toString(w.scalar_type()));
    inputs.push_back(w);
  }
  if (by_own_kernels(weights.front()))
    return RowBlockProducts::apply(at::TensorList(inputs), types.vec());
  std::vector<at::Tensor> results;
  for (std::size_t k = 0; k < weights.size(); ++k)
    results.push_back(torch::mm(x.to(weights[k].scalar_type()), weights[k]).to(types[k]));
  return results;
}

at::Tensor row_block_product(const at::Tensor& x, const at::Tensor& w) {
  return row_block_products(x, w, x.scalar_type()).front();
}

at::Tensor add_to_rows(const at::Tensor& y, const at::Tensor& b) {
  return by_own_kernels(y) ? AddToRows::apply(y, b) : y + b;
}

at::Tensor scale_rows(const at::Tensor& y, const at::Tensor& g) {
  return by_own_kernels(y) ? ScaleRows::apply(y, g) : y * g;
}

at::Tensor column_means(const at::Tensor& y) {
  return by_own_kernels(y) ? ColumnMeans::apply(y) : y.mean(0);
}

}  // namespace regatta
