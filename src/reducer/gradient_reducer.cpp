// Hooks on gradient accumulators fill buckets and start their sums in order.
#include "reducer/gradient_reducer.h"

#include "core/error.h"
#include "core/timer.h"
#include "reducer/fixed_point_gradients.h"
#include "reducer/gradient_buckets.h"
#include "reducer/parameter_agreement.h"

#include <torch/autograd.h>
#include <torch/types.h>

#include <functional>
#include <mutex>
#include <optional>
#include <span>
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

}  // namespace

struct GradientReducer::State {
  std::vector<at::Tensor> parameters;  ///< all but the frozen ones
  std::vector<std::size_t> numbers;    ///< by parameter: its place in the caller's list
  std::vector<std::pair<std::size_t, at::Tensor>> frozen;  ///< with their places
  Communicator& communicator;
  ReducerOptions options;
  std::vector<GradientBucket> buckets;
  std::vector<std::size_t> bucket_of;        ///< by parameter
  std::vector<at::Tensor> part_of;           ///< by parameter: its place in the bucket
  std::vector<at::Tensor> sums;              ///< by parameter: what .grad becomes
  std::vector<bool> arrived;                 ///< by parameter, in this micro-batch
  std::vector<bool> filled;                  ///< by parameter, in this step
  std::optional<FixedPointGradients> fixed;  ///< with options.reproducible
  at::Tensor scalar_sums;                    ///< [scalars]: int64, or double without reproducible
  std::vector<double> scalars;               ///< of the last finished step
  std::int64_t request = 0, agreed_request = 0;
  // Accumulators are held only weakly by their tensors: without these the hooks would vanish.
  std::vector<std::pair<std::shared_ptr<torch::autograd::Node>, std::uintptr_t>> hooks;

  std::mutex mutex;  ///< backward runs a thread per device
  bool open = false;
  std::int64_t micro_batches = 0;
  std::int64_t micro_batches_done = 0;
  std::size_t next_bucket = 0;  ///< buckets before it have left
  std::size_t next_unfinished = 0;
  std::int64_t overlapped = 0;
  std::int64_t repeated = 0;
  double wait_seconds = 0;

  State(const std::vector<at::Tensor>& list, Communicator& comm, const ReducerOptions& chosen);
  ~State() {
    for (auto& [accumulator, key] : hooks) {
      accumulator->del_post_hook(key);
    }
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  bool on_device() const { return communicator.name() == "nccl"; }
  at::Device device() const {
    return on_device() && !parameters.empty() ? parameters[0].device() : at::Device(at::kCPU);
  }
  bool in_last_micro_batch() const { return micro_batches_done + 1 == micro_batches; }
  void on_gradient(std::size_t i);
  void check_dense(std::size_t i) const {
    REGATTA_CHECK(parameters[i].grad().layout() == at::kStrided,
                  "parameter {} has a sparse gradient",
                  numbers[i]);
  }
  void absorb(std::size_t i);
  void add_scalars(std::span<const double> values);
  void send_next_bucket();
  void fill(const GradientBucket& bucket);
  void write_back(const GradientBucket& bucket);
  bool agree();
  void wait_for_buckets();
};

GradientReducer::State::State(const std::vector<at::Tensor>& list,
                              Communicator& comm,
                              const ReducerOptions& chosen)
    : communicator(comm), options(chosen), scalars(static_cast<std::size_t>(chosen.scalars)) {
  for (std::size_t number = 0; number < list.size(); ++number) {
    if (!list[number].requires_grad()) {
      frozen.emplace_back(number, list[number]);
    } else {
      parameters.push_back(list[number]);
      numbers.push_back(number);
    }
  }
  bucket_of.resize(parameters.size());
  part_of.resize(parameters.size());
  sums.resize(parameters.size());
  arrived.resize(parameters.size());
  filled.resize(parameters.size());
  buckets =
      make_gradient_buckets(parameters, options.bucket_bytes, on_device(), options.reproducible);
  for (std::size_t b = 0; b < buckets.size(); ++b) {
    for (std::size_t k = 0; k < buckets[b].parameters.size(); ++k) {
      bucket_of[buckets[b].parameters[k]] = b;
      part_of[buckets[b].parameters[k]] = buckets[b].parts[k];
    }
  }
  if (options.reproducible)
    fixed.emplace(parameters, options.scalars, device());
  scalar_sums = at::zeros({options.scalars},
                          at::TensorOptions(options.reproducible ? at::kLong : at::kDouble));
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    auto accumulator = torch::autograd::impl::grad_accumulator(parameters[i]);
    const auto key =
        accumulator->add_post_hook(std::make_unique<GradientHook>([this, i] { on_gradient(i); }));
    hooks.emplace_back(std::move(accumulator), key);
  }
}

void GradientReducer::State::on_gradient(std::size_t i) {
  const std::lock_guard lock(mutex);
  // A backward outside a step, or floats that autograd itself adds up until the last micro-batch.
  if (!open || micro_batches_done == micro_batches || (!fixed && !in_last_micro_batch()))
    return;
  GradientBucket& bucket = buckets[bucket_of[i]];
  REGATTA_CHECK(bucket.work == nullptr && !(fixed && arrived[i]),
                "parameter {} got a second gradient in one micro-batch: call backward once in each",
                numbers[i]);
  if (fixed)
    absorb(i);
  if (!in_last_micro_batch())
    return;
  if (!arrived[i] || fixed)
    ++bucket.arrived;
  arrived[i] = true;
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

/// Takes `.grad` away as integers: autograd must not add the next micro-batch's to it.
void GradientReducer::State::absorb(std::size_t i) {
  const at::NoGradGuard no_grad;
  check_dense(i);
  fixed->absorb(i, parameters[i].grad(), part_of[i], !filled[i]);
  parameters[i].mutable_grad().reset();
  filled[i] = true;
  arrived[i] = true;
}

void GradientReducer::State::add_scalars(std::span<const double> values) {
  REGATTA_CHECK(values.size() == scalars.size(),
                "{} scalars a micro-batch were announced, {} given",
                scalars.size(),
                values.size());
  for (std::size_t k = 0; k < values.size(); ++k) {
    if (fixed)
      fixed->absorb_scalar(
          k, values[k], scalar_sums.data_ptr<std::int64_t>()[k], micro_batches_done == 0);
    else
      scalar_sums.data_ptr<double>()[k] += values[k];
  }
}

/// What has not been written yet: gradients as floats, or zeros.
void GradientReducer::State::fill(const GradientBucket& bucket) {
  for (std::size_t k = 0; k < bucket.parameters.size(); ++k) {
    const std::size_t i = bucket.parameters[k];
    const at::Tensor& gradient = parameters[i].grad();
    if (fixed ? !filled[i] : !gradient.defined()) {
      part_of[i].zero_();
    } else if (!fixed) {
      check_dense(i);
      part_of[i].copy_(gradient);
    }
  }
}

void GradientReducer::State::send_next_bucket() {
  const at::NoGradGuard no_grad;
  GradientBucket& bucket = buckets[next_bucket];
  fill(bucket);
  const at::ScalarType type = bucket.flat.scalar_type();
  bucket.work = communicator.start_all_reduce(bucket.flat.data_ptr(),
                                              bucket.flat.numel(),
                                              type == at::kLong    ? ReduceType::kInt64
                                              : type == at::kFloat ? ReduceType::kFloat32
                                                                   : ReduceType::kFloat64,
                                              ReduceOp::kSum);
  ++next_bucket;
}

void GradientReducer::State::write_back(const GradientBucket& bucket) {
  const at::NoGradGuard no_grad;
  for (const std::size_t i : bucket.parameters) {
    if (!sums[i].defined())
      sums[i] = at::empty(parameters[i].sizes(), parameters[i].options().requires_grad(false));
    if (fixed)
      fixed->write(i, part_of[i], sums[i]);
    else
      sums[i].copy_(part_of[i]);
    parameters[i].mutable_grad() = sums[i];
  }
}

/// The scalars' sums, and the small maximum beside the last bucket: magnitudes and the request.
bool GradientReducer::State::agree() {
  const at::NoGradGuard no_grad;
  at::Tensor sent_scalars = scalar_sums.to(device());
  if (options.scalars > 0)
    communicator.all_reduce(sent_scalars.data_ptr(),
                            options.scalars,
                            fixed ? ReduceType::kInt64 : ReduceType::kFloat64,
                            ReduceOp::kSum);
  at::Tensor last = at::full({1}, request, at::TensorOptions(at::kLong).device(device()));
  if (fixed)
    last = at::cat({last, fixed->magnitudes()});
  communicator.all_reduce(last.data_ptr(), last.numel(), ReduceType::kInt64, ReduceOp::kMax);
  agreed_request = last[0].item<std::int64_t>();
  const bool good = !fixed || fixed->settle(last.slice(0, 1));
  scalar_sums = sent_scalars.cpu();
  for (std::size_t k = 0; k < scalars.size(); ++k)
    scalars[k] = fixed ? fixed->scalar(k, scalar_sums.data_ptr<std::int64_t>()[k])
                       : scalar_sums.data_ptr<double>()[k];
  return good;
}

void GradientReducer::State::wait_for_buckets() {
  for (GradientBucket& bucket : buckets) {
    bucket.work->wait();
    bucket.work.reset();
  }
}

GradientReducer::GradientReducer(const std::vector<at::Tensor>& parameters,
                                 Communicator& communicator,
                                 ReducerOptions options) {
  check_parameters_agree(parameters, options, communicator);
  state_ = std::make_unique<State>(parameters, communicator, options);
}

GradientReducer::~GradientReducer() = default;

void GradientReducer::begin(std::int64_t local_micro_batches, std::int64_t step_micro_batches) {
  State& state = *state_;
  REGATTA_CHECK(!state.open, "begin() before the last step's finish()");
  REGATTA_CHECK(local_micro_batches >= 0);
  for (const auto& [number, parameter] : state.frozen) {
    if (parameter.requires_grad())
      fail(ExitCode::kUsage,
           "parameter {} was frozen when the gradient reducer was made and now wants a gradient. "
           "Make a new reducer.",
           number);
  }
  if (step_micro_batches == 0) {
    at::Tensor sum = at::full({1}, local_micro_batches, at::kLong).to(state.device());
    state.communicator.all_reduce(sum.data_ptr(), 1, ReduceType::kInt64, ReduceOp::kSum);
    step_micro_batches = sum.item<std::int64_t>();
  }
  REGATTA_CHECK(step_micro_batches >= local_micro_batches,
                "{} micro-batches here, {} in the whole step",
                local_micro_batches,
                step_micro_batches);
  for (at::Tensor& parameter : state.parameters) {
    parameter.mutable_grad().reset();
  }
  for (GradientBucket& bucket : state.buckets) {
    bucket.arrived = 0;
  }
  state.arrived.assign(state.arrived.size(), false);
  state.filled.assign(state.filled.size(), false);
  state.scalar_sums.zero_();
  if (state.fixed)
    state.fixed->begin(step_micro_batches);
  state.micro_batches = local_micro_batches;
  state.micro_batches_done = 0;
  state.next_bucket = 0;
  state.next_unfinished = 0;
  state.open = true;
}

void GradientReducer::micro_batch_done(std::span<const double> scalars) {
  State& state = *state_;
  REGATTA_CHECK(state.open && state.micro_batches_done < state.micro_batches,
                "micro_batch_done() beyond the {} announced",
                state.micro_batches);
  if (state.fixed) {
    // Gradients that were put in place by hand, as a replayed CUDA graph's are.
    for (std::size_t i = 0; i < state.parameters.size(); ++i) {
      if (!state.arrived[i] && state.parameters[i].grad().defined())
        state.absorb(i);
    }
  }
  state.add_scalars(scalars);
  ++state.micro_batches_done;
  if (state.micro_batches_done < state.micro_batches)
    state.arrived.assign(state.arrived.size(), false);
}

bool GradientReducer::finish() {
  State& state = *state_;
  REGATTA_CHECK(state.open, "finish() without begin()");
  REGATTA_CHECK(state.micro_batches_done == state.micro_batches,
                "{} of {} micro-batches are done",
                state.micro_batches_done,
                state.micro_batches);
  while (state.next_bucket < state.buckets.size()) {
    state.send_next_bucket();
  }
  const Timer timer;
  const bool good = state.agree();
  state.wait_for_buckets();
  state.wait_seconds += timer.seconds();
  state.open = false;
  if (!good) {
    ++state.repeated;
    return false;
  }
  for (const GradientBucket& bucket : state.buckets) state.write_back(bucket);
  return true;
}

const std::vector<double>& GradientReducer::scalars() const {
  return state_->scalars;
}

void GradientReducer::request(std::int64_t value) {
  state_->request = value;
}

std::int64_t GradientReducer::agreed_request() const {
  return state_->agreed_request;
}

std::vector<std::int64_t> GradientReducer::shifts() const {
  return state_->fixed ? state_->fixed->shifts().state() : std::vector<std::int64_t>{};
}

void GradientReducer::restore_shifts(const std::vector<std::int64_t>& shifts) {
  if (state_->fixed)
    state_->fixed->shifts().restore(shifts);
}

std::int64_t GradientReducer::overlapped_buckets() const {
  return state_->overlapped;
}

std::int64_t GradientReducer::num_buckets() const {
  return static_cast<std::int64_t>(state_->buckets.size());
}

std::int64_t GradientReducer::repeated_steps() const {
  return state_->repeated;
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
