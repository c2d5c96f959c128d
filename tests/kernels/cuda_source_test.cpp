// What the conformance tests do not reach of the CUDA sources: heads wider than a tile, tables that
// forbid 16-byte loads, the order of warps, and the schedule of lists by length.
#include "kernels/attention_case.h"
#include "kernels/kernel_variants.h"
#include "kernels/warp_executor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace regatta::test {
namespace {

const KernelTable& executed() {
  static const KernelTable* table = kernel_variants().front().table;
  return *table;
}

std::vector<std::int64_t> offsets(const std::vector<std::int64_t>& lengths) {
  std::vector<std::int64_t> ptr{0};
  for (const std::int64_t length : lengths) ptr.push_back(ptr.back() + length);
  return ptr;
}

TEST(DegreeSchedule, HoldsEveryListOnceByFallingLength) {
  std::vector<std::int64_t> lengths;
  for (std::int64_t n = 0; n < 40; ++n)
    for (const std::int64_t length : {0, 3, 8, 9, 100, 1023, 1024, 1025, 4096, 5000})
      lengths.push_back(length + n % 2);
  const DegreeSchedule schedule = make_degree_schedule(offsets(lengths));
  std::vector<std::int32_t> all(schedule.long_item.begin(), schedule.long_item.end());
  all.insert(all.end(), schedule.order.begin(), schedule.order.end());
  std::sort(all.begin(), all.end());
  std::vector<std::int32_t> expected(lengths.size());
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(all, expected);
  const auto length_of = [&](std::int32_t item) { return lengths[static_cast<std::size_t>(item)]; };
  for (const std::int32_t item : schedule.long_item)
    EXPECT_GT(length_of(item), DegreeSchedule::kPieceEdges);
  for (std::size_t k = 0; k < schedule.order.size(); ++k) {
    const std::int64_t length = length_of(schedule.order[k]);
    EXPECT_LE(length, DegreeSchedule::kPieceEdges);
    EXPECT_EQ(length <= DegreeSchedule::kShortEdges,
              static_cast<std::int64_t>(k) >= schedule.short_begin);
    if (k > 0) {
      EXPECT_LT(length, 2 * std::max<std::int64_t>(length_of(schedule.order[k - 1]), 1));
    }
  }
}

TEST(DegreeSchedule, PiecesCoverLongLists) {
  const DegreeSchedule schedule = make_degree_schedule(offsets({5, 1025, 0, 10000, 1024}));
  EXPECT_EQ(std::vector<std::int32_t>(schedule.long_item.begin(), schedule.long_item.end()),
            (std::vector<std::int32_t>{1, 3}));
  EXPECT_EQ(std::vector<std::int64_t>(schedule.first_piece.begin(), schedule.first_piece.end()),
            (std::vector<std::int64_t>{0, 2, 12}));
  EXPECT_EQ(schedule.piece_long.size(), 12U);
  EXPECT_TRUE(make_degree_schedule(offsets({})).built());
}

/// Kinds, types and terms that make every kernel run.
std::vector<CaseOptions> all_options(std::int64_t heads, std::int64_t width) {
  std::vector<CaseOptions> all;
  for (CaseOptions options : all_kinds())
    for (const auto dtype : {KernelType::kFloat32, KernelType::kFloat64, KernelType::kBFloat16}) {
      options.dtype = dtype;
      options.heads = heads;
      options.width = width;
      options.attention_dropout = 0.3;
      options.message_dropout = 0.4;
      options.epilogue = true;
      options.edge_logit = true;
      all.push_back(options);
    }
  return all;
}

double limit_of(KernelType type) {
  return type == KernelType::kFloat64 ? 1e-10 : type == KernelType::kFloat32 ? 1e-4 : 2e-2;
}

TEST(CudaSources, HeadsWiderThanATile) {
  // 16-byte loads in all types (600, 1208), pairs in bf16 (602), single elements (601).
  for (const std::int64_t width : {600, 601, 602, 1208})
    for (CaseOptions options : all_options(2, width)) {
      options.edge_features = options.kind == AttentionKind::kGatv2 ? 2 : 0;
      const AttentionCase test = make_case(bipartite_shape(), options);
      if (options.kind == AttentionKind::kDot && options.shared)
        continue;  // one table in all roles has rows among its nodes
      SCOPED_TRACE(test.name());
      const Arrays expected = run_table(reference_kernels(), test);
      for (const auto& [name, values] : run_table(executed(), test)) {
        // Products over the width cancel in gradients of logits.
        const double floor =
            std::sqrt(static_cast<double>(values.size()) * static_cast<double>(width));
        EXPECT_LE(relative_error(values, expected.at(name), floor), limit_of(options.dtype))
            << name;
      }
    }
}

TEST(CudaSources, OrderOfWarpsNeverChangesBits) {
  for (CaseOptions options : all_options(3, 8)) {
    options.edge_features = options.kind == AttentionKind::kGat ? 0 : 3;
    const AttentionCase test = make_case(hub_shape(), options);
    SCOPED_TRACE(test.name());
    const Arrays descending = run_table(executed(), test);
    cuda::execute_in_ascending_order(true);
    const Arrays ascending = run_table(executed(), test);
    cuda::execute_in_ascending_order(false);
    EXPECT_EQ(descending, ascending);
  }
}

}  // namespace
}  // namespace regatta::test
