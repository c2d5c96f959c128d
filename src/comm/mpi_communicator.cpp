// The communicator over MPI: long messages go in pieces, errors come back as exceptions.
#include "comm/mpi_communicator.h"

#include "comm/mpi_check.h"
#include "comm/mpi_heartbeat.h"
#include "comm/mpi_node_sum.h"
#include "core/error.h"
#include "core/log.h"

#include <mpi.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace regatta {
namespace {

struct MpiElement {
  MPI_Datatype type;
  std::int64_t bytes;
};

MpiElement mpi_element(ReduceType type) {
  switch (type) {
    case ReduceType::kInt64:
      return {MPI_INT64_T, 8};
    case ReduceType::kFloat32:
      return {MPI_FLOAT, 4};
    case ReduceType::kFloat64:
      return {MPI_DOUBLE, 8};
    case ReduceType::kByte:
      return {MPI_UINT8_T, 1};  // MPI_BYTE has no maximum
  }
  fail(ExitCode::kInternal, "all_reduce: unknown element type {}", static_cast<int>(type));
}

MPI_Op mpi_operation(ReduceType type, ReduceOp op) {
  const bool real = type == ReduceType::kFloat32 || type == ReduceType::kFloat64;
  REGATTA_CHECK(!(op == ReduceOp::kBitOr && real), "bit-or needs integers or bytes");
  REGATTA_CHECK(!(op == ReduceOp::kSum && type == ReduceType::kByte),
                "bytes have no sum, they would wrap");
  switch (op) {
    case ReduceOp::kSum:
      return MPI_SUM;
    case ReduceOp::kMax:
      return MPI_MAX;
    case ReduceOp::kBitOr:
      return MPI_BOR;
  }
  fail(ExitCode::kInternal, "all_reduce: unknown operation {}", static_cast<int>(op));
}

/// Holds the requests of all pieces of one collective. `node_sum` (may be null) moves on too
/// while this is waited for.
class MpiWork final : public Work {
 public:
  MpiWork(int rank, std::vector<MPI_Request> requests, NodeSum* node_sum)
      : rank_(rank), requests_(std::move(requests)), node_sum_(node_sum) {}
  ~MpiWork() override {
    if (next_ < requests_.size() && node_sum_ != nullptr) {
      try {
        node_sum_->finish_all();
      } catch (const Error&) {  // MPI's own failure, which ends the waits below too
      }
    }
    for (; next_ < requests_.size(); ++next_) {
      REGATTA_MPI_NO_THROW(rank_, MPI_Wait(&requests_[next_], MPI_STATUS_IGNORE));
    }
  }
  MpiWork(const MpiWork&) = delete;
  MpiWork& operator=(const MpiWork&) = delete;

  void wait() override {
    if (node_sum_ != nullptr)
      node_sum_->finish_all();
    while (next_ < requests_.size()) {
      // Counted first: a request that failed is not waited for again by the destructor.
      MPI_Request* request = &requests_[next_++];
      REGATTA_MPI(rank_, MPI_Wait(request, MPI_STATUS_IGNORE));
    }
  }
  bool done() override {
    if (node_sum_ != nullptr)
      node_sum_->progress();
    while (next_ < requests_.size()) {
      int finished = 0;
      REGATTA_MPI(rank_, MPI_Test(&requests_[next_], &finished, MPI_STATUS_IGNORE));
      if (finished == 0) {
        return false;
      }
      ++next_;
    }
    return true;
  }

 private:
  int rank_;
  std::vector<MPI_Request> requests_;
  NodeSum* node_sum_;
  std::size_t next_ = 0;  ///< requests before it are complete
};

class MpiCommunicator final : public Communicator {
 public:
  MpiCommunicator(MPI_Comm parent, MpiLimits limits) : limits_(limits) {
    REGATTA_CHECK(limits.piece_bytes >= 8, "a piece must hold an element");
    REGATTA_MPI(-1, MPI_Comm_dup(parent, &comm_));
    REGATTA_MPI(-1, MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN));
    REGATTA_MPI(-1, MPI_Comm_rank(comm_, &rank_));
    REGATTA_MPI(rank_, MPI_Comm_size(comm_, &size_));
    split_nodes();
  }
  ~MpiCommunicator() override {
    node_sum_.reset();
    REGATTA_MPI_NO_THROW(rank_, MPI_Comm_free(&node_));
    REGATTA_MPI_NO_THROW(rank_, MPI_Comm_free(&comm_));
  }
  MpiCommunicator(const MpiCommunicator&) = delete;
  MpiCommunicator& operator=(const MpiCommunicator&) = delete;

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  int local_rank() const override { return local_rank_; }
  int local_size() const override { return local_size_; }
  std::string name() const override { return "mpi"; }

  std::unique_ptr<Work> start_all_reduce(void* data,
                                         std::int64_t count,
                                         ReduceType type,
                                         ReduceOp op) override;
  void broadcast(void* data, std::int64_t bytes, int root) override;
  std::vector<std::vector<std::byte>> all_gather(std::span<const std::byte> mine) override;
  std::vector<std::vector<std::byte>> all_to_all(
      const std::vector<std::vector<std::byte>>& outgoing) override;
  std::int64_t exclusive_scan(std::int64_t value) override;
  void barrier() override {
    finish_node_sums();
    REGATTA_MPI(rank_, MPI_Barrier(comm_));
  }
  std::unique_ptr<HeartbeatChannel> open_heartbeat() override { return make_mpi_heartbeat(comm_); }
  [[noreturn]] void abort(int code) override {
    // launch/mpirun.sh reads this where a dead link keeps mpirun from telling of the abort.
    log::error("the job ends with exit code {}", code);
    MPI_Abort(comm_, code);
    std::_Exit(code);  // MPI_Abort may return where the launcher is gone
  }

 private:
  void split_nodes();
  /// Before a call that blocks inside MPI.
  void finish_node_sums() {
    if (node_sum_ != nullptr)
      node_sum_->finish_all();
  }
  void gather_pieces(std::span<const std::byte> mine,
                     std::int64_t start,
                     std::int64_t limit,
                     std::vector<std::vector<std::byte>>& gathered);

  MPI_Comm comm_ = MPI_COMM_NULL;
  MPI_Comm node_ = MPI_COMM_NULL;      ///< this rank's
  std::unique_ptr<NodeSum> node_sum_;  ///< null where it cannot be had
  MpiLimits limits_;
  int rank_ = -1;
  int size_ = 0;
  int local_rank_ = 0;
  int local_size_ = 1;
};

void MpiCommunicator::split_nodes() {
  REGATTA_MPI(rank_,
              MPI_Comm_split_type(comm_, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &node_));
  REGATTA_MPI(rank_, MPI_Comm_rank(node_, &local_rank_));
  if (limits_.node_ranks > 0) {
    MPI_Comm part = MPI_COMM_NULL;
    REGATTA_MPI(rank_, MPI_Comm_split(node_, local_rank_ / limits_.node_ranks, rank_, &part));
    REGATTA_MPI(rank_, MPI_Comm_free(&node_));
    node_ = part;
    REGATTA_MPI(rank_, MPI_Comm_rank(node_, &local_rank_));
  }
  REGATTA_MPI(rank_, MPI_Comm_size(node_, &local_size_));
  if (limits_.share_memory && size_ > 1)
    node_sum_ = make_node_sum(comm_, node_);
}

std::unique_ptr<Work> MpiCommunicator::start_all_reduce(void* data,
                                                        std::int64_t count,
                                                        ReduceType type,
                                                        ReduceOp op) {
  REGATTA_CHECK(count >= 0 && (data != nullptr || count == 0));
  const MpiElement element = mpi_element(type);
  const MPI_Op operation = mpi_operation(type, op);
  if (node_sum_ != nullptr && op == ReduceOp::kSum && count * element.bytes >= limits_.share_from)
    return node_sum_->start(data, count, type);
  const std::int64_t piece = limits_.piece_bytes / element.bytes;
  std::vector<MPI_Request> requests;
  for (std::int64_t start = 0; start < count; start += piece) {
    auto* begin = static_cast<std::byte*>(data) + start * element.bytes;
    const int length = static_cast<int>(std::min(piece, count - start));
    requests.emplace_back();
    REGATTA_MPI(rank_,
                MPI_Iallreduce(
                    MPI_IN_PLACE, begin, length, element.type, operation, comm_, &requests.back()));
  }
  return std::make_unique<MpiWork>(rank_, std::move(requests), node_sum_.get());
}

void MpiCommunicator::broadcast(void* data, std::int64_t bytes, int root) {
  finish_node_sums();
  REGATTA_CHECK(bytes >= 0 && (data != nullptr || bytes == 0));
  REGATTA_CHECK(root >= 0 && root < size_, "no rank {} among {}", root, size_);
  for (std::int64_t start = 0; start < bytes; start += limits_.piece_bytes) {
    const int length = static_cast<int>(std::min(limits_.piece_bytes, bytes - start));
    REGATTA_MPI(rank_,
                MPI_Bcast(static_cast<std::byte*>(data) + start, length, MPI_BYTE, root, comm_));
  }
}

/// One round of all_gather: bytes [start, start + limit) of every rank that has them.
void MpiCommunicator::gather_pieces(std::span<const std::byte> mine,
                                    std::int64_t start,
                                    std::int64_t limit,
                                    std::vector<std::vector<std::byte>>& gathered) {
  const auto part = [&](std::size_t bytes) {
    return static_cast<int>(
        std::clamp<std::int64_t>(static_cast<std::int64_t>(bytes) - start, 0, limit));
  };
  std::vector<int> counts;
  std::vector<int> offsets;
  int total = 0;
  for (const auto& of_rank : gathered) {
    counts.push_back(part(of_rank.size()));
    offsets.push_back(total);
    total += counts.back();
  }
  std::vector<std::byte> received(static_cast<std::size_t>(total));
  const int length = part(mine.size());
  const std::byte* begin = length > 0 ? mine.data() + start : nullptr;
  REGATTA_MPI(rank_,
              MPI_Allgatherv(begin,
                             length,
                             MPI_BYTE,
                             received.data(),
                             counts.data(),
                             offsets.data(),
                             MPI_BYTE,
                             comm_));
  for (std::size_t r = 0; r < gathered.size(); ++r) {
    if (counts[r] > 0) {
      std::memcpy(gathered[r].data() + start,
                  received.data() + offsets[r],
                  static_cast<std::size_t>(counts[r]));
    }
  }
}

std::vector<std::vector<std::byte>> MpiCommunicator::all_gather(std::span<const std::byte> mine) {
  finish_node_sums();
  const auto my_bytes = static_cast<std::int64_t>(mine.size());
  std::vector<std::int64_t> bytes(static_cast<std::size_t>(size_));
  REGATTA_MPI(rank_, MPI_Allgather(&my_bytes, 1, MPI_INT64_T, bytes.data(), 1, MPI_INT64_T, comm_));
  std::vector<std::vector<std::byte>> gathered;
  for (const std::int64_t n : bytes) {
    gathered.emplace_back(static_cast<std::size_t>(n));
  }
  const std::int64_t longest = *std::max_element(bytes.begin(), bytes.end());
  const std::int64_t limit = std::max<std::int64_t>(1, limits_.piece_bytes / size_);
  for (std::int64_t start = 0; start < longest; start += limit) {
    gather_pieces(mine, start, limit, gathered);
  }
  return gathered;
}

std::vector<std::vector<std::byte>> MpiCommunicator::all_to_all(
    const std::vector<std::vector<std::byte>>& outgoing) {
  finish_node_sums();
  const auto ranks = static_cast<std::size_t>(size_);
  REGATTA_CHECK(outgoing.size() == ranks, "{} buffers for {} ranks", outgoing.size(), size_);
  std::vector<std::int64_t> sent(ranks);
  std::vector<std::int64_t> received(ranks);
  for (std::size_t r = 0; r < ranks; ++r) {
    sent[r] = static_cast<std::int64_t>(outgoing[r].size());
  }
  REGATTA_MPI(rank_,
              MPI_Alltoall(sent.data(), 1, MPI_INT64_T, received.data(), 1, MPI_INT64_T, comm_));
  std::vector<std::vector<std::byte>> incoming(ranks);
  std::vector<MPI_Request> requests;
  const auto pieces = [&](std::int64_t bytes, auto&& start_piece) {
    for (std::int64_t start = 0; start < bytes; start += limits_.piece_bytes) {
      requests.emplace_back();
      start_piece(
          start, static_cast<int>(std::min(limits_.piece_bytes, bytes - start)), &requests.back());
    }
  };
  // Messages, not MPI_Alltoallv: no copy into one buffer, and pairs without data cost nothing.
  // Pieces of a pair arrive in the order they leave.
  for (int r = 0; r < size_; ++r) {
    auto& target = incoming[static_cast<std::size_t>(r)];
    target.resize(static_cast<std::size_t>(received[static_cast<std::size_t>(r)]));
    pieces(received[static_cast<std::size_t>(r)],
           [&](std::int64_t start, int length, MPI_Request* request) {
             REGATTA_MPI(rank_,
                         MPI_Irecv(target.data() + start, length, MPI_BYTE, r, 0, comm_, request));
           });
  }
  for (int i = 0; i < size_; ++i) {
    const int r = (rank_ + i) % size_;  // not all to rank 0 first
    const auto& source = outgoing[static_cast<std::size_t>(r)];
    pieces(sent[static_cast<std::size_t>(r)],
           [&](std::int64_t start, int length, MPI_Request* request) {
             REGATTA_MPI(rank_,
                         MPI_Isend(source.data() + start, length, MPI_BYTE, r, 0, comm_, request));
           });
  }
  MpiWork(rank_, std::move(requests), nullptr).wait();
  return incoming;
}

std::int64_t MpiCommunicator::exclusive_scan(std::int64_t value) {
  finish_node_sums();
  std::int64_t before = 0;
  REGATTA_MPI(rank_, MPI_Exscan(&value, &before, 1, MPI_INT64_T, MPI_SUM, comm_));
  return rank_ == 0 ? 0 : before;  // MPI leaves rank 0's result undefined
}

}  // namespace

std::unique_ptr<Communicator> make_mpi_communicator(MPI_Comm parent, MpiLimits limits) {
  return std::make_unique<MpiCommunicator>(parent, limits);
}

}  // namespace regatta
