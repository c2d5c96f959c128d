// Task: head, loss sum and metrics of one kind of job.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "data/manifest.h"
#include "nn/batch.h"
#include "tasks/metric_counts.h"
#include "tasks/task_options.h"

namespace regatta {

/// A row of the task table. Losses are sums, never means: the trainer divides by the step's global
/// weight.
class Task {
 public:
  virtual ~Task() = default;
  virtual std::int64_t output_width() const = 0;
  virtual const std::vector<std::string>& class_names() const = 0;
  /// Sum over targets of w_t * l_t, a scalar that autograd can follow.
  virtual at::Tensor loss_sum(const at::Tensor& logits, const TargetRows& targets) const = 0;
  /// Sum over targets of w_t.
  virtual double weight_sum(const TargetRows& targets) const = 0;
  /// The same for all targets of `split` in a whole chunk, from the manifest alone.
  virtual double weight_sum(const ManifestChunk& chunk, Split split) const = 0;
  /// Adds the targets of one batch; no gradients.
  virtual void count(const at::Tensor& logits,
                     const TargetRows& targets,
                     MetricCounts& counts) const = 0;
  /// The task's target in a chunk. Throws Error(kData) where it is missing.
  virtual const NodeTarget& target_of(const GraphChunk& chunk) const = 0;
  virtual std::int64_t split_index() const = 0;
};

std::vector<std::string> task_names();
/// Throws Error(kUsage) for options that do not fit the dataset (unknown target, number of weights,
/// split_index).
std::unique_ptr<Task> make_task(const TaskOptions& options, const Manifest& manifest);

std::unique_ptr<Task> make_node_classification(const TaskOptions& options,
                                               const Manifest& manifest);

}  // namespace regatta
