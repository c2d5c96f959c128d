// Equal bits for any number of threads and over repeated runs.
#include "core/parallel.h"
#include "kernels/attention_case.h"

#include <gtest/gtest.h>

namespace regatta::test {
namespace {

class Threads : public ::testing::Test {
 protected:
  void TearDown() override { set_compute_threads(1); }
};

/// `rows` rows and a hub.
GraphShape shape_of(std::size_t rows) {
  GraphShape shape = hub_shape();
  shape.nodes = static_cast<std::int64_t>(rows) + 500;
  shape.degrees.assign(rows, 6);
  shape.degrees[100] = 5000;
  return shape;
}

/// Twenty runs of a case, on 1, 2 and 3 threads in turns.
void expect_equal_runs(const AttentionCase& test) {
  SCOPED_TRACE(test.name());
  set_compute_threads(1);
  const Arrays expected = run_table(cpu_kernels(), test);
  for (int run = 0; run < 20; ++run) {
    const int threads = 1 + run % 3;
    set_compute_threads(threads);
    EXPECT_TRUE(same_bits(run_table(cpu_kernels(), test), expected)) << threads << " threads";
  }
}

/// Heads and widths whose tiles and groups differ, all terms on and off.
TEST_F(Threads, TwentyRunsHaveEqualBits) {
  struct Columns {
    std::int64_t heads, width;
  };
  for (CaseOptions options : all_kinds())
    for (const auto dtype : {KernelType::kFloat32, KernelType::kFloat64, KernelType::kBFloat16})
      for (const auto [heads, width] : {Columns{1, 1}, {3, 8}, {8, 3}, {2, 64}, {1, 250}, {16, 7}})
        for (const bool terms : {false, true}) {
          options.dtype = dtype;
          options.heads = heads;
          options.width = width;
          options.attention_dropout = options.message_dropout = terms ? 0.4 : 0;
          options.edge_logit = options.epilogue = options.logsumexp_gradient = terms;
          options.edge_features = terms && options.kind != AttentionKind::kGat ? 3 : 0;
          expect_equal_runs(make_case(shape_of(300), options));
        }
}

TEST_F(Threads, NeverChangeBits) {
  const GraphShape shape = shape_of(2500);
  for (CaseOptions options : all_kinds())
    for (const auto dtype : {KernelType::kFloat32, KernelType::kFloat64, KernelType::kBFloat16})
      for (const bool with_correction : {true, false}) {
        if (!with_correction && options.kind != AttentionKind::kGat)
          continue;
        options.dtype = dtype;
        options.heads = 4;
        options.width = 7;
        options.attention_dropout = options.message_dropout = 0.6;
        options.edge_logit = options.epilogue = options.logsumexp_gradient = true;
        AttentionCase test = make_case(shape, options);
        test.with_correction = with_correction;
        SCOPED_TRACE(test.name());
        set_compute_threads(1);
        const Arrays expected = run_table(cpu_kernels(), test);
        for (const int threads : {1, 2, 3, 2, 3}) {
          set_compute_threads(threads);
          EXPECT_TRUE(same_bits(run_table(cpu_kernels(), test), expected)) << threads << " threads";
        }
      }
}

/// Columns that end within a word of bits and a group of heads that begins within one.
TEST_F(Threads, KeptBitsAreThoseDrawnAgain) {
  for (const auto dtype : {KernelType::kFloat32, KernelType::kFloat64, KernelType::kBFloat16})
    for (const std::int64_t heads : {1, 5, 8})
      for (const std::int64_t width : {7, 15, 70}) {
        CaseOptions options;
        options.kind = AttentionKind::kGat;
        options.dtype = dtype;
        options.heads = heads;
        options.width = width;
        options.attention_dropout = options.message_dropout = 0.6;
        options.epilogue = true;
        AttentionCase test = make_case(hub_shape(), options);
        SCOPED_TRACE(test.name());
        const Arrays drawn = run_table(cpu_kernels(), test);
        test.keeps_bits = true;
        for (const int threads : {1, 3}) {
          set_compute_threads(threads);
          EXPECT_TRUE(same_bits(run_table(cpu_kernels(), test), drawn)) << threads << " threads";
        }
        set_compute_threads(1);
      }
}

}  // namespace
}  // namespace regatta::test
