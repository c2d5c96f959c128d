// Products of bf16 by pairs of columns give the bits of single multiply-adds.
#include "kernels/cpu/pair_products.h"

#include "kernels/attention_case.h"
#include "kernels/cpu/third_level_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>

namespace regatta::test {
namespace {

class PairProducts : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!cpu::pair_products_in_use())
      GTEST_SKIP() << "the processor does not multiply pairs of bf16 values";
  }
  void TearDown() override {
    cpu::allow_pair_products(true);
    cpu::assume_third_level_cache(told_);
  }

  static Arrays run(const AttentionCase& test, bool by_pairs) {
    cpu::allow_pair_products(by_pairs);
    return run_table(cpu_kernels(), test);
  }

 private:
  std::size_t told_ = cpu::third_level_cache_bytes();
};

GraphShape rows_of_all_lengths() {
  GraphShape shape{"rows", 12000, std::vector<std::int64_t>(600)};
  for (std::size_t row = 0; row < shape.degrees.size(); ++row)
    shape.degrees[row] = static_cast<std::int64_t>(row % 70);
  return shape;
}

TEST_F(PairProducts, ChangeNoBit) {
  for (CaseOptions options : all_kinds())
    for (const std::int64_t width : {16, 31, 32, 64, 75, 128})
      for (const std::int64_t heads : {1, 3})
        for (const std::size_t cache : {std::size_t{0}, std::size_t{1} << 40}) {
          options.dtype = KernelType::kBFloat16;
          options.width = width;
          options.heads = heads;
          options.attention_dropout = 0.3;
          const AttentionCase test = make_case(rows_of_all_lengths(), options);
          cpu::assume_third_level_cache(cache);  // by tiles, and by blocks of rows
          EXPECT_TRUE(same_bits(run(test, true), run(test, false))) << test.name();
        }
}

// What shows that the instruction was used at all.
TEST_F(PairProducts, TakeSubnormalValuesForZero) {
  for (CaseOptions options : all_kinds()) {
    if (kind_name(options) != "transformer")
      continue;
    options.dtype = KernelType::kBFloat16;
    options.width = 64;
    AttentionCase test = make_case(rows_of_all_lengths(), options);
    for (double& value : test.at("query")) value *= 1e-39;
    for (double& value : test.at("key")) value *= 1e37;
    const Arrays by_pairs = run(test, true);
    EXPECT_FALSE(same_bits(by_pairs, run(test, false)));
    std::ranges::fill(test.at("query"), 0.0);
    EXPECT_EQ(by_pairs.at("out"), run(test, true).at("out"));
  }
}

}  // namespace
}  // namespace regatta::test
