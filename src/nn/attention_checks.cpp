// Shapes and types of the tensors a layer hands to the kernels, by name.
#include "core/error.h"
#include "nn/attention_function.h"
#include "nn/precision.h"

#include <fmt/ranges.h>

#include <vector>

namespace regatta {
namespace {

constexpr std::array<const char*, kTensorRoles> kNames = {"value",
                                                          "query",
                                                          "key",
                                                          "source logit",
                                                          "destination logit",
                                                          "attention vector",
                                                          "edge logit",
                                                          "edge x",
                                                          "edge query",
                                                          "edge weight",
                                                          "bias",
                                                          "residual"};

/// Checks one call; remembers what every message names.
class Checks {
 public:
  Checks(const AttentionCall& call, const AttentionTensors& tensors)
      : call_(call),
        tensors_(tensors),
        storage_(tensors.value().scalar_type()),
        working_(working_type(storage_)) {}

  void tensor(TensorRole role, const std::vector<std::int64_t>& shape, bool working = true) const {
    const at::Tensor& found = tensors_[role];
    const char* name = role_name(role);
    if (!found.defined())
      fail(ExitCode::kUsage, "model.layers.{}: attention has no tensor '{}'", call_.layer, name);
    if (found.sizes().vec() != shape) {
      fail(ExitCode::kUsage,
           "model.layers.{}: tensor '{}' of attention has shape [{}], expected [{}]",
           call_.layer,
           name,
           fmt::join(found.sizes().vec(), ", "),
           fmt::join(shape, ", "));
    }
    const at::ScalarType type = working ? working_ : storage_;
    if (found.scalar_type() != type) {
      fail(ExitCode::kUsage,
           "model.layers.{}: tensor '{}' [{}] of attention is of type {}, expected {}",
           call_.layer,
           name,
           fmt::join(found.sizes().vec(), ", "),
           c10::toString(found.scalar_type()),
           c10::toString(type));
    }
  }
  void optional(TensorRole role,
                const std::vector<std::int64_t>& shape,
                bool working = true) const {
    if (tensors_[role].defined())
      tensor(role, shape, working);
  }

 private:
  const AttentionCall& call_;
  const AttentionTensors& tensors_;
  at::ScalarType storage_, working_;
};

/// dot: [.., Hs, Ds] of the scores; all others [.., H, D].
std::vector<std::int64_t> score_shape(const AttentionCall& call, const AttentionTensors& tensors) {
  const at::Tensor& query = tensors[TensorRole::kQuery];
  const bool own = call.kind == AttentionKind::kDot && query.defined() && query.dim() == 3;
  const at::Tensor& like = own ? query : tensors.value();
  return {like.size(1), like.size(2)};
}

}  // namespace

const char* role_name(TensorRole role) {
  return kNames[static_cast<std::size_t>(role)];
}

void check_attention_tensors(const AttentionCall& call, const AttentionTensors& tensors) {
  const at::Tensor& value = tensors.value();
  if (!value.defined() || value.dim() != 3) {
    fail(
        ExitCode::kUsage,
        "model.layers.{}: tensor 'value' of attention needs the shape [nodes, heads, width], found "
        "[{}]",
        call.layer,
        value.defined() ? fmt::format("{}", fmt::join(value.sizes().vec(), ", ")) : "none");
  }
  const std::int64_t nodes = value.size(0), heads = value.size(1), width = value.size(2);
  const auto score = score_shape(call, tensors);
  const at::Tensor& edge_x = tensors[TensorRole::kEdgeX];
  const std::int64_t features = edge_x.defined() ? edge_x.size(-1) : 0;
  const Checks checks(call, tensors);
  switch (call.kind) {
    case AttentionKind::kGat:
      checks.tensor(TensorRole::kSourceLogit, {nodes, heads});
      checks.tensor(TensorRole::kDestinationLogit, {call.rows, heads});
      break;
    case AttentionKind::kGatv2:
      checks.tensor(TensorRole::kQuery, {call.rows, heads, width}, false);
      checks.tensor(TensorRole::kAttentionVector, {heads, width});
      break;
    case AttentionKind::kDot:
      if (!tensors[TensorRole::kQuery].defined() && !tensors[TensorRole::kKey].defined())
        break;
      checks.tensor(TensorRole::kQuery, {call.rows, score[0], score[1]}, false);
      checks.tensor(TensorRole::kKey, {nodes, score[0], score[1]}, false);
      break;
  }
  checks.optional(TensorRole::kEdgeLogit, {call.edges, score[0]});
  checks.optional(TensorRole::kEdgeX, {call.edges, features});
  checks.optional(TensorRole::kEdgeQuery, {call.rows, score[0], features});
  checks.optional(TensorRole::kEdgeWeight, {features, heads, width});
  checks.optional(TensorRole::kBias, {heads * width});
  checks.optional(TensorRole::kResidual, {call.rows, heads * width}, false);
}

}  // namespace regatta
