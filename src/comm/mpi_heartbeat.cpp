#include "comm/mpi_heartbeat.h"

#include "comm/mpi_check.h"
#include "core/timer.h"

#include <chrono>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

namespace regatta {
namespace {

constexpr double kPatience = 5;  ///< seconds for a rank to close

/// What travels: flat, so that it may be sent as bytes.
struct Message {
  ProgressSnapshot progress;
  std::int64_t beat = 0;
  double silent_seconds = 0;
  std::int64_t last = 0;  ///< 1: the sender closes
};

/// A buffer that is being sent to, or received from, one rank.
struct Slot {
  std::vector<Message> messages;
  MPI_Request request = MPI_REQUEST_NULL;
};

class MpiHeartbeat final : public HeartbeatChannel {
 public:
  explicit MpiHeartbeat(MPI_Comm parent) {
    REGATTA_MPI(-1, MPI_Comm_dup(parent, &comm_));
    REGATTA_MPI(-1, MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN));
    REGATTA_MPI(-1, MPI_Comm_rank(comm_, &rank_));
    REGATTA_MPI(rank_, MPI_Comm_size(comm_, &size_));
    const auto ranks = static_cast<std::size_t>(size_);
    table_.resize(ranks);
    heard_.resize(ranks);
    closed_.resize(ranks, false);
    in_.resize(rank_ == 0 ? ranks : 1);
    out_.resize(rank_ == 0 ? ranks : 1);
    for (std::size_t peer = 0; peer < in_.size(); ++peer) {
      if (peer == 0 && rank_ == 0)
        continue;
      in_[peer].messages.resize(rank_ == 0 ? 1 : ranks);
      receive(peer);
    }
  }
  /// Without close() a rank that fails must not wait for its requests, and MPI may still write to
  /// their buffers: those are left to the process's end.
  ~MpiHeartbeat() override {
    if (orderly_)
      return;
    new std::vector<Slot>(std::move(in_));
    new std::vector<Slot>(std::move(out_));
  }
  MpiHeartbeat(const MpiHeartbeat&) = delete;
  MpiHeartbeat& operator=(const MpiHeartbeat&) = delete;

  std::vector<RankHeartbeat> exchange(const ProgressSnapshot& mine) override {
    pass(mine, false);
    std::vector<RankHeartbeat> heartbeats;
    for (const Message& message : table_)
      heartbeats.push_back({message.progress, message.beat, message.silent_seconds});
    if (rank_ != 0) {
      // What rank 0 said is as old as its last message.
      for (RankHeartbeat& heartbeat : heartbeats) heartbeat.silent_seconds += heard_[0].seconds();
    }
    return heartbeats;
  }

  void close() override {
    const Timer timer;
    bool told = false;
    while (timer.seconds() < kPatience && !(told && all_closed())) {
      // Rank 0 says its last word once it has heard everybody's.
      const bool last = rank_ != 0 || all_closed();
      told = pass(ProgressSnapshot{}, last) && last;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    orderly_ = true;
    for (Slot& slot : out_) {
      MPI_Test(&slot.request, &flag_, MPI_STATUS_IGNORE);
      orderly_ = orderly_ && flag_ != 0;
    }
    for (Slot& slot : in_) {
      if (slot.request != MPI_REQUEST_NULL) {
        orderly_ = false;
        MPI_Cancel(&slot.request);
        MPI_Request_free(&slot.request);
      }
    }
  }

 private:
  void receive(std::size_t peer) {
    Slot& slot = in_[peer];
    REGATTA_MPI(rank_,
                MPI_Irecv(slot.messages.data(),
                          static_cast<int>(slot.messages.size() * sizeof(Message)),
                          MPI_BYTE,
                          static_cast<int>(peer),
                          0,
                          comm_,
                          &slot.request));
  }
  /// False while the message before is still on its way.
  bool send(std::size_t peer, const std::vector<Message>& messages) {
    Slot& slot = out_[peer];
    REGATTA_MPI(rank_, MPI_Test(&slot.request, &flag_, MPI_STATUS_IGNORE));
    if (flag_ == 0)
      return false;
    slot.messages = messages;
    REGATTA_MPI(rank_,
                MPI_Isend(slot.messages.data(),
                          static_cast<int>(slot.messages.size() * sizeof(Message)),
                          MPI_BYTE,
                          static_cast<int>(peer),
                          0,
                          comm_,
                          &slot.request));
    return true;
  }
  bool all_closed() const {
    for (std::size_t peer = 0; peer < in_.size(); ++peer) {
      if (!(peer == 0 && rank_ == 0) && !closed_[peer])
        return false;
    }
    return true;
  }
  void take(std::size_t peer) {
    Slot& slot = in_[peer];
    while (!closed_[peer]) {
      REGATTA_MPI(rank_, MPI_Test(&slot.request, &flag_, MPI_STATUS_IGNORE));
      if (flag_ == 0)
        return;
      heard_[peer].restart();
      closed_[peer] = slot.messages.front().last != 0;
      if (rank_ == 0)
        table_[peer] = slot.messages.front();
      else
        table_ = slot.messages;
      if (!closed_[peer])
        receive(peer);
    }
  }
  /// One round; true when this rank's word went to everybody it is for.
  bool pass(const ProgressSnapshot& mine, bool last) {
    ++beat_;
    const Message own{mine, beat_, 0, last ? 1 : 0};
    bool sent = true;
    if (rank_ != 0) {
      take(0);
      if (!told_last_) {
        sent = send(0, {own});
        told_last_ = sent && last;
      }
      table_[static_cast<std::size_t>(rank_)] = own;
      return sent;
    }
    for (std::size_t peer = 1; peer < in_.size(); ++peer) {
      take(peer);
      table_[peer].silent_seconds = heard_[peer].seconds();
    }
    table_[0] = own;
    if (told_.empty())
      told_.resize(in_.size(), false);
    for (std::size_t peer = 1; peer < in_.size(); ++peer) {
      if (told_[peer])
        continue;
      const bool gone = send(peer, table_);
      told_[peer] = gone && last;
      sent = sent && gone;
    }
    return sent;
  }

  MPI_Comm comm_ = MPI_COMM_NULL;
  int rank_ = -1, size_ = 0, flag_ = 0;
  std::int64_t beat_ = 0;
  std::vector<Message> table_;  ///< by rank
  std::vector<Timer> heard_;    ///< by peer, since its last message
  std::vector<bool> closed_;    ///< by peer: it has said its last word
  std::vector<bool> told_;      ///< rank 0, by peer: it has heard ours
  bool told_last_ = false;
  bool orderly_ = false;        ///< no request is under way any more
  std::vector<Slot> in_, out_;  ///< by peer: all ranks on rank 0, rank 0 on the others
};

}  // namespace

std::unique_ptr<HeartbeatChannel> make_mpi_heartbeat(MPI_Comm parent) {
  return std::make_unique<MpiHeartbeat>(parent);
}

}  // namespace regatta
