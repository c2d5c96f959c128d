// Bad arguments are named before any memory is touched.
#include "core/error.h"
#include "kernels/attention_case.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>

namespace regatta::test {
namespace {

struct BadArgument {
  const char* name;
  std::function<void(AttentionInputs&)> spoil;
  ExitCode code;
  const char* message;
};

std::vector<BadArgument> bad_arguments() {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  return {
      {"graph", [](auto& in) { in.graph = nullptr; }, ExitCode::kInternal, "'graph' is null"},
      {"value", [](auto& in) { in.value = nullptr; }, ExitCode::kInternal, "'value' is null"},
      {"s", [](auto& in) { in.source_logit = nullptr; }, ExitCode::kInternal, "'source_logit'"},
      {"t",
       [](auto& in) { in.destination_logit = nullptr; },
       ExitCode::kInternal,
       "'destination_logit'"},
      {"heads", [](auto& in) { in.heads = 0; }, ExitCode::kUsage, "heads 0"},
      {"width", [](auto& in) { in.width = -1; }, ExitCode::kUsage, "width -1"},
      {"rows", [](auto& in) { in.rows = -1; }, ExitCode::kInternal, "-1 rows"},
      {"many_rows", [](auto& in) { in.rows = 25; }, ExitCode::kInternal, "25 rows"},
      {"many_nodes", [](auto& in) { in.nodes = 31; }, ExitCode::kInternal, "31 nodes"},
      {"few_nodes", [](auto& in) { in.nodes = 24; }, ExitCode::kInternal, "beyond the 24 nodes"},
      {"attention",
       [](auto& in) { in.attention_dropout.probability = 1; },
       ExitCode::kUsage,
       "attention dropout is 1"},
      {"message",
       [](auto& in) { in.message_dropout.probability = -0.5; },
       ExitCode::kUsage,
       "message dropout is -0.5"},
      {"dropout_nan",
       [nan](auto& in) { in.message_dropout.probability = nan; },
       ExitCode::kUsage,
       "message dropout is nan"},
      {"slope",
       [](auto& in) { in.negative_slope = -0.1; },
       ExitCode::kUsage,
       "negative slope is -0.1"},
      {"scale",
       [nan](auto& in) {
         in.kind = AttentionKind::kDot;
         in.query = in.key = in.value;
         in.scale = nan;
       },
       ExitCode::kInternal,
       "scale is nan"},
      {"query",
       [](auto& in) {
         in.kind = AttentionKind::kGatv2;
         in.attention_vector = in.value;
       },
       ExitCode::kInternal,
       "'query' is null"},
      {"attention_vector",
       [](auto& in) {
         in.kind = AttentionKind::kGatv2;
         in.query = in.value;
       },
       ExitCode::kInternal,
       "'attention_vector' is null"},
      {"key",
       [](auto& in) {
         in.kind = AttentionKind::kDot;
         in.query = in.value;
       },
       ExitCode::kInternal,
       "'key' is null"},
      {"score_heads",
       [](auto& in) {
         in.kind = AttentionKind::kDot;
         in.query = in.key = in.value;
         in.heads = 4;
         in.score_heads = 2;
       },
       ExitCode::kInternal,
       "scores of 2 heads"},
      {"edge_query",
       [](auto& in) { in.edge.query = in.value; },
       ExitCode::kInternal,
       "edge.query belongs to dot"},
      {"edge_features",
       [](auto& in) {
         in.kind = AttentionKind::kGatv2;
         in.query = in.attention_vector = in.edge.weight = in.value;
       },
       ExitCode::kUsage,
       "0 edge features"},
  };
}

class Checks : public ::testing::TestWithParam<BadArgument> {};

TEST_P(Checks, NameTheArgument) {
  const PreparedGraph graph = make_graph(mixed_shape(), 1);
  const double cell = 0;
  AttentionInputs in;
  in.rows = 24;
  in.nodes = 30;
  in.heads = 1;
  in.width = 1;
  in.graph = &graph;
  in.value = in.source_logit = in.destination_logit = &cell;
  ASSERT_NO_THROW(check_attention_inputs(in));
  GetParam().spoil(in);
  try {
    check_attention_inputs(in);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), GetParam().code);
    EXPECT_THAT(error.what(), ::testing::HasSubstr(GetParam().message));
  }
}

INSTANTIATE_TEST_SUITE_P(All, Checks, ::testing::ValuesIn(bad_arguments()), [](const auto& info) {
  return info.param.name;
});

TEST(Tables, RefuseMissingOutputs) {
  const PreparedGraph graph = make_graph(mixed_shape(), 1);
  const double cell = 0;
  AttentionForwardArgs forward;
  forward.in.rows = 24;
  forward.in.nodes = 30;
  forward.in.heads = forward.in.width = 1;
  forward.in.graph = &graph;
  forward.in.value = forward.in.source_logit = forward.in.destination_logit = &cell;
  AttentionBackwardArgs backward;
  backward.in = forward.in;
  for (const KernelTable* table : {&reference_kernels(), &cpu_kernels()}) {
    EXPECT_THROW(table->forward(forward), Error) << table->name;
    EXPECT_THROW(table->backward(backward), Error) << table->name;
    EXPECT_THROW(table->weights({.in = forward.in}), Error) << table->name;
    EXPECT_THROW(table->sparse_project({}), Error) << table->name;
    EXPECT_THROW(table->sparse_project_backward({}), Error) << table->name;
  }
}

}  // namespace
}  // namespace regatta::test
