// Tensors of every type and of awkward shapes, and how to compare two lists of them.
#pragma once

#include "checkpoint/safetensors.h"

#include <torch/types.h>

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace regatta::test {

inline NamedTensors sample_tensors() {
  torch::manual_seed(7);
  return {
      {"flags", torch::rand({5}) > 0.5},
      {"layers.0.weight", torch::randn({3, 4})},
      {"scalar", torch::scalar_tensor(2.5, torch::kDouble)},
      {"empty", torch::empty({0, 7})},
      {"empty_bool", torch::empty({3, 0, 2}, torch::kBool)},
      {"bf16", torch::randn({2, 3, 1}).to(torch::kBFloat16)},
      {"half", torch::randn({9}).to(torch::kHalf)},
      {"long", torch::tensor({INT64_MIN, std::int64_t{-1}, INT64_MAX})},
      {"int", torch::arange(-3, 4, torch::kInt)},
      {"bytes", torch::arange(0, 13, torch::kByte)},
      {"transposed", torch::randn({4, 3}).t()},
      {"special", torch::tensor({NAN, INFINITY, -0.0F, 1e-42F})},
      {"name with \"quotes\" and \xC3\xA9", torch::ones({1})},
  };
}

/// Same names in the same order, types, shapes and bytes (so NaN equals NaN and -0 differs from 0).
inline void expect_identical(const NamedTensors& a, const NamedTensors& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].first, b[i].first);
    ASSERT_EQ(a[i].second.scalar_type(), b[i].second.scalar_type()) << a[i].first;
    ASSERT_EQ(a[i].second.sizes(), b[i].second.sizes()) << a[i].first;
    const at::Tensor left = a[i].second.contiguous();
    const at::Tensor right = b[i].second.contiguous();
    EXPECT_TRUE(left.nbytes() == 0 ||
                std::memcmp(left.data_ptr(), right.data_ptr(), left.nbytes()) == 0)
        << a[i].first;
  }
}

}  // namespace regatta::test
