// A class for each node: weighted cross-entropy, confusion matrix.
#include "core/error.h"
#include "tasks/cross_entropy.h"
#include "tasks/task.h"

#include <torch/types.h>

#include <fmt/ranges.h>

#include <map>

namespace regatta {
namespace {

const ManifestTarget& find_target(const TaskOptions& options, const Manifest& manifest) {
  const auto found = manifest.targets.find(options.target);
  if (found == manifest.targets.end()) {
    std::vector<std::string> known;
    for (const auto& [name, target] : manifest.targets) known.push_back(name);
    fail(ExitCode::kUsage,
         "task.target: the dataset has no target '{}'; it has: {}",
         options.target,
         known.empty() ? std::string("none, it is unlabelled")
                       : fmt::format("{}", fmt::join(known, ", ")));
  }
  const ManifestTarget& target = found->second;
  if (target.level != "node" || target.kind != "class") {
    fail(ExitCode::kUsage,
         "task.target: '{}' is a {} target of level {}; node_classification needs kind class, "
         "level node",
         options.target,
         target.kind,
         target.level);
  }
  return target;
}

std::vector<double> balanced_weights(const ManifestTarget& target) {
  const auto counts = target.counts.find("train");
  std::vector<double> weights(target.classes.size(), 0.0);
  if (counts == target.counts.end())
    return weights;
  double total = 0;
  for (const std::int64_t n : counts->second) total += static_cast<double>(n);
  for (std::size_t c = 0; c < weights.size(); ++c) {
    const auto n = static_cast<double>(counts->second[c]);
    if (n > 0)
      weights[c] = total / (static_cast<double>(weights.size()) * n);
  }
  return weights;
}

std::vector<double> class_weights(const TaskOptions& options, const ManifestTarget& target) {
  if (options.class_weights == "none")
    return std::vector<double>(target.classes.size(), 1.0);
  if (options.class_weights == "balanced")
    return balanced_weights(target);
  if (options.weights.size() != target.classes.size()) {
    fail(ExitCode::kUsage,
         "task.weights: {} values given, target '{}' has {} classes: {}",
         options.weights.size(),
         options.target,
         target.classes.size(),
         fmt::join(target.classes, ", "));
  }
  return options.weights;
}

class NodeClassification : public Task {
 public:
  NodeClassification(const TaskOptions& options, const Manifest& manifest)
      : options_(options),
        target_(find_target(options, manifest)),
        weights_(class_weights(options, target_)) {
    for (const double w : weights_) uniform_ = uniform_ && w == 1.0;
    weight_tensor_ = torch::tensor(weights_, torch::kDouble);
  }

  std::int64_t output_width() const override {
    return static_cast<std::int64_t>(target_.classes.size());
  }
  const std::vector<std::string>& class_names() const override { return target_.classes; }
  std::int64_t split_index() const override { return options_.split_index; }

  at::Tensor loss_sum(const at::Tensor& logits, const TargetRows& targets) const override {
    return cross_entropy_sum(logits, targets, uniform_ ? at::Tensor() : weight_tensor_);
  }

  double weight_sum(const TargetRows& targets) const override {
    if (uniform_)
      return static_cast<double>(targets.count());
    return weight_tensor_.index_select(0, targets.label.cpu()).sum().item<double>();
  }

  double weight_sum(const ManifestChunk& chunk, Split split) const override {
    const auto target = chunk.class_counts.find(options_.target);
    if (target == chunk.class_counts.end())
      return 0;
    const auto counts = target->second.find(split_name(split));
    if (counts == target->second.end())
      return 0;
    double sum = 0;
    for (std::size_t c = 0; c < counts->second.size(); ++c) {
      sum += weights_[c] * static_cast<double>(counts->second[c]);
    }
    return sum;
  }

  void count(const at::Tensor& logits,
             const TargetRows& targets,
             MetricCounts& counts) const override {
    if (targets.count() == 0)
      return;
    const torch::NoGradGuard no_grad;
    counts.loss_sum += loss_sum(logits.to(torch::kDouble), targets).item<double>();
    counts.weight_sum += weight_sum(targets);
    const at::Tensor predicted = logits.index_select(0, targets.row).argmax(1).cpu();
    const at::Tensor truth = targets.label.cpu();
    const auto* p = predicted.const_data_ptr<std::int64_t>();
    const auto* t = truth.const_data_ptr<std::int64_t>();
    for (std::int64_t i = 0; i < targets.count(); ++i) {
      ++counts.confusion[static_cast<std::size_t>(t[i] * counts.classes + p[i])];
    }
  }

  const NodeTarget& target_of(const GraphChunk& chunk) const override {
    const NodeTarget& target = chunk.target(options_.target);
    if (options_.split_index >= target.splittings) {
      fail(ExitCode::kUsage,
           "task.split_index: {} given, target '{}' has {} splittings",
           options_.split_index,
           options_.target,
           target.splittings);
    }
    return target;
  }

 private:
  TaskOptions options_;
  ManifestTarget target_;
  std::vector<double> weights_;
  bool uniform_ = true;
  at::Tensor weight_tensor_;
};

}  // namespace

std::unique_ptr<Task> make_node_classification(const TaskOptions& options,
                                               const Manifest& manifest) {
  return std::make_unique<NodeClassification>(options, manifest);
}

}  // namespace regatta
