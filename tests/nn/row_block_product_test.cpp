// Products and row sums against LibTorch in fp64, gradients against autograd's own, and equal bits
// for any number of threads and instruction set with fused multiply-add.
#include "nn/row_block_product.h"

#include "core/amx.h"
#include "core/parallel.h"
#include "kernels/kernel_variants.h"

#include <torch/autograd.h>
#include <torch/types.h>

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace regatta {
namespace {

using test::kernel_variants;
using test::KernelVariant;
using test::TargetScope;

struct Sizes {
  std::int64_t rows, inner, columns;
};

std::vector<Sizes> sizes() {
  return {{0, 3, 5},
          {1, 1, 1},
          {5, 3, 7},
          {13, 17, 16},
          {241, 8, 33},
          {513, 64, 7},
          {700, 257, 64},
          {1030, 30, 250},
          {333, 64, 96},
          {1000, 128, 264},
          {2708, 1433, 9},
          {33000, 5, 3}};
}

/// Those of kernels, and the widest vectors without AMX.
std::vector<KernelVariant> product_variants() {
  std::vector<KernelVariant> variants = kernel_variants();
  variants.push_back({"cpu, without AMX", nullptr, -1});
  return variants;
}

at::Tensor random(at::IntArrayRef shape, at::ScalarType type) {
  return torch::randn(shape, torch::TensorOptions(type));
}

double relative_error(const at::Tensor& found, const at::Tensor& expected) {
  const at::Tensor exact = expected.to(torch::kDouble);
  const double size = exact.norm().item<double>();
  const double error = (found.to(torch::kDouble) - exact).norm().item<double>();
  return size > 0 ? error / size : error;
}

/// y and the gradients of <y, g> for inputs a and b.
struct Results {
  at::Tensor y, da, db;
};

template <class Function>
Results run(const Function& function,
            const at::Tensor& a,
            const at::Tensor& b,
            const at::Tensor& g) {
  const at::Tensor x = a.detach().clone().requires_grad_(), w = b.detach().clone().requires_grad_();
  const at::Tensor y = function(x, w);
  y.backward(g.to(y.scalar_type()));
  return {y.detach(), x.grad(), w.grad()};
}

void expect_close(const Results& found, const Results& expected, at::ScalarType type) {
  const double limit = type == torch::kDouble ? 1e-13 : 2e-6;
  EXPECT_LE(relative_error(found.y, expected.y), limit);
  EXPECT_LE(relative_error(found.da, expected.da), limit);
  EXPECT_LE(relative_error(found.db, expected.db), limit);
}

void expect_equal(const Results& found, const Results& expected) {
  EXPECT_TRUE(torch::equal(found.y, expected.y));
  EXPECT_TRUE(torch::equal(found.da, expected.da));
  EXPECT_TRUE(torch::equal(found.db, expected.db));
}

TEST(RowBlockProduct, EqualsLibTorchInDoublePrecision) {
  torch::manual_seed(1);
  for (const auto type : {torch::kFloat, torch::kDouble}) {
    for (const Sizes& s : sizes()) {
      const at::Tensor x = random({s.rows, s.inner}, type), w = random({s.inner, s.columns}, type);
      const at::Tensor g = random({s.rows, s.columns}, type);
      const Results expected = run([](const auto& a, const auto& b) { return torch::mm(a, b); },
                                   x.to(torch::kDouble),
                                   w.to(torch::kDouble),
                                   g);
      for (const KernelVariant& variant : product_variants()) {
        SCOPED_TRACE(variant.name + " " + std::to_string(s.rows) + "x" + std::to_string(s.inner) +
                     "x" + std::to_string(s.columns));
        const TargetScope scope(variant.targets);
        expect_close(run(&row_block_product, x, w, g), expected, type);
      }
    }
  }
}

TEST(RowBlockProducts, EqualOneProductEach) {
  torch::manual_seed(3);
  const at::Tensor x = random({700, 300}, torch::kFloat);
  const at::Tensor g = random({700, 64 + 3 + 9}, torch::kFloat);
  const std::vector<at::Tensor> w{random({300, 64}, torch::kFloat),
                                  random({300, 3}, torch::kFloat),
                                  random({300, 9}, torch::kFloat)};
  const std::vector<at::ScalarType> types(3, torch::kFloat);
  const auto together = [&](const auto& a, const auto& b) {
    return torch::cat(row_block_products(a, b.split_with_sizes({64, 3, 9}, 1), types), 1);
  };
  const auto joined = [](const auto& a, const auto& b) { return torch::mm(a, b); };
  const at::Tensor all = torch::cat(w, 1);
  expect_close(run(together, x, all, g),
               run(joined, x.to(torch::kDouble), all.to(torch::kDouble), g),
               torch::kFloat);
  // Not every product need be used.
  const at::Tensor leaf = x.clone().requires_grad_();
  row_block_products(leaf, w, types)[1].sum().backward();
  EXPECT_LE(relative_error(leaf.grad(), w[1].sum(1).expand({700, 300})), 1e-6);
}

/// As gat has them: with AMX both go by tiles, the narrow one because x is packed anyway.
TEST(RowBlockProducts, WideAndNarrowTogether) {
  torch::manual_seed(8);
  const at::Tensor x = random({1500, 128}, torch::kFloat), g = random({1500, 264}, torch::kFloat);
  const std::vector<at::ScalarType> types(2, torch::kFloat);
  const auto together = [&](const auto& a, const auto& b) {
    return torch::cat(row_block_products(a, b.split_with_sizes({256, 8}, 1), types), 1);
  };
  const at::Tensor w = random({128, 264}, torch::kFloat);
  const Results expected = run([](const auto& a, const auto& b) { return torch::mm(a, b); },
                               x.to(torch::kDouble),
                               w.to(torch::kDouble),
                               g);
  for (const KernelVariant& variant : product_variants()) {
    SCOPED_TRACE(variant.name);
    const TargetScope scope(variant.targets);
    expect_close(run(together, x, w, g), expected, torch::kFloat);
  }
}

TEST(RowBlockProduct, SumsOfBf16PartsAreAsExactAsFloats) {
  if (!amx_available())
    GTEST_SKIP() << "this processor has no AMX";
  torch::manual_seed(9);
  const at::Tensor x = random({2000, 256}, torch::kFloat), w = random({256, 128}, torch::kFloat);
  const at::Tensor g = random({2000, 128}, torch::kFloat);
  const Results exact = run([](const auto& a, const auto& b) { return torch::mm(a, b); },
                            x.to(torch::kDouble),
                            w.to(torch::kDouble),
                            g);
  const Results by_tiles = run(&row_block_product, x, w, g);
  const TargetScope vectors(-1);
  const Results by_vectors = run(&row_block_product, x, w, g);
  EXPECT_FALSE(torch::equal(by_tiles.y, by_vectors.y)) << "tiles were not taken";
  EXPECT_LE(relative_error(by_tiles.y, exact.y), relative_error(by_vectors.y, exact.y));
  EXPECT_LE(relative_error(by_tiles.da, exact.da), relative_error(by_vectors.da, exact.da));
  EXPECT_LE(relative_error(by_tiles.db, exact.db), relative_error(by_vectors.db, exact.db));
}

/// What is no number stays none and spreads to its own row alone; the largest floats, which bf16
/// cannot round to nearest, stay finite.
TEST(RowBlockProduct, ExtremesStayWhatTheyAre) {
  torch::manual_seed(10);
  const at::Tensor w = random({64, 96}, torch::kFloat).abs() * 0.001;
  const at::Tensor clean = random({100, 64}, torch::kFloat);
  at::Tensor x = clean.clone();
  x[3][5] = std::numeric_limits<float>::infinity();
  x[7][40] = std::numeric_limits<float>::quiet_NaN();
  x[9][11] = std::numeric_limits<float>::max();
  x[20][0] = std::numeric_limits<float>::min();
  const at::Tensor exact = torch::mm(x.to(torch::kDouble), w.to(torch::kDouble));
  for (const KernelVariant& variant : product_variants()) {
    SCOPED_TRACE(variant.name);
    const TargetScope scope(variant.targets);
    const at::Tensor y = row_block_product(x, w);
    EXPECT_TRUE(torch::equal(torch::isfinite(y), torch::isfinite(exact)));
    EXPECT_LE(relative_error(y[9], exact[9]), 1e-6);
    EXPECT_LE(relative_error(y.slice(0, 20), exact.slice(0, 20)), 1e-6);
  }
}

/// Columns that share a vector are multiplied together.
TEST(RowBlockProducts, NarrowOnesAreWhatEachIsAlone) {
  torch::manual_seed(7);
  for (const auto type : {torch::kFloat, torch::kDouble}) {
    const at::Tensor x = random({2708, 64}, type), g = random({2708, 6}, type);
    const std::vector<at::Tensor> w{random({64, 4}, type), random({64, 2}, type)};
    const std::vector<at::ScalarType> types(2, type);
    const auto parts = row_block_products(x, w, types);
    EXPECT_TRUE(torch::equal(parts[0], row_block_product(x, w[0])));
    EXPECT_TRUE(torch::equal(parts[1], row_block_product(x, w[1])));
    const auto together = [&](const auto& a, const auto& b) {
      return torch::cat(row_block_products(a, b.split_with_sizes({4, 2}, 1), types), 1);
    };
    const at::Tensor all = torch::cat(w, 1);
    expect_close(run(together, x, all, g),
                 run([](const auto& a, const auto& b) { return torch::mm(a, b); },
                     x.to(torch::kDouble),
                     all.to(torch::kDouble),
                     g),
                 type);
    const at::Tensor leaf = w[1].clone().requires_grad_();
    row_block_products(x, {w[0], leaf}, types)[1].sum().backward();
    EXPECT_LE(relative_error(leaf.grad(), x.to(torch::kDouble).sum(0).unsqueeze(1).expand({64, 2})),
              type == torch::kDouble ? 1e-13 : 2e-6);
  }
}

TEST(RowBlockProducts, NarrowRowsAreRoundedOnce) {
  constexpr double kRounding = 4e-3, kFloat = 2e-6;
  torch::manual_seed(5);
  for (const Sizes& s : sizes()) {
    const at::Tensor x = random({s.rows, s.inner}, torch::kFloat).to(torch::kBFloat16);
    const at::Tensor g = random({s.rows, s.columns}, torch::kFloat).to(torch::kBFloat16);
    const at::Tensor w = random({s.inner, s.columns}, torch::kFloat);
    const Results exact = run([](const auto& a, const auto& b) { return torch::mm(a, b); },
                              x.to(torch::kDouble),
                              w.to(torch::kDouble),
                              g);
    for (const auto type : {torch::kBFloat16, torch::kFloat}) {
      const Results found =
          run([&](const auto& a, const auto& b) { return row_block_products(a, b, type).front(); },
              x,
              w,
              g);
      EXPECT_EQ(found.y.scalar_type(), type);
      EXPECT_EQ(found.da.scalar_type(), torch::kBFloat16);
      EXPECT_LE(relative_error(found.y, exact.y), type == torch::kFloat ? kFloat : kRounding);
      EXPECT_LE(relative_error(found.da, exact.da), kRounding);
      EXPECT_LE(relative_error(found.db, exact.db), kFloat);
    }
  }
}

TEST(RowBlockProduct, ViewsAreTakenAsTheyAre) {
  torch::manual_seed(2);
  const at::Tensor x = random({40, 30}, torch::kFloat).t(), w = random({7, 40}, torch::kFloat).t();
  EXPECT_LE(relative_error(row_block_product(x, w), torch::mm(x, w)), 1e-6);
  EXPECT_LE(
      relative_error(row_block_product(x.narrow(0, 3, 9), w), torch::mm(x, w).narrow(0, 3, 9)),
      1e-6);
}

TEST(RowBlockProduct, AnEmptyInnerWidthGivesZeros) {
  const at::Tensor y = row_block_product(torch::empty({4, 0}), torch::empty({0, 3}));
  EXPECT_TRUE(torch::equal(y, torch::zeros({4, 3})));
}

at::Tensor scaled_means(const at::Tensor& y, const at::Tensor& row) {
  return column_means(y) * row;
}

TEST(RowSums, EqualLibTorch) {
  torch::manual_seed(3);
  const auto plus = [](const at::Tensor& a, const at::Tensor& b) { return a + b; };
  const auto times = [](const at::Tensor& a, const at::Tensor& b) { return a * b; };
  const auto means = [](const at::Tensor& a, const at::Tensor& b) { return a.mean(0) * b; };
  for (const std::int64_t rows : {1, 511, 5000}) {
    const at::Tensor y = random({rows, 33}, torch::kDouble), g = random({rows, 33}, torch::kDouble);
    const at::Tensor row = random({33}, torch::kDouble);
    expect_close(run(&add_to_rows, y, row, g), run(plus, y, row, g), torch::kDouble);
    expect_close(run(&scale_rows, y, row, g), run(times, y, row, g), torch::kDouble);
    expect_close(run(&scaled_means, y, row, row), run(means, y, row, row), torch::kDouble);
  }
}

TEST(RowBlockProduct, ThreadsNeverChangeBits) {
  torch::manual_seed(4);
  for (const Sizes& s : std::vector<Sizes>{{2708, 64, 56}, {40000, 20, 24}, {9000, 96, 128}}) {
    const at::Tensor x = random({s.rows, s.inner}, torch::kFloat);
    const at::Tensor w = random({s.inner, s.columns}, torch::kFloat);
    const at::Tensor g = random({s.rows, s.columns}, torch::kFloat);
    const at::Tensor row = random({s.columns}, torch::kFloat);
    set_compute_threads(1);
    const Results product = run(&row_block_product, x, w, g);
    const Results sum = run(&add_to_rows, g, row, g);
    const Results mean = run(&scaled_means, g, row, row);
    for (const int threads : {1, 2, 3, 5}) {
      set_compute_threads(threads);
      at::set_num_threads(threads);
      expect_equal(run(&row_block_product, x, w, g), product);
      // Nor do the rows that are multiplied with a row.
      EXPECT_TRUE(
          torch::equal(row_block_product(x.slice(0, 77, 1001), w), product.y.slice(0, 77, 1001)));
      expect_equal(run(&add_to_rows, g, row, g), sum);
      expect_equal(run(&scaled_means, g, row, row), mean);
    }
    set_compute_threads(1);
    at::set_num_threads(1);
  }
}

}  // namespace
}  // namespace regatta
