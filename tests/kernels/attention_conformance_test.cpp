// Every table against the reference: kinds, types, dropouts, widths, heads and corners of graphs.
#include "kernels/attention_case.h"
#include "kernels/kernel_variants.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace regatta::test {
namespace {

struct Setting {
  AttentionKind kind;
  KernelType dtype;
  double attention_dropout;
  double message_dropout;
};

std::vector<Setting> settings() {
  std::vector<Setting> all;
  for (const auto kind : {AttentionKind::kGat, AttentionKind::kDot})
    for (const auto dtype : {KernelType::kFloat32, KernelType::kFloat64})
      for (const double attention : {0.0, 0.6})
        for (const double message : {0.0, 0.5}) all.push_back({kind, dtype, attention, message});
  return all;
}

CaseOptions options_of(const Setting& setting, std::int64_t heads, std::int64_t width) {
  return {setting.kind,
          setting.dtype,
          heads,
          width,
          setting.attention_dropout,
          setting.message_dropout};
}

void expect_close(const AttentionResult& found, const AttentionResult& expected, double limit) {
  EXPECT_LE(relative_error(found.out, expected.out), limit) << "out";
  EXPECT_LE(relative_error(found.logsumexp, expected.logsumexp), limit) << "logsumexp";
  EXPECT_LE(relative_error(found.correction, expected.correction), limit) << "correction";
  EXPECT_LE(relative_error(found.weights, expected.weights), limit) << "weights";
  EXPECT_LE(relative_error(found.grad_z, expected.grad_z), limit) << "grad_z";
  EXPECT_LE(relative_error(found.grad_s, expected.grad_s), limit) << "grad_source_logit";
  EXPECT_LE(relative_error(found.grad_t, expected.grad_t), limit) << "grad_destination_logit";
}

/// Both forms of GAT's backward, on all variants.
void compare(AttentionCase test, double limit) {
  for (const bool with_correction : {true, false}) {
    if (!with_correction && test.kind != AttentionKind::kGat)
      continue;
    test.with_correction = with_correction;
    const AttentionResult expected = run_table(reference_kernels(), test);
    for (const KernelVariant& variant : kernel_variants()) {
      SCOPED_TRACE(variant.name + ": " + test.name());
      const TargetScope scope(variant.targets);
      expect_close(run_table(*variant.table, test), expected, limit);
      EXPECT_LE(relative_error(run_forward(*variant.table, test), expected.out), limit);
    }
  }
}

class Conformance : public ::testing::TestWithParam<Setting> {
 protected:
  double limit() const { return GetParam().dtype == KernelType::kFloat32 ? 1e-5 : 1e-10; }
};

TEST_P(Conformance, AllWidthsAndHeads) {
  for (const std::int64_t width : {1, 3, 7, 8, 64, 250})
    for (const std::int64_t heads : {1, 2, 8, 16})
      compare(make_case(mixed_shape(), options_of(GetParam(), heads, width)), limit());
}

TEST_P(Conformance, CornersOfGraphs) {
  for (const GraphShape& shape :
       {chunks_shape(), single_node_shape(), no_edge_shape(), empty_shape()})
    for (const std::int64_t heads : {3, 17})
      compare(make_case(shape, options_of(GetParam(), heads, 5)), limit());
}

TEST_P(Conformance, Hub) {
  compare(make_case(hub_shape(), options_of(GetParam(), 2, 8)), limit());
}

TEST_P(Conformance, RowsArePrefix) {
  AttentionCase test = make_case(mixed_shape(), options_of(GetParam(), 8, 7));
  for (const std::int64_t rows : {0, 1, 2, 11, 23}) {
    test.rows = rows;
    compare(test, limit());
  }
}

TEST_P(Conformance, LogitsAtZeroTakeTheSlope) {
  AttentionCase test = make_case(mixed_shape(), options_of(GetParam(), 2, 8));
  std::fill(test.s.begin(), test.s.end(), 0.0);
  std::fill(test.t.begin(), test.t.end(), 0.0);
  compare(test, limit());
}

TEST_P(Conformance, LargeLogitsStayFinite) {
  AttentionCase test = make_case(chunks_shape(), options_of(GetParam(), 2, 4));
  for (double& s : test.s) s *= 300;
  if (test.kind == AttentionKind::kDot)
    for (double& z : test.z) z *= 16;
  // Logits of some hundreds carry their rounding into alpha, in fp32 a few 1e-5 each.
  compare(test, GetParam().dtype == KernelType::kFloat32 ? 1e-3 : 1e-10);
}

INSTANTIATE_TEST_SUITE_P(AllSettings,
                         Conformance,
                         ::testing::ValuesIn(settings()),
                         [](const auto& info) {
                           const Setting& setting = info.param;
                           return std::string(setting.kind == AttentionKind::kGat ? "gat" : "dot") +
                                  (setting.dtype == KernelType::kFloat32 ? "_float" : "_double") +
                                  (setting.attention_dropout > 0 ? "_attention" : "") +
                                  (setting.message_dropout > 0 ? "_message" : "");
                         });

TEST(EmptyRows, GiveZeroEverywhere) {
  for (const auto kind : {AttentionKind::kGat, AttentionKind::kDot}) {
    const AttentionCase test =
        make_case(no_edge_shape(), {kind, KernelType::kFloat32, 2, 3, 0.6, 0.6});
    const AttentionResult result = run_table(cpu_kernels(), test);
    for (const auto* values : {&result.out,
                               &result.logsumexp,
                               &result.correction,
                               &result.grad_z,
                               &result.grad_s,
                               &result.grad_t})
      for (const double value : *values) EXPECT_EQ(value, 0);
  }
}

TEST(NotANumber, ReachesTheRowsOfItsSource) {
  for (const auto kind : {AttentionKind::kGat, AttentionKind::kDot}) {
    AttentionCase test = make_case(mixed_shape(), {kind, KernelType::kFloat32, 1, 8, 0, 0});
    const std::int32_t source = test.graph.in.src[0];
    for (std::size_t d = 0; d < 8; ++d)
      test.z[static_cast<std::size_t>(source) * 8 + d] = std::numeric_limits<double>::quiet_NaN();
    EXPECT_TRUE(std::isnan(run_table(cpu_kernels(), test).out[0]));
  }
}

TEST(Dropout, KeepsTheExpectedShare) {
  // Equal logits: O is the mean of kept, rescaled messages of value 1, so its mean over rows is
  // near 1.
  GraphShape shape{"wide", 400, std::vector<std::int64_t>(400, 50)};
  AttentionCase test =
      make_case(shape, {AttentionKind::kGat, KernelType::kFloat32, 1, 4, 0.6, 0.3});
  std::fill(test.z.begin(), test.z.end(), 1.0);
  std::fill(test.s.begin(), test.s.end(), 0.0);
  double sum = 0;
  const std::vector<double> out = run_forward(cpu_kernels(), test);
  for (const double value : out) sum += value;
  EXPECT_NEAR(sum / static_cast<double>(out.size()), 1, 0.05);
}

}  // namespace
}  // namespace regatta::test
