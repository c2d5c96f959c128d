// Collectives over ranks. Every collective leaves from one thread in program order on every rank.
#pragma once

#include "comm/heartbeat.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace regatta {

enum class ReduceOp { kSum, kMax, kBitOr };
enum class ReduceType { kInt64, kFloat32, kFloat64, kByte };  ///< kByte: kMax and kBitOr only

/// A collective under way. Destroying one that was not waited for waits.
class Work {
 public:
  virtual ~Work() = default;
  virtual void wait() = 0;
  virtual bool done() = 0;
};

/// Backends: self (size 1, a real backend), mpi, nccl. Failures throw Error(kCommunication) naming
/// rank, collective and the library's message. Counts are 64-bit and split below 2^31 where the
/// library needs it.
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Ranks on the same node (MPI_Comm_split_type SHARED), this rank's number among them and their
  /// count.
  virtual int local_rank() const = 0;
  virtual int local_size() const = 0;
  virtual std::string name() const = 0;  ///< "self", "mpi", "nccl"

  /// In place over `count` elements at `data`, which must stay alive until wait().
  virtual std::unique_ptr<Work> start_all_reduce(void* data,
                                                 std::int64_t count,
                                                 ReduceType type,
                                                 ReduceOp op) = 0;
  virtual void broadcast(void* data, std::int64_t bytes, int root) = 0;
  /// Every rank's bytes, concatenated by rank; sizes may differ and may be 0.
  virtual std::vector<std::vector<std::byte>> all_gather(std::span<const std::byte> mine) = 0;
  /// Bytes for each rank in, bytes from each rank out.
  virtual std::vector<std::vector<std::byte>> all_to_all(
      const std::vector<std::vector<std::byte>>& outgoing) = 0;
  /// Sum of `value` over all lower ranks (0 on rank 0).
  virtual std::int64_t exclusive_scan(std::int64_t value) = 0;
  virtual void barrier() = 0;
  /// A channel for signs of life that another thread may use beside these collectives; null where
  /// there is nobody to hear them. Collective.
  virtual std::unique_ptr<HeartbeatChannel> open_heartbeat() { return nullptr; }
  /// Ends the whole job with `code`; does not return.
  [[noreturn]] virtual void abort(int code) = 0;

  void all_reduce(void* data, std::int64_t count, ReduceType type, ReduceOp op) {
    start_all_reduce(data, count, type, op)->wait();
  }
  void all_reduce_sum(std::span<std::int64_t> values) {
    all_reduce(values.data(),
               static_cast<std::int64_t>(values.size()),
               ReduceType::kInt64,
               ReduceOp::kSum);
  }
  void all_reduce_sum(std::span<double> values) {
    all_reduce(values.data(),
               static_cast<std::int64_t>(values.size()),
               ReduceType::kFloat64,
               ReduceOp::kSum);
  }
  std::int64_t all_reduce_max(std::int64_t value) {
    all_reduce(&value, 1, ReduceType::kInt64, ReduceOp::kMax);
    return value;
  }
};

std::unique_ptr<Communicator> make_self_communicator();

/// First object in main: MPI_Init_thread(MULTIPLE) and MPI_Finalize. Throws Error(kDevice) when
/// MPI_THREAD_MULTIPLE is not granted. A process started alone gets a world of one.
class MpiSession {
 public:
  MpiSession(int* argc, char*** argv);
  ~MpiSession();
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;
  /// World communicator; valid while the session lives.
  Communicator& world();

 private:
  std::unique_ptr<Communicator> world_;
};

std::string mpi_version();  ///< "Open MPI 4.1.4"

}  // namespace regatta
