// Every table against the reference: kinds, types, dropouts, widths, heads and corners of graphs.
#include "kernels/kernel_variants.h"
#include "kernels/table_comparison.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace regatta::test {
namespace {

struct Setting {
  CaseOptions kind;
  KernelType dtype;
  double attention_dropout;
  double message_dropout;
};

std::vector<Setting> settings() {
  std::vector<Setting> all;
  for (const CaseOptions& kind : all_kinds())
    for (const auto dtype : {KernelType::kFloat32, KernelType::kFloat64, KernelType::kBFloat16})
      for (const double attention : {0.0, 0.6})
        for (const double message : {0.0, 0.5}) all.push_back({kind, dtype, attention, message});
  return all;
}

CaseOptions options_of(const Setting& setting, std::int64_t heads, std::int64_t width) {
  CaseOptions options = setting.kind;
  options.dtype = setting.dtype;
  options.heads = heads;
  options.width = width;
  options.attention_dropout = setting.attention_dropout;
  options.message_dropout = setting.message_dropout;
  return options;
}

/// Both forms of GAT's backward, on all variants.
void compare(AttentionCase test, double limit) {
  for (const bool with_correction : {true, false}) {
    if (!with_correction && test.kind != AttentionKind::kGat)
      continue;
    test.with_correction = with_correction;
    const Arrays expected = run_table(reference_kernels(), test);
    const Arrays expected_forward = run_forward(reference_kernels(), test);
    for (const KernelVariant& variant : kernel_variants()) {
      SCOPED_TRACE(variant.name + ": " + test.name());
      const TargetScope scope(variant.targets);
      expect_close(run_table(*variant.table, test), expected, test, limit);
      expect_close(run_forward(*variant.table, test), expected_forward, test, limit);
    }
  }
}

class Conformance : public ::testing::TestWithParam<Setting> {
 protected:
  double limit() const { return error_limit(options_of(GetParam(), 1, 1)); }
};

TEST_P(Conformance, AllWidthsAndHeads) {
  for (const std::int64_t width : {1, 3, 7, 8, 64, 250})
    for (const std::int64_t heads : {1, 2, 3, 4, 8, 16})
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
    set_rows(test, rows);
    compare(test, limit());
  }
}

TEST_P(Conformance, MoreRowsThanSources) {
  if (GetParam().kind.kind == AttentionKind::kDot && GetParam().kind.shared)
    return;  // one table in all roles has rows among its nodes
  compare(make_case(bipartite_shape(), options_of(GetParam(), 2, 7)), limit());
}

TEST_P(Conformance, TermsOfEdges) {
  for (const std::int64_t features : {0, 1, 5})
    for (const std::int64_t heads : {1, 8}) {
      CaseOptions options = options_of(GetParam(), heads, 7);
      options.edge_logit = features != 1;
      options.edge_features = options.kind == AttentionKind::kGat ? 0 : features;
      compare(make_case(mixed_shape(), options), limit());
      compare(make_case(chunks_shape(), options), limit());
    }
}

TEST_P(Conformance, EpilogueAndGradientOfLogsumexp) {
  for (const auto activation :
       {FusedActivation::kNone, FusedActivation::kElu, FusedActivation::kSigmoid})
    for (const std::int64_t width : {3, 16}) {
      CaseOptions options = options_of(GetParam(), 4, width);
      options.epilogue = true;
      options.activation = activation;
      options.logsumexp_gradient = activation == FusedActivation::kElu;
      AttentionCase test = make_case(mixed_shape(), options);
      compare(test, limit());
      test.arrays.erase("residual");
      compare(test, limit());
    }
}

TEST_P(Conformance, ScoresSharedByHeads) {
  if (kind_name(GetParam().kind) != "transformer")
    return;  // scores of their own belong to tables of their own
  for (const std::int64_t score_heads : {1, 4})
    for (const std::int64_t score_width : {1, 19}) {
      CaseOptions options = options_of(GetParam(), 4, 6);
      options.score_heads = score_heads;
      options.score_width = score_width;
      options.edge_logit = true;
      compare(make_case(mixed_shape(), options), limit());
    }
}

TEST_P(Conformance, LogitsAtZeroTakeTheSlope) {
  if (GetParam().kind.kind != AttentionKind::kGat)
    return;  // of gat
  AttentionCase test = make_case(mixed_shape(), options_of(GetParam(), 2, 8));
  for (double& s : test.at("s")) s = 0;
  for (double& t : test.at("t")) t = 0;
  compare(test, limit());
}

TEST_P(Conformance, AnySlope) {
  if (GetParam().kind.kind == AttentionKind::kDot)
    return;  // has none
  for (const double slope : {0.0, 1.0, 1.5})
    for (const std::int64_t width : {8, 64}) {
      AttentionCase test = make_case(mixed_shape(), options_of(GetParam(), 2, width));
      test.negative_slope = slope;
      compare(test, limit());
    }
}

TEST_P(Conformance, LargeLogitsStayFinite) {
  AttentionCase test = make_case(chunks_shape(), options_of(GetParam(), 2, 4));
  if (test.kind == AttentionKind::kGat)
    for (double& s : test.at("s")) s *= 300;
  else
    for (double& z : test.at("value")) z *= 16;
  if (kind_name(test) == "transformer")
    for (double& k : test.at("key")) k *= 100;
  // Logits of some hundreds carry their rounding into alpha, in fp32 a few 1e-5 each.
  compare(test, GetParam().dtype == KernelType::kFloat32 ? 1e-3 : limit());
}

INSTANTIATE_TEST_SUITE_P(AllSettings,
                         Conformance,
                         ::testing::ValuesIn(settings()),
                         [](const auto& info) {
                           const Setting& setting = info.param;
                           return kind_name(setting.kind) + "_" + type_name(setting.dtype) +
                                  (setting.attention_dropout > 0 ? "_attention" : "") +
                                  (setting.message_dropout > 0 ? "_message" : "");
                         });

TEST(EmptyRows, GiveZeroEverywhere) {
  for (CaseOptions options : all_kinds()) {
    options.dtype = KernelType::kFloat32;
    options.heads = 2;
    options.width = 3;
    options.attention_dropout = options.message_dropout = 0.6;
    for (const auto& [name, values] : run_table(cpu_kernels(), make_case(no_edge_shape(), options)))
      for (const double value : values) EXPECT_EQ(value, 0) << name;
  }
}

TEST(NotANumber, ReachesTheRowsOfItsSource) {
  for (CaseOptions options : all_kinds()) {
    options.dtype = KernelType::kFloat32;
    options.width = 8;
    AttentionCase test = make_case(mixed_shape(), options);
    const std::int32_t source = test.graph.in.src[0];
    for (std::size_t d = 0; d < 8; ++d)
      test.at("value")[static_cast<std::size_t>(source) * 8 + d] =
          std::numeric_limits<double>::quiet_NaN();
    EXPECT_TRUE(std::isnan(run_table(cpu_kernels(), test).at("out")[0])) << kind_name(options);
  }
}

TEST(Dropout, KeepsTheExpectedShare) {
  // Equal logits: O is the mean of kept, rescaled messages of value 1, so its mean over rows is
  // near 1.
  GraphShape shape{"wide", 400, std::vector<std::int64_t>(400, 50)};
  AttentionCase test =
      make_case(shape, {AttentionKind::kGat, KernelType::kFloat32, 1, 4, 0.6, 0.3});
  for (double& z : test.at("value")) z = 1;
  for (double& s : test.at("s")) s = 0;
  double sum = 0;
  const std::vector<double> out = run_forward(cpu_kernels(), test).at("out");
  for (const double value : out) sum += value;
  EXPECT_NEAR(sum / static_cast<double>(out.size()), 1, 0.05);
}

}  // namespace
}  // namespace regatta::test
