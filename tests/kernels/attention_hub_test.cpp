// Rows and sources of 10^5 edges, whose passes are cut in parts: conformance, and equal bits for
// any number of threads.
#include "core/parallel.h"
#include "kernels/kernel_variants.h"
#include "kernels/table_comparison.h"

#include <gtest/gtest.h>

namespace regatta::test {
namespace {

GraphShape in_star() {
  GraphShape shape{"in_star", 500, std::vector<std::int64_t>(200, 2)};
  shape.degrees[17] = 100'000;
  return shape;
}

/// Source 0 has every second edge.
GraphShape out_star() {
  GraphShape shape{"out_star", 25'000, std::vector<std::int64_t>(25'000, 8)};
  shape.low_sources = 1;
  return shape;
}

/// Rows at the length where parts begin and beyond, and a source that is a hub too.
GraphShape both_stars() {
  GraphShape shape{"both_stars", 300, std::vector<std::int64_t>(250, 3)};
  shape.degrees[3] = 3 * 16'384 + 5;
  shape.degrees[4] = 16'385;
  shape.degrees[249] = 16'384;
  shape.low_sources = 1;
  return shape;
}

class Hubs : public ::testing::TestWithParam<KindAndType> {
 protected:
  void TearDown() override { set_compute_threads(1); }

  CaseOptions options(std::int64_t heads, std::int64_t width) const {
    CaseOptions options = GetParam().kind;
    options.dtype = GetParam().dtype;
    options.heads = heads;
    options.width = width;
    return options;
  }

  /// Against the reference on every instruction set, and the bits of several runs on the best.
  static void check(const AttentionCase& test) {
    SCOPED_TRACE(test.name());
    const Arrays expected = run_table(reference_kernels(), test);
    for (const KernelVariant& variant : kernel_variants()) {
      SCOPED_TRACE(variant.name);
      const TargetScope scope(variant.targets);
      set_compute_threads(1);
      const Arrays found = run_table(*variant.table, test);
      expect_close(found, expected, test, hub_error_limit(test));
      if (variant.targets != 0)
        continue;
      for (const int threads : {2, 3, 1}) {
        set_compute_threads(threads);
        EXPECT_TRUE(same_bits(run_table(*variant.table, test), found)) << threads << " threads";
      }
    }
  }
};

TEST_P(Hubs, InEdges) {
  CaseOptions dropped = options(2, 7);
  dropped.attention_dropout = 0.6;
  dropped.message_dropout = 0.5;
  check(make_case(in_star(), dropped));
}

TEST_P(Hubs, OutEdges) {
  check(make_case(out_star(), options(1, 4)));
}

TEST_P(Hubs, RowsArePrefix) {
  AttentionCase test = make_case(both_stars(), options(5, 3));
  set_rows(test, 240);
  check(test);
}

TEST_P(Hubs, TermsOfEdges) {
  CaseOptions terms = options(3, 5);
  terms.attention_dropout = 0.3;
  terms.edge_logit = terms.epilogue = terms.logsumexp_gradient = true;
  terms.edge_features = terms.kind == AttentionKind::kGat ? 0 : 2;
  check(make_case(both_stars(), terms));
}

TEST_P(Hubs, WaysOfGat) {
  if (GetParam().kind.kind != AttentionKind::kGat)
    return;
  CaseOptions through = options(1, 5);
  through.logsumexp_gradient = true;
  AttentionCase test = make_case(both_stars(), through);
  for (const bool with_correction : {true, false}) {
    test.with_correction = with_correction;
    check(test);
  }
}

TEST_P(Hubs, ScoresSharedByHeads) {
  if (kind_name(GetParam().kind) != "transformer")
    return;
  CaseOptions shared = options(4, 3);
  shared.score_heads = 1;
  shared.attention_dropout = 0.6;
  check(make_case(both_stars(), shared));
}

INSTANTIATE_TEST_SUITE_P(AllSettings,
                         Hubs,
                         ::testing::ValuesIn(kinds_and_types()),
                         [](const auto& info) { return info.param.name(); });

}  // namespace
}  // namespace regatta::test
