// Hooks on gradient accumulators fill buckets and start their sums in order.
#include "reducer/gradient_reducer.h"

#include "core/error.h"
#include "core/timer.h"
#include "reducer/parameter_agreement.h"

#include <torch/torch.h>

#include <functional>
#include <mutex>
#include <utility>

namespace regatta {
namespace {

/// Calls back after autograd has added to a parameter's `.grad`.
class GradientHook final : public torch::autograd::FunctionPostHook {
 public:
  explicit GradientHook(std::function<void()> callback) : callback_(std::move(callback)) {}
  torch::autograd::variable_list operator()(
      const torch::autograd::variable_list& outputs,
      const torch::autograd::variable_list& /*inputs*/) override {
    callback_();
    return outputs;
  }

 private:
  std::function<void()> callback_;
};

/// A run of parameters (in reverse order) whose gradients travel as one array.
struct Bucket {
  at::Tensor flat;                      ///< [sum of numel]
  std::vector<std::size_t> parameters;  ///< indices, descending
  std::vector<at::Tensor> parts;        ///< views of `flat` shaped as the parameters
  std::size_t arrived = 0;              ///< gradients complete in this step
  std::unique_ptr<Work> work;           ///< set once the bucket has left
};

std::vector<Bucket> make_buckets(const std::vector<at::Tensor>& parameters,
                                 std::int64_t bucket_bytes,
                                 bool stay_on_device) {
  std::vector<Bucket> buckets;
  std::int64_t bytes = bucket_bytes;
  for (std::size_t i = parameters.size(); i-- > 0;) {
    const at::Tensor& parameter = parameters[i];
    const at::Tensor* last =
        buckets.empty() ? nullptr : &parameters[buckets.back().parameters.back()];
    const bool fits = last != nullptr && last->scalar_type() == parameter.scalar_type() &&
                      last->device() == parameter.device();
    if (!fits || bytes >= bucket_bytes) {
      buckets.emplace_back();
      bytes = 0;
    }
    buckets.back().parameters.push_back(i);
    bytes += parameter.numel() * parameter.element_size();
  }
  for (Bucket& bucket : buckets) {
    std::int64_t count = 0;
    for (const std::size_t i : bucket.parameters) {
      count += parameters[i].numel();
    }
    const at::Tensor& first = parameters[bucket.parameters.front()];
    const at::Device device = stay_on_device ? first.device() : at::Device(at::kCPU);
    bucket.flat = at::empty({count}, first.options().device(device).requires_grad(false));
    std::int64_t offset = 0;
    for (const std::size_t i : bucket.parameters) {
      bucket.parts.push_back(
          bucket.flat.narrow(0, offset, parameters[i].numel()).view(parameters[i].sizes()));
      offset += parameters[i].numel();
    }
  }
  return buckets;
}

}  // namespace

struct GradientReducer::State {
  std::vector<at::Tensor> parameters;
  Communicator& communicator;
  std::vector<Bucket> buckets;
  std::vector<std::size_t> bucket_of;  ///< by parameter
  std::vector<bool> arrived;           ///< by parameter, in this step's last micro-batch
  // Accumulators are held only weakly by their tensors: without these the hooks would vanish.
  std::vector<std::pair<std::shared_ptr<torch::autograd::Node>, std::uintptr_t>> hooks;

  std::mutex mutex;  ///< backward runs a thread per device
  bool open = false;
  std::int64_t micro_batches = 0;
  std::int64_t micro_batches_done = 0;
  std::size_t next_bucket = 0;  ///< buckets before it have left
  std::size_t next_unfinished = 0;
  std::int64_t overlapped = 0;
  double wait_seconds = 0;

  State(std::vector<at::Tensor> list, Communicator& comm, std::int64_t bucket_bytes)
      : parameters(std::move(list)), communicator(comm) {
    buckets = make_buckets(parameters, bucket_bytes, comm.name() == "nccl");
    bucket_of.resize(parameters.size());
    arrived.resize(parameters.size());
    for (std::size_t b = 0; b < buckets.size(); ++b) {
      for (const std::size_t i : buckets[b].parameters) {
        bucket_of[i] = b;
      }
    }
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      auto accumulator = torch::autograd::impl::grad_accumulator(parameters[i]);
      const auto key =
          accumulator->add_post_hook(std::make_unique<GradientHook>([this, i] { on_gradient(i); }));
      hooks.emplace_back(std::move(accumulator), key);
    }
  }
  ~State() {
    for (auto& [accumulator, key] : hooks) {
      accumulator->del_post_hook(key);
    }
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void on_gradient(std::size_t i);
  void send_next_bucket();
  void write_back(const Bucket& bucket);
};

void GradientReducer::State::on_gradient(std::size_t i) {
  const std::lock_guard lock(mutex);
  if (!open || micro_batches_done + 1 != micro_batches) {
    return;  // a backward outside a step, or more micro-batches follow
  }
  Bucket& bucket = buckets[bucket_of[i]];
  REGATTA_CHECK(bucket.work == nullptr,
                "parameter {} got a second gradient after its bucket had left: call "
                "backward once in each micro-batch",
                i);
  if (!arrived[i]) {
    arrived[i] = true;
    ++bucket.arrived;
  }
  while (next_bucket < buckets.size() &&
         buckets[next_bucket].arrived == buckets[next_bucket].parameters.size()) {
    send_next_bucket();
    ++overlapped;
  }
  // MPI moves data only inside its calls.
  if (next_unfinished < next_bucket && buckets[next_unfinished].work->done()) {
    ++next_unfinished;
  }
}

void GradientReducer::State::send_next_bucket() {
  const at::NoGradGuard no_grad;
  Bucket& bucket = buckets[next_bucket];
  for (std::size_t k = 0; k < bucket.parameters.size(); ++k) {
    const at::Tensor& gradient = parameters[bucket.parameters[k]].grad();
    if (gradient.defined()) {
      REGATTA_CHECK(gradient.layout() == at::kStrided,
                    "parameter {} has a sparse gradient",
                    bucket.parameters[k]);
      bucket.parts[k].copy_(gradient);
    } else {
      bucket.parts[k].zero_();
    }
  }
  const ReduceType type =
      bucket.flat.scalar_type() == at::kFloat ? ReduceType::kFloat32 : ReduceType::kFloat64;
  bucket.work = communicator.start_all_reduce(
      bucket.flat.data_ptr(), bucket.flat.numel(), type, ReduceOp::kSum);
  ++next_bucket;
}

void GradientReducer::State::write_back(const Bucket& bucket) {
  const at::NoGradGuard no_grad;
  for (std::size_t k = 0; k < bucket.parameters.size(); ++k) {
    at::Tensor& parameter = parameters[bucket.parameters[k]];
    at::Tensor& gradient = parameter.mutable_grad();
    if (gradient.defined()) {
      gradient.copy_(bucket.parts[k]);
    } else {
      gradient = bucket.parts[k].to(parameter.device(), /*non_blocking=*/false, /*copy=*/true);
    }
  }
}

GradientReducer::GradientReducer(std::vector<at::Tensor> parameters,
                                 Communicator& communicator,
                                 ReducerOptions options) {
  check_parameters_agree(parameters, options.bucket_bytes, communicator);
  state_ = std::make_unique<State>(std::move(parameters), communicator, options.bucket_bytes);
}

GradientReducer::~GradientReducer() = default;

void GradientReducer::begin(std::int64_t local_micro_batches) {
  State& state = *state_;
  REGATTA_CHECK(!state.open, "begin() before the last step's finish()");
  REGATTA_CHECK(local_micro_batches >= 0);
  for (at::Tensor& parameter : state.parameters) {
    parameter.mutable_grad().reset();
  }
  for (Bucket& bucket : state.buckets) {
    bucket.arrived = 0;
  }
  state.arrived.assign(state.arrived.size(), false);
  state.micro_batches = local_micro_batches;
  state.micro_batches_done = 0;
  state.next_bucket = 0;
  state.next_unfinished = 0;
  state.open = true;
}

void GradientReducer::micro_batch_done() {
  State& state = *state_;
  REGATTA_CHECK(state.open && state.micro_batches_done < state.micro_batches,
                "micro_batch_done() beyond the {} announced",
                state.micro_batches);
  ++state.micro_batches_done;
}

void GradientReducer::finish() {
  State& state = *state_;
  REGATTA_CHECK(state.open, "finish() without begin()");
  REGATTA_CHECK(state.micro_batches_done == state.micro_batches,
                "{} of {} micro-batches are done",
                state.micro_batches_done,
                state.micro_batches);
  while (state.next_bucket < state.buckets.size()) {
    state.send_next_bucket();
  }
  for (Bucket& bucket : state.buckets) {
    const Timer timer;
    bucket.work->wait();
    state.wait_seconds += timer.seconds();
    bucket.work.reset();
    state.write_back(bucket);
  }
  state.open = false;
}

std::int64_t GradientReducer::overlapped_buckets() const {
  return state_->overlapped;
}
std::int64_t GradientReducer::num_buckets() const {
  return static_cast<std::int64_t>(state_->buckets.size());
}
double GradientReducer::wait_seconds() const {
  return state_->wait_seconds;
}

void broadcast_parameters(const std::vector<at::Tensor>& parameters, Communicator& communicator) {
  const at::NoGradGuard no_grad;
  for (const at::Tensor& parameter : parameters) {
    const at::Tensor host =
        parameter.detach().to(at::kCPU).contiguous();  // the parameter itself where it can be
    communicator.broadcast(host.data_ptr(), static_cast<std::int64_t>(host.nbytes()), 0);
    if (!host.is_alias_of(parameter)) {
      parameter.detach().copy_(host);
    }
  }
}

}  // namespace regatta
