// Sums through shared memory: the bits, arrays longer than the ring, and ranks that wait in other
// orders.
#include "comm/mpi_communicator.h"
#include "mpi/mpi_world.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>
#include <thread>
#include <vector>

namespace regatta {
namespace {

/// Longer than a rank's ring of slots (1 MiB), in bytes of no round number.
constexpr std::int64_t kLong = (3 << 20) / 8 + 13;

/// By the ranks that are taken for a node; 0: all.
class NodeSumTest : public ::testing::TestWithParam<int> {
 protected:
  std::unique_ptr<Communicator> comm_ =
      make_mpi_communicator(MPI_COMM_WORLD, {.node_ranks = GetParam()});
  const bool several_nodes_ = comm_->local_size() < comm_->size();
  const int rank_ = comm_->rank();
  const int size_ = comm_->size();
  const std::int64_t ranks_sum_ = std::int64_t{size_} * (size_ + 1) / 2;

  std::vector<std::int64_t> array(std::int64_t count, std::int64_t factor) const {
    std::vector<std::int64_t> values(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = (rank_ + 1) * (factor + static_cast<std::int64_t>(i));
    return values;
  }
  std::unique_ptr<Work> start(std::vector<std::int64_t>& values) {
    return comm_->start_all_reduce(values.data(),
                                   static_cast<std::int64_t>(values.size()),
                                   ReduceType::kInt64,
                                   ReduceOp::kSum);
  }
  void expect_summed(const std::vector<std::int64_t>& values, std::int64_t factor) const {
    for (std::size_t i = 0; i < values.size(); ++i)
      ASSERT_EQ(values[i], ranks_sum_ * (factor + static_cast<std::int64_t>(i))) << i;
  }
};

/// Numbers whose sum depends on the order, as this rank or another would draw them.
template <class Value>
Value drawn(int rank, std::size_t i) {
  return static_cast<Value>(
      std::sin(static_cast<double>(i * 37 + static_cast<std::size_t>(rank) * 1001)) *
      std::pow(10.0, static_cast<double>((i + static_cast<std::size_t>(rank)) % 7)));
}

INSTANTIATE_TEST_SUITE_P(Nodes, NodeSumTest, ::testing::Values(0, 2, 3), [](const auto& info) {
  return info.param == 0 ? "One" : fmt::format("OfRanks{}", info.param);
});

template <class Value>
std::vector<Value> sum_of_drawn(Communicator& comm, ReduceType type) {
  std::vector<Value> values(700001);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = drawn<Value>(comm.rank(), i);
  comm.all_reduce(values.data(), 700001, type, ReduceOp::kSum);
  return values;
}

template <class Value>
void expect_order_of_ranks(Communicator& comm, ReduceType type) {
  const auto values = sum_of_drawn<Value>(comm, type);
  for (std::size_t i = 0; i < values.size(); ++i) {
    Value sum = drawn<Value>(0, i);
    for (int r = 1; r < comm.size(); ++r) sum += drawn<Value>(r, i);
    ASSERT_EQ(values[i], sum) << i;
  }
}

TEST_P(NodeSumTest, FloatsAreAddedInTheOrderOfRanks) {
  if (several_nodes_) {  // those between nodes MPI orders: alike on all ranks and every time
    const auto once = sum_of_drawn<float>(*comm_, ReduceType::kFloat32);
    EXPECT_EQ(sum_of_drawn<float>(*comm_, ReduceType::kFloat32), once);
    for (const auto& bytes : comm_->all_gather(std::as_bytes(std::span(once))))
      EXPECT_EQ(std::memcmp(bytes.data(), once.data(), bytes.size()), 0);
    return;
  }
  expect_order_of_ranks<float>(*comm_, ReduceType::kFloat32);
  expect_order_of_ranks<double>(*comm_, ReduceType::kFloat64);
}

TEST_P(NodeSumTest, StartDoesNotWaitForALateRank) {
  comm_->barrier();
  auto values = array(kLong, 5);
  if (rank_ == size_ - 1)
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
  const auto before = std::chrono::steady_clock::now();
  const auto work = start(values);
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - before;
  if (size_ > 1) {
    EXPECT_LT(taken.count(), 0.2);
  }
  work->wait();
  expect_summed(values, 5);
}

TEST_P(NodeSumTest, ManyArraysUnderWayWaitedForInReverse) {
  for (int round = 0; round < 20; ++round) {
    std::vector<std::vector<std::int64_t>> arrays;
    std::vector<std::unique_ptr<Work>> works;
    for (std::int64_t k = 0; k < 6; ++k) arrays.push_back(array(1 + k * k * 20000 + round, k));
    for (auto& values : arrays) works.push_back(start(values));
    for (std::size_t k = works.size(); k-- > 0;) works[k]->wait();
    for (std::size_t k = 0; k < arrays.size(); ++k)
      expect_summed(arrays[k], static_cast<std::int64_t>(k));
  }
}

/// Every second rank has only one of a sum and a message under way at a time, the others start both
/// and wait for the later one first: each is then in a call that must move the other's kind on.
TEST_P(NodeSumTest, RanksMayWaitForMessagesAndSumsInDifferentOrders) {
  for (int round = 0; round < 12; ++round) {
    const bool sum_first = round % 2 == 0, by_polling = round % 4 >= 2;
    const bool hasty = (rank_ + round / 4) % 2 == 0;
    auto values = array(kLong, round);
    std::vector<std::int64_t> largest(300000, rank_);  // a maximum: goes by messages
    const auto start_one = [&](bool sum) {
      return sum ? start(values)
                 : comm_->start_all_reduce(
                       largest.data(), 300000, ReduceType::kInt64, ReduceOp::kMax);
    };
    const auto first = start_one(sum_first);
    if (!hasty)
      first->wait();
    const auto second = start_one(!sum_first);
    while (by_polling && !second->done()) {
    }
    second->wait();
    first->wait();
    expect_summed(values, round);
    EXPECT_EQ(std::accumulate(largest.begin(), largest.end(), std::int64_t{0}),
              std::int64_t{300000} * (size_ - 1));
  }
}

TEST_P(NodeSumTest, CallsThatBlockMaySurroundASum) {
  auto values = array(kLong, 2);
  const auto work = start(values);
  comm_->barrier();
  EXPECT_EQ(comm_->exclusive_scan(1), rank_);
  std::int64_t token = rank_ == 0 ? 77 : 0;
  comm_->broadcast(&token, 8, 0);
  EXPECT_EQ(token, 77);
  EXPECT_EQ(comm_->all_gather(std::as_bytes(std::span(&token, 1))).size(),
            static_cast<std::size_t>(size_));
  work->wait();
  expect_summed(values, 2);
}

}  // namespace
}  // namespace regatta
