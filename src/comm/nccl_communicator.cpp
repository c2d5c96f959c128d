// NCCL without blocking calls: whatever waits also asks whether the communicator has failed.
#include "comm/nccl_communicator.h"

#include "comm/nccl_check.h"
#include "core/error.h"

#include <cuda_runtime_api.h>
#include <nccl.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <unistd.h>
#include <utility>

namespace regatta {
namespace {

using std::chrono::microseconds;

ncclDataType_t nccl_type(ReduceType type) {
  switch (type) {
    case ReduceType::kInt64:
      return ncclInt64;
    case ReduceType::kFloat32:
      return ncclFloat32;
    case ReduceType::kFloat64:
      return ncclFloat64;
    case ReduceType::kByte:
      return ncclUint8;
  }
  fail(ExitCode::kInternal, "all_reduce: unknown element type {}", static_cast<int>(type));
}

ncclRedOp_t nccl_operation(ReduceType type, ReduceOp op) {
  REGATTA_CHECK(op != ReduceOp::kBitOr, "NCCL has no bit-or for device memory");
  REGATTA_CHECK(!(op == ReduceOp::kSum && type == ReduceType::kByte),
                "bytes have no sum, they would wrap");
  return op == ReduceOp::kSum ? ncclSum : ncclMax;
}

bool is_device_memory(const void* data) {
  cudaPointerAttributes attributes = {};
  if (cudaPointerGetAttributes(&attributes, data) != cudaSuccess) {
    cudaGetLastError();  // clears it
    return false;
  }
  return attributes.type == cudaMemoryTypeDevice || attributes.type == cudaMemoryTypeManaged;
}

/// Error(kDevice) on every rank when two ranks name the same GPU of the same host.
void check_one_rank_a_device(Communicator& mpi, int device) {
  char host[256] = {};
  gethostname(host, sizeof(host) - 1);
  char bus[64] = {};
  const cudaError_t status = cudaDeviceGetPCIBusId(bus, sizeof(bus), device);
  // A rank whose device fails says so through the same exchange, lest the others wait for it.
  const std::string mine = status == cudaSuccess ? std::string(host) + " " + bus
                                                 : std::string("!") + cudaGetErrorString(status);
  const auto gathered = mpi.all_gather(std::as_bytes(std::span(mine)));
  std::vector<std::string> names;
  for (const auto& bytes : gathered) {
    names.emplace_back(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  for (std::size_t r = 0; r < names.size(); ++r) {
    if (names[r].front() == '!') {
      fail(ExitCode::kDevice, "rank {}: its GPU cannot be used: {}", r, names[r].substr(1));
    }
    for (std::size_t q = 0; q < r; ++q) {
      if (names[q] == names[r]) {
        fail(ExitCode::kDevice,
             "ranks {} and {} share one GPU ({}), NCCL needs one each. Start at most as many ranks "
             "on a node as it "
             "has GPUs, or reduce over MPI.",
             q,
             r,
             names[r]);
      }
    }
  }
}

class NcclCommunicator final : public Communicator {
 public:
  NcclCommunicator(Communicator& mpi, const NcclOptions& options);
  ~NcclCommunicator() override;
  NcclCommunicator(const NcclCommunicator&) = delete;
  NcclCommunicator& operator=(const NcclCommunicator&) = delete;

  int rank() const override { return mpi_.rank(); }
  int size() const override { return mpi_.size(); }
  int local_rank() const override { return mpi_.local_rank(); }
  int local_size() const override { return mpi_.local_size(); }
  std::string name() const override { return "nccl"; }

  std::unique_ptr<Work> start_all_reduce(void* data,
                                         std::int64_t count,
                                         ReduceType type,
                                         ReduceOp op) override;
  void broadcast(void* data, std::int64_t bytes, int root) override {
    mpi_.broadcast(data, bytes, root);
  }
  std::vector<std::vector<std::byte>> all_gather(std::span<const std::byte> mine) override {
    return mpi_.all_gather(mine);
  }
  std::vector<std::vector<std::byte>> all_to_all(
      const std::vector<std::vector<std::byte>>& outgoing) override {
    return mpi_.all_to_all(outgoing);
  }
  std::int64_t exclusive_scan(std::int64_t value) override { return mpi_.exclusive_scan(value); }
  void barrier() override { mpi_.barrier(); }
  [[noreturn]] void abort(int code) override {
    mpi_.abort(code);
    std::_Exit(code);  // the compiler does not know that the line above is the end
  }

  /// Throws when NCCL has met an error; true while it still works on a call.
  bool in_progress();
  cudaStream_t compute_stream() const {
    return options_.compute_stream == nullptr ? nullptr : options_.compute_stream();
  }

 private:
  void wait_for_nccl() {
    while (in_progress()) {
      std::this_thread::sleep_for(microseconds(100));
    }
  }

  Communicator& mpi_;
  NcclOptions options_;
  ncclComm_t comm_ = nullptr;
  cudaStream_t stream_ = nullptr;
  bool failed_ = false;
};

/// One reduction on the communicator's stream; `event_` marks its end.
class NcclWork final : public Work {
 public:
  NcclWork(NcclCommunicator& owner, cudaEvent_t event) : owner_(owner), event_(event) {}
  ~NcclWork() override {
    try {
      wait();
    } catch (const Error&) {
      // A destructor has nobody to tell; whoever waits for the next collective meets the same
      // error.
    }
    cudaEventDestroy(event_);
  }
  NcclWork(const NcclWork&) = delete;
  NcclWork& operator=(const NcclWork&) = delete;

  void wait() override {
    while (!done()) {
      std::this_thread::sleep_for(microseconds(10));
    }
  }
  bool done() override {
    if (done_) {
      return true;
    }
    const cudaError_t status = cudaEventQuery(event_);
    if (status == cudaErrorNotReady) {
      try {
        owner_.in_progress();
      } catch (const Error&) {
        done_ = true;  // for good: the destructor must not wait for this event
        throw;
      }
      return false;
    }
    done_ = true;
    REGATTA_CUDA(owner_.rank(), status);
    return true;
  }

 private:
  NcclCommunicator& owner_;
  cudaEvent_t event_;
  bool done_ = false;
};

NcclCommunicator::NcclCommunicator(Communicator& mpi, const NcclOptions& options)
    : mpi_(mpi), options_(options) {
  check_one_rank_a_device(mpi, options.device);
  REGATTA_CUDA(rank(), cudaSetDevice(options.device));
  struct {
    ncclResult_t status = ncclSuccess;
    ncclUniqueId id = {};
  } invitation;
  if (rank() == 0) {
    invitation.status = ncclGetUniqueId(&invitation.id);
  }
  mpi.broadcast(&invitation, sizeof(invitation), 0);
  if (invitation.status != ncclSuccess) {
    fail(ExitCode::kCommunication,
         "rank 0: ncclGetUniqueId failed: {}",
         ncclGetErrorString(invitation.status));
  }
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  REGATTA_NCCL(
      rank(), nullptr, ncclCommInitRankConfig(&comm_, size(), invitation.id, rank(), &config));
  wait_for_nccl();
  int lowest = 0;
  int highest = 0;
  REGATTA_CUDA(rank(), cudaDeviceGetStreamPriorityRange(&lowest, &highest));
  REGATTA_CUDA(rank(), cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, highest));
}

NcclCommunicator::~NcclCommunicator() {
  // After a failure NCCL's own cleaning up may hang; the process is about to end anyway.
  if (failed_) {
    return;
  }
  try {
    if (comm_ != nullptr) {
      REGATTA_NCCL(rank(), comm_, ncclCommFinalize(comm_));
      wait_for_nccl();
      ncclCommDestroy(comm_);
    }
  } catch (const Error&) {
    return;
  }
  if (stream_ != nullptr) {
    cudaStreamDestroy(stream_);
  }
}

bool NcclCommunicator::in_progress() {
  ncclResult_t state = ncclSuccess;
  const ncclResult_t asked = ncclCommGetAsyncError(comm_, &state);
  const ncclResult_t result = asked == ncclSuccess ? state : asked;
  failed_ = result != ncclSuccess && result != ncclInProgress;
  detail::check_nccl(result, comm_, {"NCCL", __FILE__, __LINE__, rank()});
  return result == ncclInProgress;
}

std::unique_ptr<Work> NcclCommunicator::start_all_reduce(void* data,
                                                         std::int64_t count,
                                                         ReduceType type,
                                                         ReduceOp op) {
  REGATTA_CHECK(count >= 0 && (data != nullptr || count == 0));
  if (count == 0 || !is_device_memory(data)) {
    return mpi_.start_all_reduce(data, count, type, op);
  }
  const ncclDataType_t element = nccl_type(type);
  const ncclRedOp_t operation = nccl_operation(type, op);
  cudaEvent_t event = nullptr;
  REGATTA_CUDA(rank(), cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  auto work = std::make_unique<NcclWork>(*this, event);
  // The reduction begins when the compute stream has filled the buffer; the host waits for neither.
  REGATTA_CUDA(rank(), cudaEventRecord(event, compute_stream()));
  REGATTA_CUDA(rank(), cudaStreamWaitEvent(stream_, event, 0));
  REGATTA_NCCL(
      rank(),
      comm_,
      ncclAllReduce(
          data, data, static_cast<std::size_t>(count), element, operation, comm_, stream_));
  wait_for_nccl();  // until it is on the stream; only then may the event follow it
  REGATTA_CUDA(rank(), cudaEventRecord(event, stream_));
  return work;
}

}  // namespace

std::unique_ptr<Communicator> make_nccl_communicator(Communicator& mpi,
                                                     const NcclOptions& options) {
  return std::make_unique<NcclCommunicator>(mpi, options);
}

std::string nccl_version() {
  int code = 0;
  if (ncclGetVersion(&code) != ncclSuccess) {
    return "unknown";
  }
  return fmt::format("{}.{}.{}", code / 10000, code / 100 % 100, code % 100);
}

}  // namespace regatta
