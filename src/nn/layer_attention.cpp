#include "nn/layer_attention.h"

#include "core/error.h"
#include "nn/batch_placement.h"
#include "nn/initial_weights.h"
#include "nn/precision.h"

#include <torch/nn/module.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/types.h>

#include <fmt/ranges.h>

#include <limits>

namespace regatta {
namespace {

void check_dataset(const LayerOptions& options, const LayerShape& shape) {
  if (options.edge_features && shape.edge_features == 0) {
    fail(ExitCode::kUsage,
         "model.layers.{}.edge_features: the dataset has no edge features; preprocess it with "
         "preprocess.edges.features, or set edge_features: false",
         shape.index);
  }
  if (options.relations != "none" && shape.edge_types == 0) {
    fail(ExitCode::kUsage,
         "model.layers.{}.relations: '{}' needs edge types and the dataset has none; preprocess it "
         "with preprocess.edges.type, or set relations: none",
         shape.index,
         options.relations);
  }
}

/// Sums of gradients in a fixed order: index_select adds one row after the other on the CPU, index
/// sorts on a GPU.
at::Tensor rows_of(const at::Tensor& table, const at::Tensor& index) {
  return table.device().is_cpu() ? table.index_select(0, index) : table.index({index});
}

/// Shares [T,R,Hs] of the relations in each row's softmax; 0 in relations without an edge there.
at::Tensor relation_shares(const at::Tensor& logsumexp, const at::Tensor& occupied) {
  const at::Tensor mask = occupied.unsqueeze(-1);
  // A finite stand-in for -infinity: a row without any edge must not become NaN.
  const at::Tensor masked = logsumexp.masked_fill(~mask, -std::numeric_limits<float>::max());
  return torch::softmax(masked, 0) * mask;
}

/// Rows of in-edges by their positions.
at::Tensor row_of_edges(const Batch& batch, const at::Tensor& position) {
  const at::Tensor start = array_view(batch.graph.in.indptr, batch.placement.device);
  return torch::searchsorted(start, position, false, /*right=*/true) - 1;
}

at::Tensor occupied_rows(const Batch& batch, std::int64_t rows) {
  std::vector<at::Tensor> list;
  for (const RelationGraph& relation : batch.relations)
    list.push_back(relation.occupied.narrow(0, 0, rows));
  return torch::stack(list);
}

}  // namespace

DropoutArgs pass_dropout(const PassContext& pass,
                         double probability,
                         RandomPurpose purpose,
                         std::int64_t layer) {
  if (!pass.training || probability <= 0)
    return {};
  return {probability,
          make_random_key(pass.seed, purpose, pass.step, static_cast<std::uint64_t>(layer)),
          pass.keys == nullptr ? nullptr : pass.keys->place(purpose, layer)};
}

LayerAttention::LayerAttention(torch::nn::Module& layer,
                               const LayerOptions& options,
                               const LayerShape& shape)
    : options_(options), shape_(shape) {
  check_dataset(options, shape);
  const std::string name = fmt::format("layers.{}", shape.index);
  MechanismShape parts{shape.input,
                       options.heads,
                       shape.width,
                       options.edge_features ? shape.edge_features : 0,
                       shape.seed,
                       name,
                       name + ".attention",
                       shape.dtype,
                       &layer};
  adds_edge_messages_ = options.edge_features && options.attention == "transformer";
  if (options.relations != "parameters") {
    mechanisms_ = {layer.register_module("attention", make_attention(options, parts))};
  } else {
    torch::nn::ModuleList list;
    layer.register_module("attention", list);
    parts.projection_owner = nullptr;
    for (std::int64_t t = 0; t < shape.edge_types; ++t) {
      parts.name = parts.projection_name = fmt::format("{}.attention.{}", name, t);
      mechanisms_.push_back(make_attention(options, parts));
      list->push_back(mechanisms_.back());
    }
  }
  if (options.relations == "bias") {
    const bool one = options.attention == "dot" && options.score_on == "input";
    relation_bias_ = layer.register_parameter(
        "relation_bias", torch::zeros({shape.edge_types, one ? 1 : options.heads}, shape.dtype));
  }
}

AttentionCall LayerAttention::call_for(const PassContext& pass) const {
  const auto l = static_cast<std::size_t>(shape_.index);
  AttentionCall call;
  call.graph = &pass.batch->graph;
  call.kernels = pass.batch->placement.kernels;
  call.rows = pass.batch->rows_out[l];
  call.edges = pass.batch->edges_out[l];
  call.layer = shape_.index;
  call.attention_dropout = pass_dropout(
      pass, options_.attention_dropout, RandomPurpose::kAttentionDropout, shape_.index);
  call.message_dropout =
      pass_dropout(pass, options_.message_dropout, RandomPurpose::kMessageDropout, shape_.index);
  return call;
}

at::Tensor LayerAttention::edge_features(const Batch& batch, std::int64_t edges) const {
  if (!options_.edge_features)
    return {};
  if (!batch.edge_x.defined() || batch.edge_x.dim() != 2 ||
      batch.edge_x.size(1) != shape_.edge_features || batch.edge_x.size(0) < edges) {
    fail(ExitCode::kData,
         "model.layers.{}: edge features of shape [{}, {}] are needed, the batch has {}",
         shape_.index,
         edges,
         shape_.edge_features,
         batch.edge_x.defined() ? fmt::format("[{}]", fmt::join(batch.edge_x.sizes().vec(), ", "))
                                : "none");
  }
  return batch.edge_x.narrow(0, 0, edges);
}

LayerAttention::Prepared LayerAttention::prepare(const PassContext& pass,
                                                 const LayerInput& input) const {
  Prepared part{call_for(pass), {}};
  const Batch& batch = *pass.batch;
  part.tensors = mechanisms_[0]->prepare(part.call, input, edge_features(batch, part.call.edges));
  if (relation_bias_.defined()) {
    REGATTA_CHECK(batch.edge_type.defined(), "the batch has no edge types");
    at::Tensor& logit = part.tensors[TensorRole::kEdgeLogit];
    const at::Tensor bias = rows_of(relation_bias_ * options_.logit_scale,
                                    batch.edge_type.narrow(0, 0, part.call.edges));
    logit = logit.defined() ? logit + bias : bias;
  }
  see(pass, part.tensors);
  return part;
}

LayerAttention::Prepared LayerAttention::prepare_relation(const PassContext& pass,
                                                          const LayerInput& input,
                                                          std::size_t t) const {
  const Batch& batch = *pass.batch;
  REGATTA_CHECK(batch.relations.size() == mechanisms_.size(),
                "the batch has graphs of {} relations, the layer has {}",
                batch.relations.size(),
                mechanisms_.size());
  const RelationGraph& relation = batch.relations[t];
  Prepared part{call_for(pass), {}};
  const at::Tensor all = edge_features(batch, part.call.edges);
  part.call.graph = &relation.graph;
  part.call.edges = relation.edges_out[static_cast<std::size_t>(shape_.index)];
  part.call.logsumexp = true;
  at::Tensor edge_x;
  if (all.defined())
    edge_x = all.index_select(0, relation.position.narrow(0, 0, part.call.edges));
  part.tensors = mechanisms_[t]->prepare(part.call, input, edge_x);
  see(pass, part.tensors);
  return part;
}

void LayerAttention::see(const PassContext& pass, const AttentionTensors& tensors) const {
  if (pass.trace == nullptr)
    return;
  for (std::size_t r = 0; r < kTensorRoles; ++r)
    pass.trace->see(shape_.index, role_name(static_cast<TensorRole>(r)), tensors.all()[r]);
}

at::Tensor LayerAttention::run(const PassContext& pass,
                               std::size_t mechanism,
                               Prepared& part,
                               at::Tensor* logsumexp) const {
  part.call.logsumexp = part.call.logsumexp || pass.trace != nullptr;
  const AttentionResult result = regatta::attend(part.call, part.tensors);
  if (logsumexp != nullptr)
    *logsumexp = result.logsumexp;
  if (pass.trace != nullptr) {
    pass.trace->see(shape_.index, "logsumexp of the logits", result.logsumexp);
    pass.trace->see(shape_.index, "attention output", result.out);
  }
  if (!result.edge_out.defined())
    return result.out;
  const at::Tensor messages = mechanisms_[mechanism]->edge_messages(result.edge_out);
  return (result.out + messages).to(result.out.scalar_type());
}

at::Tensor LayerAttention::attend(const PassContext& pass,
                                  const LayerInput& input,
                                  const FusedEpilogue* epilogue) const {
  if (options_.relations == "parameters")
    return attend_relations(pass, input);
  Prepared part = prepare(pass, input);
  if (epilogue != nullptr) {
    part.call.epilogue = true;
    part.call.activation = epilogue->activation;
    part.tensors[TensorRole::kBias] = epilogue->bias;
    part.tensors[TensorRole::kResidual] = epilogue->residual;
  }
  return run(pass, 0, part, nullptr);
}

at::Tensor LayerAttention::attend_relations(const PassContext& pass,
                                            const LayerInput& input) const {
  std::vector<at::Tensor> outputs, logsumexps;
  for (std::size_t t = 0; t < mechanisms_.size(); ++t) {
    Prepared part = prepare_relation(pass, input, t);
    at::Tensor logsumexp;
    outputs.push_back(run(pass, t, part, &logsumexp));
    logsumexps.push_back(logsumexp);
  }
  const std::int64_t rows = outputs.front().size(0);
  const at::Tensor shares =
      relation_shares(torch::stack(logsumexps), occupied_rows(*pass.batch, rows));
  at::Tensor merged;
  for (std::size_t t = 0; t < outputs.size(); ++t) {
    const at::Tensor term = outputs[t] * shares[static_cast<std::int64_t>(t)].unsqueeze(-1);
    merged = merged.defined() ? merged + term : term;
  }
  return merged.to(outputs.front().scalar_type());
}

at::Tensor LayerAttention::weights(const PassContext& pass, const LayerInput& input) const {
  if (options_.relations == "parameters")
    return relation_weights(pass, input);
  const Prepared part = prepare(pass, input);
  return attention_weights(part.call, part.tensors).alpha;
}

at::Tensor LayerAttention::relation_weights(const PassContext& pass,
                                            const LayerInput& input) const {
  const Batch& batch = *pass.batch;
  const std::int64_t rows = call_for(pass).rows;
  std::vector<at::Tensor> alphas, logsumexps;
  for (std::size_t t = 0; t < mechanisms_.size(); ++t) {
    const Prepared part = prepare_relation(pass, input, t);
    AttentionWeights found = attention_weights(part.call, part.tensors);
    alphas.push_back(found.alpha);
    logsumexps.push_back(found.logsumexp);
  }
  const at::Tensor shares = relation_shares(torch::stack(logsumexps), occupied_rows(batch, rows));
  at::Tensor all =
      torch::zeros({call_for(pass).edges, alphas.front().size(1)}, alphas.front().options());
  for (std::size_t t = 0; t < alphas.size(); ++t) {
    const at::Tensor position = batch.relations[t].position.narrow(0, 0, alphas[t].size(0));
    const at::Tensor share =
        shares[static_cast<std::int64_t>(t)].index_select(0, row_of_edges(batch, position));
    all.index_copy_(0, position, alphas[t] * share);
  }
  return all;
}

}  // namespace regatta
