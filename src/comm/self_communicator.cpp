// The communicator of a process that works alone: collectives over one rank.
#include "comm/communicator.h"
#include "core/error.h"

#include <cstdlib>

namespace regatta {
namespace {

class DoneWork final : public Work {
 public:
  void wait() override {}
  bool done() override { return true; }
};

class SelfCommunicator final : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  int local_rank() const override { return 0; }
  int local_size() const override { return 1; }
  std::string name() const override { return "self"; }

  std::unique_ptr<Work> start_all_reduce(void* data,
                                         std::int64_t count,
                                         ReduceType type,
                                         ReduceOp op) override {
    // The same demands as with more ranks, so that a program that runs alone also runs with
    // company.
    const bool real = type == ReduceType::kFloat32 || type == ReduceType::kFloat64;
    REGATTA_CHECK(count >= 0 && (data != nullptr || count == 0));
    REGATTA_CHECK(!(op == ReduceOp::kBitOr && real), "bit-or needs integers or bytes");
    REGATTA_CHECK(!(op == ReduceOp::kSum && type == ReduceType::kByte),
                  "bytes have no sum, they would wrap");
    return std::make_unique<DoneWork>();
  }
  void broadcast(void* data, std::int64_t bytes, int root) override {
    REGATTA_CHECK(bytes >= 0 && (data != nullptr || bytes == 0));
    REGATTA_CHECK(root == 0, "no rank {} among 1", root);
  }
  std::vector<std::vector<std::byte>> all_gather(std::span<const std::byte> mine) override {
    return {std::vector<std::byte>(mine.begin(), mine.end())};
  }
  std::vector<std::vector<std::byte>> all_to_all(
      const std::vector<std::vector<std::byte>>& outgoing) override {
    REGATTA_CHECK(outgoing.size() == 1, "{} buffers for 1 rank", outgoing.size());
    return outgoing;
  }
  std::int64_t exclusive_scan(std::int64_t /*value*/) override { return 0; }
  void barrier() override {}
  [[noreturn]] void abort(int code) override { std::_Exit(code); }
};

}  // namespace

std::unique_ptr<Communicator> make_self_communicator() {
  return std::make_unique<SelfCommunicator>();
}

}  // namespace regatta
