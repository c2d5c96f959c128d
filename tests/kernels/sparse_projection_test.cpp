// The sparse product and its gradient: tables against the reference, the reference against
// differences.
#include "core/parallel.h"
#include "core/rng.h"
#include "kernels/attention_case.h"
#include "kernels/kernel_variants.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>

namespace regatta::test {
namespace {

PreparedSparse make_features(std::int64_t rows, std::int64_t columns, std::uint64_t per_row) {
  RandomStream stream(make_random_key(9, RandomPurpose::kSplit, 0, 0));
  std::vector<std::int64_t> ptr{0};
  std::vector<std::int32_t> column;
  std::vector<float> value;
  std::vector<std::int64_t> id;
  for (std::int64_t r = 0; r < rows; ++r) {
    // Every fifth row is empty, every seventh is full.
    const std::uint64_t keep_below =
        r % 5 == 0 ? 0 : (r % 7 == 0 ? static_cast<std::uint64_t>(columns) : per_row);
    for (std::int64_t c = 0; c < columns; ++c)
      if (stream.next_below(static_cast<std::uint64_t>(columns)) < keep_below) {
        column.push_back(static_cast<std::int32_t>(c));
        value.push_back(static_cast<float>(stream.next_normal()));
      }
    ptr.push_back(static_cast<std::int64_t>(column.size()));
    id.push_back((std::int64_t{1} << 34) + 11 * r);
  }
  return prepare_sparse(
      rows, columns, std::move(ptr), std::move(column), std::move(value), std::move(id));
}

struct Products {
  std::vector<double> out;
  std::vector<double> grad_weight;
};

/// Arrays of one product; the arguments point into them.
template <class T>
struct ProductArrays {
  std::vector<T> weight, grad_out, out, grad_weight;
  SparseProjectionArgs args;

  ProductArrays(const PreparedSparse& x, std::int64_t rows, std::int64_t width, double dropout) {
    const std::vector<double> weights = random_values(x.columns * width, 3);
    const std::vector<double> grads = random_values(rows * width, 4);
    weight.assign(weights.begin(), weights.end());
    grad_out.assign(grads.begin(), grads.end());
    out.assign(grad_out.size(), -1);
    grad_weight.assign(weight.size(), -1);
    args.dtype = sizeof(T) == 4 ? KernelType::kFloat32 : KernelType::kFloat64;
    args.rows = rows;
    args.columns = width;
    args.x = &x;
    args.input_dropout = {dropout, make_random_key(1, RandomPurpose::kInputDropout, 2, 0)};
    args.weight = weight.data();
    args.out = out.data();
    args.grad_out = grad_out.data();
    args.grad_weight = grad_weight.data();
  }
  Products results() const {
    return {{out.begin(), out.end()}, {grad_weight.begin(), grad_weight.end()}};
  }
};

template <class T>
Products run(const KernelTable& table,
             const PreparedSparse& x,
             std::int64_t rows,
             std::int64_t width,
             double dropout) {
  ProductArrays<T> arrays(x, rows, width, dropout);
  table.sparse_project(arrays.args);
  table.sparse_project_backward(arrays.args);
  return arrays.results();
}

/// The backward reads what the forward drew, under a key that would draw otherwise.
Products run_kept(const KernelTable& table, ProductArrays<float> arrays) {
  const PreparedSparse& x = *arrays.args.x;
  std::vector<std::uint8_t> kept(x.column.size(), 7);
  arrays.args.kept = kept.data();
  table.sparse_project(arrays.args);
  arrays.args.input_dropout.key = make_random_key(2, RandomPurpose::kInputDropout, 2, 0);
  table.sparse_project_backward(arrays.args);
  const auto used = static_cast<std::size_t>(x.row_ptr[static_cast<std::size_t>(arrays.args.rows)]);
  for (std::size_t e = 0; e < kept.size(); ++e) {
    EXPECT_TRUE(e < used ? kept[e] <= 1 : kept[e] == 7) << e;
  }
  return arrays.results();
}

/// Two products of one pass.
std::vector<Products> run_together(const KernelTable& table,
                                   const PreparedSparse& x,
                                   std::int64_t rows,
                                   const std::array<std::int64_t, 2>& widths,
                                   double dropout) {
  ProductArrays<float> first(x, rows, widths[0], dropout);
  ProductArrays<float> second(x, rows, widths[1], dropout);
  first.args.also = &second.args;
  table.sparse_project(first.args);
  table.sparse_project_backward(first.args);
  return {first.results(), second.results()};
}

template <class T>
void compare(const PreparedSparse& x, std::int64_t rows, std::int64_t width, double limit) {
  for (const double dropout : {0.0, 0.6}) {
    const Products expected = run<T>(reference_kernels(), x, rows, width, dropout);
    for (const KernelVariant& variant : kernel_variants()) {
      SCOPED_TRACE(variant.name + " width " + std::to_string(width) + " rows " +
                   std::to_string(rows));
      const TargetScope scope(variant.targets);
      const Products found = run<T>(*variant.table, x, rows, width, dropout);
      EXPECT_LE(relative_error(found.out, expected.out), limit);
      EXPECT_LE(relative_error(found.grad_weight, expected.grad_weight), limit);
    }
  }
}

TEST(SparseProjection, BackwardOfTheProcessorReadsWhatTheForwardDrew) {
  const PreparedSparse x = make_features(60, 203, 9);
  for (const KernelVariant& variant : kernel_variants()) {
    if (variant.table != &cpu_kernels())
      continue;
    const TargetScope scope(variant.targets);
    for (const std::int64_t rows : {60, 33}) {
      SCOPED_TRACE(variant.name + " rows " + std::to_string(rows));
      const Products drawn = run<float>(*variant.table, x, rows, 24, 0.6);
      const Products kept = run_kept(*variant.table, {x, rows, 24, 0.6});
      EXPECT_EQ(kept.out, drawn.out);
      EXPECT_EQ(kept.grad_weight, drawn.grad_weight);
    }
  }
}

TEST(SparseProjection, EqualsTheReference) {
  const PreparedSparse x = make_features(60, 203, 9);
  for (const std::int64_t width : {1, 3, 7, 8, 64, 250})
    for (const std::int64_t rows : {60, 33, 0}) {
      compare<float>(x, rows, width, 1e-5);
      compare<double>(x, rows, width, 1e-10);
    }
}

TEST(SparseProjection, ProductsOfOnePassEqualThoseOfTheirOwn) {
  const PreparedSparse x = make_features(60, 203, 9);
  for (const KernelVariant& variant : kernel_variants()) {
    SCOPED_TRACE(variant.name);
    const TargetScope scope(variant.targets);
    const Products wide = run<float>(*variant.table, x, 33, 70, 0.6);
    const Products narrow = run<float>(*variant.table, x, 33, 3, 0.6);
    const std::vector<Products> both = run_together(*variant.table, x, 33, {70, 3}, 0.6);
    EXPECT_EQ(both[0].out, wide.out);
    EXPECT_EQ(both[0].grad_weight, wide.grad_weight);
    EXPECT_EQ(both[1].out, narrow.out);
    EXPECT_EQ(both[1].grad_weight, narrow.grad_weight);
  }
}

TEST(SparseProjection, GradientIsTheTransposedProduct) {
  // <Y, dY> = <W, dW> for any linear map and its transpose.
  const PreparedSparse x = make_features(40, 50, 6);
  const Products products = run<double>(reference_kernels(), x, 40, 5, 0.5);
  const std::vector<double> weight = random_values(50 * 5, 3);
  const std::vector<double> grad_out = random_values(40 * 5, 4);
  double forward = 0;
  double backward = 0;
  for (std::size_t k = 0; k < grad_out.size(); ++k) forward += products.out[k] * grad_out[k];
  for (std::size_t k = 0; k < weight.size(); ++k) backward += products.grad_weight[k] * weight[k];
  EXPECT_NEAR(forward, backward, 1e-10 * std::abs(forward));
}

TEST(SparseProjection, ThreadsNeverChangeBits) {
  const PreparedSparse x = make_features(900, 300, 20);
  set_compute_threads(1);
  const Products expected = run<float>(cpu_kernels(), x, 900, 64, 0.6);
  for (const int threads : {2, 3}) {
    set_compute_threads(threads);
    const Products found = run<float>(cpu_kernels(), x, 900, 64, 0.6);
    EXPECT_EQ(found.out, expected.out);
    EXPECT_EQ(found.grad_weight, expected.grad_weight);
  }
  set_compute_threads(1);
}

}  // namespace
}  // namespace regatta::test
