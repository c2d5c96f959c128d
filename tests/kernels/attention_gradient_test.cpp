// The reference's backward against central differences of its forward, in double.
#include "kernels/attention_case.h"

#include <gtest/gtest.h>

#include <cmath>

namespace regatta::test {
namespace {

double loss(const AttentionCase& test) {
  const std::vector<double> out = run_forward(reference_kernels(), test);
  double sum = 0;
  for (std::size_t k = 0; k < out.size(); ++k) sum += out[k] * test.grad_out[k];
  return sum;
}

/// d loss / d values, where `values` is a member of `test`.
std::vector<double> differences(AttentionCase& test, std::vector<double>& values) {
  constexpr double kStep = 1e-6;
  std::vector<double> gradient(values.size());
  for (std::size_t k = 0; k < values.size(); ++k) {
    const double kept = values[k];
    values[k] = kept + kStep;
    const double above = loss(test);
    values[k] = kept - kStep;
    gradient[k] = (above - loss(test)) / (2 * kStep);
    values[k] = kept;
  }
  return gradient;
}

class Gradient : public ::testing::TestWithParam<AttentionKind> {
 protected:
  static AttentionCase make(std::int64_t heads, std::int64_t width, double dropout) {
    GraphShape shape{"small", 8, {3, 0, 5, 2, 9, 1}};
    return make_case(shape, {GetParam(), KernelType::kFloat64, heads, width, dropout, dropout}, 5);
  }
};

TEST_P(Gradient, EqualsCentralDifferences) {
  for (const double dropout : {0.0, 0.4})
    for (const std::int64_t width : {1, 3}) {
      AttentionCase test = make(2, width, dropout);
      SCOPED_TRACE(test.name());
      const AttentionResult result = run_table(reference_kernels(), test);
      EXPECT_LE(relative_error(result.grad_z, differences(test, test.z)), 1e-6);
      if (GetParam() != AttentionKind::kGat)
        continue;
      EXPECT_LE(relative_error(result.grad_s, differences(test, test.s)), 1e-6);
      EXPECT_LE(relative_error(result.grad_t, differences(test, test.t)), 1e-6);
    }
}

INSTANTIATE_TEST_SUITE_P(Kinds,
                         Gradient,
                         ::testing::Values(AttentionKind::kGat, AttentionKind::kDot),
                         [](const auto& info) {
                           return info.param == AttentionKind::kGat ? "gat" : "dot";
                         });

TEST(Weights, OfARowSumToOne) {
  const AttentionCase test =
      make_case(mixed_shape(), {AttentionKind::kDot, KernelType::kFloat64, 2, 3, 0.5, 0});
  const AttentionResult result = run_table(cpu_kernels(), test);
  for (std::size_t i = 0; i < static_cast<std::size_t>(test.rows); ++i)
    for (std::size_t h = 0; h < 2; ++h) {
      const auto begin = static_cast<std::size_t>(test.graph.in.indptr[i]);
      const auto end = static_cast<std::size_t>(test.graph.in.indptr[i + 1]);
      double sum = 0;
      for (std::size_t e = begin; e < end; ++e) sum += result.weights[e * 2 + h];
      EXPECT_NEAR(sum, begin == end ? 0 : 1, 1e-12);
    }
}

}  // namespace
}  // namespace regatta::test
