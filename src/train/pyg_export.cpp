#include "train/pyg_export.h"

#include "core/error.h"
#include "train/training_state.h"

#include <ATen/ATen.h>

#include <map>
#include <utility>

namespace regatta {
namespace {

/// One layer's tensors, from our names to PyG's.
class LayerExport {
 public:
  LayerExport(const std::map<std::string, at::Tensor>& tensors,
              const LayerOptions& options,
              std::size_t number,
              NamedTensors& out)
      : tensors_(tensors), options_(options), number_(number), out_(out) {}

  void write() {
    refuse_what_pyg_lacks();
    if (options_.attention == "gat")
      gat();
    else if (options_.attention == "gatv2")
      gatv2();
    else
      transformer();
  }

 private:
  const at::Tensor& get(const std::string& name) const {
    const auto found = tensors_.find(fmt::format("layers.{}.{}", number_, name));
    if (found == tensors_.end())
      fail(ExitCode::kData, "the checkpoint lacks layers.{}.{}", number_, name);
    return found->second;
  }
  bool has(const std::string& name) const {
    return tensors_.count(fmt::format("layers.{}.{}", number_, name)) != 0;
  }
  void put(const std::string& name, const at::Tensor& tensor) {
    out_.emplace_back(fmt::format("{}.{}", number_, name), tensor.contiguous());
  }
  /// Ours is [in, out], torch.nn.Linear's [out, in].
  void put_linear(const std::string& name, const std::string& ours) {
    put(name + ".weight", get(ours).t());
  }
  void put_edges() {
    if (options_.edge_features)
      put_linear("lin_edge", "attention.edge_weight");
  }

  at::Tensor zeros(std::int64_t count) const {
    return at::zeros({count}, tensors_.begin()->second.options());
  }

  void refuse_what_pyg_lacks() const {
    const bool known = options_.attention == "gat" || options_.attention == "gatv2" ||
                       options_.attention == "transformer";
    const std::pair<bool, std::string> faults[] = {
        {!known, "attention: " + options_.attention},
        {options_.relations != "none", "relations: " + options_.relations},
        {options_.residual_kind() != "none" &&
             !(options_.attention == "transformer" && options_.residual_kind() == "linear"),
         "residual: " + options_.residual_kind()},
        {options_.norm_kind() != "none", "norm: " + options_.norm_kind()},
        {options_.feed_forward > 0, "feed_forward"},
        {options_.logit_scale != 1, "logit_scale"}};
    for (const auto& [fault, what] : faults) {
      if (fault)
        fail(ExitCode::kUsage,
             "model.layers.{} has {}, of which PyG has no layer; read model.safetensors by "
             "Regatta's own names instead",
             number_,
             what);
    }
  }

  void gat() {
    put_linear("lin", "weight");
    put("att_src", get("attention.source").unsqueeze(0));
    put("att_dst", get("attention.destination").unsqueeze(0));
    if (options_.edge_features)
      put("att_edge", get("attention.edge").unsqueeze(0));
    put_edges();
    if (has("bias"))
      put("bias", get("bias"));
  }
  void gatv2() {
    const at::Tensor& vector = get("attention.vector");
    put("att", vector.unsqueeze(0));
    put_linear("lin_l", "weight_source");
    put_linear("lin_r", options_.share_weights ? "weight_source" : "weight_destination");
    put_edges();
    if (!has("bias"))
      return;
    // PyG's projections have biases of their own, which ours have not.
    put("lin_l.bias", zeros(vector.numel()));
    put("lin_r.bias", zeros(vector.numel()));
    put("bias", get("bias"));
  }
  void transformer() {
    for (const auto& [ours, theirs] : {std::pair("query", "lin_query"),
                                       std::pair("key", "lin_key"),
                                       std::pair("value", "lin_value")}) {
      const std::string weight = fmt::format("weight_{}", ours);
      put_linear(theirs, weight);
      put(fmt::format("{}.bias", theirs), zeros(get(weight).size(1)));
    }
    // PyG's own residual, of every TransformerConv, carries ours and the bias.
    const at::Tensor& value = get("weight_value");
    const std::int64_t width =
        options_.combine == "concat" ? value.size(1) : value.size(1) / options_.heads;
    put("lin_skip.weight",
        has("residual") ? get("residual").t() : zeros(width * value.size(0)).view({width, -1}));
    put("lin_skip.bias", has("bias") ? get("bias") : zeros(width));
    put_edges();
  }

  const std::map<std::string, at::Tensor>& tensors_;
  const LayerOptions& options_;
  std::size_t number_;
  NamedTensors& out_;
};

}  // namespace

NamedTensors pyg_tensors(const Checkpoint& checkpoint, const std::string& where) {
  const TrainJob job = job_of_checkpoint(checkpoint.state, where);
  if (job.model.jumping_knowledge != "none")
    fail(ExitCode::kUsage,
         "model.jumping_knowledge: {} is not a PyG layer; read model.safetensors by Regatta's own "
         "names instead",
         job.model.jumping_knowledge);
  const std::map<std::string, at::Tensor> tensors(checkpoint.model.begin(), checkpoint.model.end());
  NamedTensors out;
  for (std::size_t n = 0; n < job.model.layers.size(); ++n)
    LayerExport(tensors, job.model.layers[n], n, out).write();
  return out;
}

}  // namespace regatta
