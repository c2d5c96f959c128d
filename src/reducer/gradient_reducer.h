// Data-parallel gradients for any LibTorch module: buckets in fixed order, started while backward
// goes on.
#pragma once

#include "comm/communicator.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace regatta {

struct ReducerOptions {
  std::int64_t bucket_bytes =
      4 << 20;  ///< a bucket is closed when it holds at least this many bytes
};

/// Sums `.grad` of `parameters` over the ranks of `communicator` (sum, never average).
///
/// Use, identical on every rank, once per step:
///   reducer.begin(local_micro_batches);         // may be 0: the rank then contributes zeros
///   for each local micro-batch { loss.backward(); reducer.micro_batch_done(); }
///   reducer.finish();                           // every parameter now has .grad = the global sum
///
/// Buckets are filled in reverse order of the parameters and leave in that order on all ranks,
/// during the last local micro-batch's backward; a parameter without a gradient counts as zeros.
/// Because buckets leave at different moments on different ranks, `communicator` must carry nothing
/// else between begin() and finish().
///
/// Parameters are float32 or float64 leaves. Their gradients in device memory pass through host
/// memory unless the communicator is NCCL. The reducer knows nothing of graphs. It keeps the
/// parameters alive; `communicator` must outlive it. Throws Error(kCommunication) from the
/// communicator, and Error(kUsage) on every rank at construction when ranks disagree on the number,
/// order, shapes or types of parameters.
class GradientReducer {
 public:
  GradientReducer(std::vector<at::Tensor> parameters,
                  Communicator& communicator,
                  ReducerOptions options = {});
  ~GradientReducer();
  GradientReducer(const GradientReducer&) = delete;
  GradientReducer& operator=(const GradientReducer&) = delete;

  /// Opens a step. Drops every parameter's `.grad`, the last step's sum, lest it be summed again.
  void begin(std::int64_t local_micro_batches);
  /// After each backward; one backward a micro-batch.
  void micro_batch_done();
  /// Sends what has not left, waits, writes the sums. Collective.
  void finish();

  /// Buckets that left before their step's last backward ended, over all steps; for tests and
  /// reports.
  std::int64_t overlapped_buckets() const;
  std::int64_t num_buckets() const;
  double wait_seconds() const;  ///< spent waiting in finish(), over all steps

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Copies rank 0's parameters to every rank.
void broadcast_parameters(const std::vector<at::Tensor>& parameters, Communicator& communicator);

}  // namespace regatta
