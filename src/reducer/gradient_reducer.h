// Data-parallel gradients for any LibTorch module: buckets in fixed order, started while backward
// goes on.
#pragma once

#include "comm/communicator.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace regatta {

struct ReducerOptions {
  /// A bucket is closed when its gradients hold at least this many bytes.
  std::int64_t bucket_bytes = 4 << 20;
  /// Sums in fixed point: the same bits for any number of ranks and any shares of the micro-batches
  /// (docs/numerics.md, "Sums"). false: floating point, in the order that the communicator chooses.
  bool reproducible = true;
  /// Numbers that each micro-batch adds beside its gradients, as its loss; summed likewise.
  std::int64_t scalars = 0;
};

/// Sums `.grad` of `parameters` over the micro-batches of a step on all ranks of `communicator`
/// (sum, never average).
///
/// Use, identical on every rank, once per step:
///   do {
///     reducer.begin(local_micro_batches, step_micro_batches);  // local may be 0: zeros then
///     for each local micro-batch { loss.backward(); reducer.micro_batch_done(scalars); }
///   } while (!reducer.finish());      // every parameter now has .grad = the global sum
///
/// finish() returns false, on all ranks alike, where the step must be computed once more: always
/// in the first step that a parameter has a gradient, and where gradients have outgrown (or fallen
/// far below) the scale that the step before had set. A second repetition never happens when the
/// micro-batches compute what they computed before. Without `reproducible` it is always true.
///
/// Buckets are filled in reverse order of the parameters and leave in that order on all ranks,
/// during the last local micro-batch's backward; a parameter without a gradient counts as zeros.
/// Because buckets leave at different moments on different ranks, `communicator` must carry nothing
/// else between begin() and finish().
///
/// Determinism: with `reproducible` the sums, scalars and shifts are functions of what the
/// micro-batches computed and of the steps before, whoever computed them. A gradient that is NaN or
/// infinite anywhere makes the whole sum of its parameter NaN on every rank.
///
/// Frozen parameters: one whose requires_grad is false when the reducer is made is left alone, with
/// its `.grad`, and sends nothing; begin() throws Error(kUsage) if it wants a gradient later (make a
/// new reducer then). One that is frozen later counts as zeros, on the ranks where it is, and may
/// thaw. Shifts and buckets are those of the others.
///
/// Parameters are float32 or float64 leaves. Their gradients in device memory pass through host
/// memory unless the communicator is NCCL. The reducer knows nothing of graphs. It keeps the
/// parameters alive; `communicator` must outlive it. Throws Error(kCommunication) from the
/// communicator, and Error(kUsage) on every rank at construction when ranks disagree on the number,
/// order, shapes or types of parameters.
class GradientReducer {
 public:
  GradientReducer(const std::vector<at::Tensor>& parameters,
                  Communicator& communicator,
                  ReducerOptions options = {});
  ~GradientReducer();
  GradientReducer(const GradientReducer&) = delete;
  GradientReducer& operator=(const GradientReducer&) = delete;

  /// Opens a step. Drops every parameter's `.grad`, the last step's sum, lest it be summed again.
  /// `step_micro_batches`: of all ranks together, alike on each; 0: summed here (collective).
  void begin(std::int64_t local_micro_batches, std::int64_t step_micro_batches = 0);
  /// After each backward; one backward a micro-batch. `scalars`: ReducerOptions::scalars numbers.
  void micro_batch_done(std::span<const double> scalars = {});
  /// Sends what has not left, waits, writes the sums. Collective. See above for the result.
  [[nodiscard]] bool finish();

  /// Sums of the last finished step.
  const std::vector<double>& scalars() const;

  /// A number that the ranks agree on in every finish(): the largest that any rank has set. For
  /// what must happen on all ranks after the same step, as a stop on a signal.
  void request(std::int64_t value);
  std::int64_t agreed_request() const;

  /// What the next step's sums depend on beside its gradients; for a checkpoint. Empty without
  /// `reproducible`. restore() throws Error(kData) where it does not fit these parameters.
  std::vector<std::int64_t> shifts() const;
  void restore_shifts(const std::vector<std::int64_t>& shifts);

  /// Buckets that left before their step's last backward ended, over all steps; for tests and
  /// reports.
  std::int64_t overlapped_buckets() const;
  std::int64_t num_buckets() const;
  std::int64_t repeated_steps() const;  ///< times finish() returned false
  double wait_seconds() const;          ///< spent waiting in finish(), over all steps

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Copies rank 0's parameters to every rank.
void broadcast_parameters(const std::vector<at::Tensor>& parameters, Communicator& communicator);

/// Replicas that have not diverged: throws Error(kInternal), with the same words on every rank,
/// naming the first rank and parameter (by number, from 0) whose type, shape or bytes are not rank
/// 0's. Compares checksums (CRC32C) of the bytes; reads all parameters. Collective.
void check_parameters_equal(const std::vector<at::Tensor>& parameters, Communicator& communicator);

}  // namespace regatta
