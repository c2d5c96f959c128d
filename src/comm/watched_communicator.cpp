#include "comm/watched_communicator.h"

#include <cstdlib>
#include <utility>

namespace regatta {
namespace {

/// A wait that the watchdog sees.
class WaitScope {
 public:
  explicit WaitScope(Progress& progress) : progress_(progress) { progress_.begin_wait(); }
  ~WaitScope() { progress_.end_wait(); }
  WaitScope(const WaitScope&) = delete;
  WaitScope& operator=(const WaitScope&) = delete;

 private:
  Progress& progress_;
};

class WatchedWork final : public Work {
 public:
  WatchedWork(std::unique_ptr<Work> inner, Progress& progress)
      : inner_(std::move(inner)), progress_(progress) {}
  void wait() override {
    const WaitScope scope(progress_);
    inner_->wait();
  }
  bool done() override { return inner_->done(); }

 private:
  std::unique_ptr<Work> inner_;
  Progress& progress_;
};

std::int64_t bytes_of(ReduceType type) {
  return type == ReduceType::kByte ? 1 : type == ReduceType::kFloat32 ? 4 : 8;
}

class WatchedCommunicator final : public Communicator {
 private:
  template <class Call>
  auto note(const char* kind, std::int64_t bytes, Call call) {
    progress_.begin_collective(kind, bytes);
    const WaitScope scope(progress_);
    return call();
  }

 public:
  WatchedCommunicator(Communicator& inner, Progress& progress)
      : inner_(inner), progress_(progress) {}

  int rank() const override { return inner_.rank(); }
  int size() const override { return inner_.size(); }
  int local_rank() const override { return inner_.local_rank(); }
  int local_size() const override { return inner_.local_size(); }
  std::string name() const override { return inner_.name(); }

  std::unique_ptr<Work> start_all_reduce(void* data,
                                         std::int64_t count,
                                         ReduceType type,
                                         ReduceOp op) override {
    progress_.begin_collective("all_reduce", count * bytes_of(type));
    return std::make_unique<WatchedWork>(inner_.start_all_reduce(data, count, type, op), progress_);
  }
  void broadcast(void* data, std::int64_t bytes, int root) override {
    note("broadcast", bytes, [&] { inner_.broadcast(data, bytes, root); });
  }
  std::vector<std::vector<std::byte>> all_gather(std::span<const std::byte> mine) override {
    return note("all_gather", static_cast<std::int64_t>(mine.size()), [&] {
      return inner_.all_gather(mine);
    });
  }
  std::vector<std::vector<std::byte>> all_to_all(
      const std::vector<std::vector<std::byte>>& outgoing) override {
    std::int64_t bytes = 0;
    for (const auto& part : outgoing) bytes += static_cast<std::int64_t>(part.size());
    return note("all_to_all", bytes, [&] { return inner_.all_to_all(outgoing); });
  }
  std::int64_t exclusive_scan(std::int64_t value) override {
    return note("exclusive_scan", 8, [&] { return inner_.exclusive_scan(value); });
  }
  void barrier() override {
    note("barrier", 0, [&] { inner_.barrier(); });
  }
  std::unique_ptr<HeartbeatChannel> open_heartbeat() override { return inner_.open_heartbeat(); }
  [[noreturn]] void abort(int code) override {
    inner_.abort(code);
    std::_Exit(code);
  }

 private:
  Communicator& inner_;
  Progress& progress_;
};

}  // namespace

std::unique_ptr<Communicator> watch_communicator(Communicator& inner, Progress& progress) {
  return std::make_unique<WatchedCommunicator>(inner, progress);
}

}  // namespace regatta
