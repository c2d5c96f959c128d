// Reference sparse x dense product, its gradient, and the table of reference kernels.
#include "kernels/attention_checks.h"
#include "kernels/feature_dropout.h"
#include "kernels/reference/edge_math.h"
#include "kernels/reference/reference_attention.h"

#include <vector>

namespace regatta {
namespace reference {
namespace {

/// Value of one stored entry after input dropout.
double entry_value(const SparseProjectionArgs& args, std::int64_t row, std::size_t entry) {
  const double value = static_cast<double>(args.x->value[entry]);
  if (args.input_dropout.probability == 0)
    return value;
  return value *
         dropout_factor(args.input_dropout, args.x->global_id[index(row)], args.x->column[entry]);
}

template <class T>
void project_typed(const SparseProjectionArgs& args) {
  const auto* weight = static_cast<const T*>(args.weight);
  auto* out = static_cast<T*>(args.out);
  std::vector<double> sum(index(args.columns));
  for (std::int64_t row = 0; row < args.rows; ++row) {
    sum.assign(sum.size(), 0);
    for (auto k = index(args.x->row_ptr[index(row)]); k < index(args.x->row_ptr[index(row) + 1]);
         ++k) {
      const double value = entry_value(args, row, k);
      for (std::int64_t c = 0; c < args.columns; ++c)
        sum[index(c)] += value * static_cast<double>(weight[args.x->column[k] * args.columns + c]);
    }
    for (std::int64_t c = 0; c < args.columns; ++c)
      out[row * args.columns + c] = static_cast<T>(sum[index(c)]);
  }
}

template <class T>
void project_backward_typed(const SparseProjectionArgs& args) {
  const auto* grad_out = static_cast<const T*>(args.grad_out);
  std::vector<double> sum(index(args.x->columns * args.columns), 0.0);
  for (std::int64_t row = 0; row < args.rows; ++row)
    for (auto k = index(args.x->row_ptr[index(row)]); k < index(args.x->row_ptr[index(row) + 1]);
         ++k) {
      const double value = entry_value(args, row, k);
      for (std::int64_t c = 0; c < args.columns; ++c)
        sum[index(args.x->column[k] * args.columns + c)] +=
            value * static_cast<double>(grad_out[row * args.columns + c]);
    }
  for (std::size_t k = 0; k < sum.size(); ++k)
    static_cast<Working<T>*>(args.grad_weight)[k] = static_cast<Working<T>>(sum[k]);
}

}  // namespace

void sparse_project(const SparseProjectionArgs& args) {
  check_sparse_projection(args, false);
  with_storage(args.dtype, [&]<class T>(T) {
    for (const auto* each = &args; each != nullptr; each = each->also) project_typed<T>(*each);
  });
}

void sparse_project_backward(const SparseProjectionArgs& args) {
  check_sparse_projection(args, true);
  with_storage(args.dtype, [&]<class T>(T) {
    for (const auto* each = &args; each != nullptr; each = each->also)
      project_backward_typed<T>(*each);
  });
}

}  // namespace reference

const KernelTable& reference_kernels() {
  static const KernelTable table = {
      "reference",
      [](const AttentionForwardArgs&) -> std::size_t { return 0; },
      [](const AttentionBackwardArgs&) -> std::size_t { return 0; },
      reference::forward,
      reference::backward,
      reference::weights,
      reference::sparse_project,
      reference::sparse_project_backward,
      feature_dropout,
  };
  return table;
}

}  // namespace regatta
