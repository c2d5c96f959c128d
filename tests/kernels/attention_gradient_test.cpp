// The reference's backward against central differences of its forward, in double.
#include "kernels/attention_case.h"

#include <gtest/gtest.h>

#include <cmath>

namespace regatta::test {
namespace {

double inner(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t k = 0; k < a.size(); ++k) sum += a[k] * b[k];
  return sum;
}

double loss(const AttentionCase& test) {
  const Arrays result = run_table(reference_kernels(), test);
  double sum = inner(result.at(test.epilogue ? "y" : "out"), test.at("grad_out"));
  if (result.contains("edge_out"))
    sum += inner(result.at("edge_out"), test.at("grad_edge_out"));
  if (test.logsumexp_gradient)
    sum += inner(result.at("logsumexp"), test.at("grad_logsumexp"));
  return sum;
}

/// d loss / d values, where `values` is an array of `test`.
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

/// Every "grad.<array>" against the differences of <array>.
void compare(AttentionCase test) {
  SCOPED_TRACE(test.name());
  const Arrays result = run_table(reference_kernels(), test);
  for (const auto& [name, gradient] : result)
    if (name.starts_with("grad.")) {
      EXPECT_LE(relative_error(gradient, differences(test, test.at(name.substr(5)))), 1e-6) << name;
    }
}

class Gradient : public ::testing::TestWithParam<CaseOptions> {
 protected:
  static CaseOptions options(std::int64_t heads, std::int64_t width) {
    CaseOptions all = GetParam();
    all.heads = heads;
    all.width = width;
    return all;
  }
  static AttentionCase make(const CaseOptions& options) {
    return make_case({"small", 8, {3, 0, 5, 2, 9, 1}}, options, 5);
  }
};

TEST_P(Gradient, EqualsCentralDifferences) {
  for (const double dropout : {0.0, 0.4})
    for (const std::int64_t width : {1, 3}) {
      CaseOptions all = options(2, width);
      all.attention_dropout = all.message_dropout = dropout;
      compare(make(all));
    }
}

TEST_P(Gradient, OfEdgeTermsAndLogsumexp) {
  CaseOptions all = options(2, 3);
  all.edge_logit = all.logsumexp_gradient = true;
  all.edge_features = all.kind == AttentionKind::kGat || all.shared ? 0 : 2;
  if (all.kind == AttentionKind::kDot)
    all.edge_features = 2;
  all.attention_dropout = 0.4;
  compare(make(all));
}

TEST_P(Gradient, ThroughEveryActivation) {
  for (const auto activation : {FusedActivation::kNone,
                                FusedActivation::kElu,
                                FusedActivation::kRelu,
                                FusedActivation::kLeakyRelu,
                                FusedActivation::kTanh,
                                FusedActivation::kSigmoid}) {
    CaseOptions all = options(2, 3);
    all.epilogue = true;
    all.activation = activation;
    compare(make(all));
  }
}

TEST_P(Gradient, OfMoreRowsThanSources) {
  if (GetParam().kind == AttentionKind::kDot && GetParam().shared)
    return;  // one table in all roles has rows among its nodes
  compare(make_case(bipartite_shape(), options(2, 3), 5));
}

TEST(Scores, SharedByHeadsHaveExactGradients) {
  CaseOptions all = all_kinds()[2];
  all.heads = 4;
  all.width = 2;
  all.score_heads = 1;
  all.score_width = 5;
  all.attention_dropout = 0.4;
  all.edge_logit = all.logsumexp_gradient = true;
  all.edge_features = 2;
  compare(make_case({"small", 8, {3, 0, 5, 2, 9, 1}}, all, 5));
}

INSTANTIATE_TEST_SUITE_P(Kinds, Gradient, ::testing::ValuesIn(all_kinds()), [](const auto& info) {
  return kind_name(info.param);
});

TEST(Weights, OfARowSumToOne) {
  const AttentionCase test =
      make_case(mixed_shape(), {AttentionKind::kDot, KernelType::kFloat64, 2, 3, 0.5, 0});
  const Arrays result = run_table(cpu_kernels(), test);
  for (std::size_t i = 0; i < static_cast<std::size_t>(test.rows); ++i)
    for (std::size_t h = 0; h < 2; ++h) {
      const auto begin = static_cast<std::size_t>(test.graph.in.indptr[i]);
      const auto end = static_cast<std::size_t>(test.graph.in.indptr[i + 1]);
      double sum = 0;
      for (std::size_t e = begin; e < end; ++e) sum += result.at("weights")[e * 2 + h];
      EXPECT_NEAR(sum, begin == end ? 0 : 1, 1e-12);
    }
}

}  // namespace
}  // namespace regatta::test
