// Dropout keys that kernels read when they run, and input dropout of dense features: tables of this
// program against the same calls with keys by value, and against the host's words.
#include "core/rng.h"
#include "kernels/attention_case.h"
#include "kernels/feature_dropout.h"
#include "kernels/kernel_variants.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace regatta::test {
namespace {

const KernelTable* inner = nullptr;

/// The key goes into memory and another one into the arguments.
class StoredKey {
 public:
  explicit StoredKey(DropoutArgs& dropout) : key_(dropout.key.value) {
    dropout.stored_key = &key_;
    dropout.key.value = ~key_;
  }
  StoredKey(const StoredKey&) = delete;
  StoredKey& operator=(const StoredKey&) = delete;

 private:
  std::uint64_t key_;
};

template <class Args>
auto call(Args args, auto entry) {
  const StoredKey attention(args.in.attention_dropout), message(args.in.message_dropout);
  return entry(args);
}

const KernelTable& with_stored_keys(const KernelTable& table) {
  inner = &table;
  static const KernelTable wrapped = {
      "stored keys",
      [](const AttentionForwardArgs& a) { return call(a, inner->forward_workspace_bytes); },
      [](const AttentionBackwardArgs& a) { return call(a, inner->backward_workspace_bytes); },
      [](const AttentionForwardArgs& a) { call(a, inner->forward); },
      [](const AttentionBackwardArgs& a) { call(a, inner->backward); },
      [](const AttentionWeightsArgs& a) { call(a, inner->weights); },
      [](const SparseProjectionArgs&) {},
      [](const SparseProjectionArgs&) {},
      [](const FeatureDropoutArgs&) {}};
  return wrapped;
}

TEST(StoredKeys, GiveTheBitsOfKeysByValue) {
  for (const KernelVariant& variant : kernel_variants()) {
    const TargetScope scope(variant.targets);
    for (CaseOptions options : all_kinds())
      for (const auto dtype : {KernelType::kFloat32, KernelType::kFloat64, KernelType::kBFloat16}) {
        options.dtype = dtype;
        options.heads = 3;
        options.width = 8;
        options.attention_dropout = 0.3;
        options.message_dropout = 0.4;
        const AttentionCase test = make_case(mixed_shape(), options);
        SCOPED_TRACE(variant.name + " " + test.name());
        EXPECT_EQ(run_table(with_stored_keys(*variant.table), test),
                  run_table(*variant.table, test));
      }
  }
}

template <class T>
std::vector<T> drop(const KernelTable& table, std::int64_t rows, std::int64_t width, bool stored) {
  const std::vector<double> values = random_values(rows * width, 5);
  const std::vector<T> x(values.begin(), values.end());
  std::vector<std::int64_t> id;
  for (std::int64_t i = 0; i < rows; ++i) id.push_back((std::int64_t{1} << 33) + 7 * i);
  std::vector<T> out(x.size(), -1);
  FeatureDropoutArgs args;
  args.dtype = sizeof(T) == 4 ? KernelType::kFloat32 : KernelType::kFloat64;
  args.rows = rows;
  args.width = width;
  args.global_id = id.data();
  args.dropout = {0.6, make_random_key(1, RandomPurpose::kInputDropout, 2, 0)};
  args.x = x.data();
  args.out = out.data();
  const std::uint64_t key = args.dropout.key.value;
  if (stored) {
    args.dropout.stored_key = &key;
    args.dropout.key.value = ~key;
  }
  table.feature_dropout(args);
  return out;
}

template <class T>
void expect_bits_of_the_reference() {
  for (const KernelVariant& variant : kernel_variants()) {
    const TargetScope scope(variant.targets);
    for (const std::int64_t width : {1, 3, 4, 7, 64, 250})
      for (const std::int64_t rows : {0, 1, 33}) {
        SCOPED_TRACE(variant.name + " width " + std::to_string(width));
        const std::vector<T> expected = drop<T>(reference_kernels(), rows, width, false);
        EXPECT_EQ(drop<T>(*variant.table, rows, width, false), expected);
        EXPECT_EQ(drop<T>(*variant.table, rows, width, true), expected);
      }
  }
}

TEST(FeatureDropout, HasTheBitsOfTheReference) {
  expect_bits_of_the_reference<float>();
  expect_bits_of_the_reference<double>();
  const std::vector<float> some = drop<float>(reference_kernels(), 33, 64, false);
  const auto zeros = std::count(some.begin(), some.end(), 0.0F);
  EXPECT_NEAR(static_cast<double>(zeros) / static_cast<double>(some.size()), 0.6, 0.05);
}

}  // namespace
}  // namespace regatta::test
