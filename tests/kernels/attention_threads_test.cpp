// Equal bits for any number of threads and over repeated runs.
#include "core/parallel.h"
#include "kernels/attention_case.h"

#include <gtest/gtest.h>

#include <cstring>

namespace regatta::test {
namespace {

/// Bit patterns, because NaN and -0 count too.
bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0);
}

bool same_bits(const AttentionResult& a, const AttentionResult& b) {
  return same_bits(a.out, b.out) && same_bits(a.logsumexp, b.logsumexp) &&
         same_bits(a.correction, b.correction) && same_bits(a.weights, b.weights) &&
         same_bits(a.grad_z, b.grad_z) && same_bits(a.grad_s, b.grad_s) &&
         same_bits(a.grad_t, b.grad_t);
}

class Threads : public ::testing::Test {
 protected:
  void TearDown() override { set_compute_threads(1); }
};

TEST_F(Threads, NeverChangeBits) {
  GraphShape shape = hub_shape();
  shape.nodes = 3000;
  shape.degrees.assign(2500, 6);
  shape.degrees[100] = 5000;
  for (const auto kind : {AttentionKind::kGat, AttentionKind::kDot})
    for (const auto dtype : {KernelType::kFloat32, KernelType::kFloat64})
      for (const bool with_correction : {true, false}) {
        AttentionCase test = make_case(shape, {kind, dtype, 4, 7, 0.6, 0.6});
        test.with_correction = with_correction;
        SCOPED_TRACE(test.name());
        set_compute_threads(1);
        const AttentionResult expected = run_table(cpu_kernels(), test);
        for (const int threads : {1, 2, 3, 2, 3}) {
          set_compute_threads(threads);
          EXPECT_TRUE(same_bits(run_table(cpu_kernels(), test), expected)) << threads << " threads";
        }
      }
}

}  // namespace
}  // namespace regatta::test
