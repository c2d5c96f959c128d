// Every collective of every CPU communicator, at any number of ranks.
#include "comm/mpi_communicator.h"
#include "core/error.h"
#include "mpi/mpi_world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>

namespace regatta {
namespace {

using ::testing::HasSubstr;

struct Backend {
  const char* name;
  std::function<std::unique_ptr<Communicator>()> make;
  int node_ranks = 0;  ///< 0: all
};

const Backend kBackends[] = {
    {"Self", [] { return make_self_communicator(); }},
    {"Mpi", [] { return make_mpi_communicator(MPI_COMM_WORLD); }},
    // Short pieces take every loop over pieces through many rounds.
    {"MpiShortPieces",
     [] {
       return make_mpi_communicator(MPI_COMM_WORLD, {.piece_bytes = 40, .share_memory = false});
     }},
    {"MpiSharedMemory", [] { return make_mpi_communicator(MPI_COMM_WORLD, {.share_from = 1}); }},
    {"MpiSeveralNodes",
     [] { return make_mpi_communicator(MPI_COMM_WORLD, {.share_from = 1, .node_ranks = 2}); },
     2},
};

class CommunicatorTest : public ::testing::TestWithParam<Backend> {
 protected:
  std::unique_ptr<Communicator> owner_ = GetParam().make();
  Communicator& comm_ = *owner_;
  const int rank_ = comm_.rank();
  const int size_ = comm_.size();
};

INSTANTIATE_TEST_SUITE_P(Backends,
                         CommunicatorTest,
                         ::testing::ValuesIn(kBackends),
                         [](const auto& info) { return std::string(info.param.name); });

/// Bytes that tell sender, receiver and position apart.
std::vector<std::byte> message(int from, int to, std::size_t bytes) {
  std::vector<std::byte> result(bytes);
  for (std::size_t i = 0; i < bytes; ++i) {
    result[i] = static_cast<std::byte>(
        (static_cast<std::size_t>(from) * 31 + static_cast<std::size_t>(to) * 7 + i * 13) % 251);
  }
  return result;
}

TEST_P(CommunicatorTest, NamesAndNumbers) {
  EXPECT_EQ(comm_.name(), GetParam().name == std::string("Self") ? "self" : "mpi");
  EXPECT_GE(rank_, 0);
  EXPECT_LT(rank_, size_);
  // The tests' ranks all run on one node, which may be taken for several.
  const int most = GetParam().node_ranks > 0 ? GetParam().node_ranks : size_;
  EXPECT_EQ(comm_.local_rank(), rank_ % most);
  EXPECT_EQ(comm_.local_size(), std::min(most, size_ - rank_ / most * most));
  EXPECT_EQ(size_, comm_.name() == "self" ? 1 : testing::mpi_world().size());
}

template <class T>
void expect_sum(Communicator& comm, ReduceType type) {
  std::vector<T> values(103);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<T>((comm.rank() + 1) * static_cast<int>(i + 1));
  }
  comm.all_reduce(values.data(), 103, type, ReduceOp::kSum);
  const int ranks = comm.size() * (comm.size() + 1) / 2;
  for (std::size_t i = 0; i < values.size(); ++i) {
    ASSERT_EQ(values[i], static_cast<T>(ranks * static_cast<int>(i + 1))) << i;
  }
}

TEST_P(CommunicatorTest, AllReduceSumsEveryType) {
  expect_sum<std::int64_t>(comm_, ReduceType::kInt64);
  expect_sum<float>(comm_, ReduceType::kFloat32);
  expect_sum<double>(comm_, ReduceType::kFloat64);
}

TEST_P(CommunicatorTest, AllReduceSumsInt64BeyondThePrecisionOfDouble) {
  std::int64_t value = (std::int64_t{1} << 60) + rank_;
  comm_.all_reduce_sum(std::span(&value, 1));
  EXPECT_EQ(value, size_ * (std::int64_t{1} << 60) + size_ * (size_ - 1) / 2);
}

template <class T>
void expect_max(Communicator& comm, ReduceType type) {
  std::vector<T> values(41);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] =
        static_cast<T>(static_cast<int>(i) % comm.size() == comm.rank() ? 200 : comm.rank());
  }
  comm.all_reduce(values.data(), 41, type, ReduceOp::kMax);
  EXPECT_EQ(values, std::vector<T>(41, static_cast<T>(200)));
}

TEST_P(CommunicatorTest, AllReduceFindsTheMaximumOfEveryType) {
  expect_max<std::int64_t>(comm_, ReduceType::kInt64);
  expect_max<float>(comm_, ReduceType::kFloat32);
  expect_max<double>(comm_, ReduceType::kFloat64);
  expect_max<std::uint8_t>(comm_, ReduceType::kByte);
  EXPECT_EQ(comm_.all_reduce_max(-5 + rank_), -5 + size_ - 1);
}

TEST_P(CommunicatorTest, AllReduceJoinsBits) {
  std::vector<std::uint8_t> bytes(99, static_cast<std::uint8_t>(1 << rank_));
  comm_.all_reduce(bytes.data(), 99, ReduceType::kByte, ReduceOp::kBitOr);
  EXPECT_EQ(bytes, std::vector<std::uint8_t>(99, static_cast<std::uint8_t>((1 << size_) - 1)));
  std::int64_t word = std::int64_t{1} << (62 - rank_);
  comm_.all_reduce(&word, 1, ReduceType::kInt64, ReduceOp::kBitOr);
  std::int64_t expected = 0;
  for (int r = 0; r < size_; ++r) {
    expected |= std::int64_t{1} << (62 - r);
  }
  EXPECT_EQ(word, expected);
}

TEST_P(CommunicatorTest, RefusesOperationsThatATypeLacks) {
  double real = 1;
  std::uint8_t byte = 1;
  EXPECT_THROW(comm_.all_reduce(&real, 1, ReduceType::kFloat64, ReduceOp::kBitOr), Error);
  EXPECT_THROW(comm_.all_reduce(&byte, 1, ReduceType::kByte, ReduceOp::kSum), Error);
  EXPECT_THROW(comm_.broadcast(&byte, 1, size_), Error);
  EXPECT_THROW(comm_.all_to_all({static_cast<std::size_t>(size_) + 1, std::vector<std::byte>{}}),
               Error);
}

TEST_P(CommunicatorTest, NothingToSendIsNoError) {
  comm_.all_reduce(nullptr, 0, ReduceType::kFloat32, ReduceOp::kSum);
  comm_.broadcast(nullptr, 0, 0);
  EXPECT_EQ(comm_.all_gather({}),
            std::vector<std::vector<std::byte>>(static_cast<std::size_t>(size_)));
  const std::vector<std::vector<std::byte>> none(static_cast<std::size_t>(size_));
  EXPECT_EQ(comm_.all_to_all(none), none);
}

TEST_P(CommunicatorTest, BroadcastFromEveryRoot) {
  for (int root = 0; root < size_; ++root) {
    auto data = message(rank_, root, 1001);
    comm_.broadcast(data.data(), 1001, root);
    EXPECT_EQ(data, message(root, root, 1001));
  }
}

TEST_P(CommunicatorTest, AllGatherOfUnevenParts) {
  // Sizes 0, 97, 194, ...: rank 0 has nothing.
  const auto gathered = comm_.all_gather(message(rank_, 0, static_cast<std::size_t>(rank_) * 97));
  ASSERT_EQ(gathered.size(), static_cast<std::size_t>(size_));
  for (int r = 0; r < size_; ++r) {
    EXPECT_EQ(gathered[static_cast<std::size_t>(r)],
              message(r, 0, static_cast<std::size_t>(r) * 97));
  }
  const auto other_way =
      comm_.all_gather(message(rank_, 1, static_cast<std::size_t>(size_ - rank_) * 10));
  for (int r = 0; r < size_; ++r) {
    EXPECT_EQ(other_way[static_cast<std::size_t>(r)],
              message(r, 1, static_cast<std::size_t>(size_ - r) * 10));
  }
}

TEST_P(CommunicatorTest, AllToAllOfUnevenParts) {
  const auto bytes = [](int from, int to) {
    return static_cast<std::size_t>((from * 3 + to * 5) % 7 * 61);
  };
  std::vector<std::vector<std::byte>> outgoing;
  for (int to = 0; to < size_; ++to) {
    outgoing.push_back(message(rank_, to, bytes(rank_, to)));
  }
  const auto incoming = comm_.all_to_all(outgoing);
  ASSERT_EQ(incoming.size(), static_cast<std::size_t>(size_));
  for (int from = 0; from < size_; ++from) {
    EXPECT_EQ(incoming[static_cast<std::size_t>(from)], message(from, rank_, bytes(from, rank_)));
  }
}

TEST_P(CommunicatorTest, ExclusiveScan) {
  EXPECT_EQ(comm_.exclusive_scan(10 + rank_), rank_ * 10 + rank_ * (rank_ - 1) / 2);
}

TEST_P(CommunicatorTest, SeveralReductionsUnderWayAtOnce) {
  std::vector<std::vector<double>> buffers(5);
  std::vector<std::unique_ptr<Work>> works;
  for (std::size_t k = 0; k < buffers.size(); ++k) {
    buffers[k].assign(1000 + k, static_cast<double>(k) + 1);
    works.push_back(comm_.start_all_reduce(buffers[k].data(),
                                           static_cast<std::int64_t>(buffers[k].size()),
                                           ReduceType::kFloat64,
                                           ReduceOp::kSum));
  }
  comm_.barrier();  // a blocking collective may pass between
  while (!works[3]->done()) {
  }
  EXPECT_TRUE(works[3]->done());
  works[4].reset();  // the destructor waits
  for (std::size_t k = 0; k < 4; ++k) {
    works[k]->wait();
    works[k]->wait();
    EXPECT_TRUE(works[k]->done());
  }
  for (std::size_t k = 0; k < buffers.size(); ++k) {
    EXPECT_EQ(buffers[k], std::vector<double>(1000 + k, size_ * (static_cast<double>(k) + 1)));
  }
}

TEST(MpiCommunicatorTest, MessagesBeyondSixteenMebibytesAreSplit) {
  const auto comm = make_mpi_communicator(MPI_COMM_WORLD, {.share_memory = false});
  const int size = comm->size();
  constexpr std::size_t kCount = (20 << 20) / sizeof(float) + 3;
  std::vector<float> values(kCount, static_cast<float>(comm->rank() + 1));
  comm->all_reduce(values.data(), kCount, ReduceType::kFloat32, ReduceOp::kSum);
  const float sum = static_cast<float>(size) * static_cast<float>(size + 1) / 2;
  EXPECT_TRUE(std::all_of(values.begin(), values.end(), [&](float v) { return v == sum; }));

  constexpr std::size_t kBytes = (17 << 20) + 5;
  auto data = message(comm->rank(), 3, kBytes);
  comm->broadcast(data.data(), kBytes, size - 1);
  EXPECT_TRUE(data == message(size - 1, 3, kBytes));
  const auto gathered = comm->all_gather(data);
  EXPECT_TRUE(std::all_of(
      gathered.begin(), gathered.end(), [&](const auto& part) { return part == data; }));
  std::vector<std::vector<std::byte>> outgoing(static_cast<std::size_t>(size));
  outgoing.back() = data;  // all to the last rank
  const auto incoming = comm->all_to_all(outgoing);
  for (const auto& part : incoming) {
    EXPECT_TRUE(comm->rank() == size - 1 ? part == data : part.empty());
  }
}

TEST(MpiCommunicatorTest, AnErrorOfMpiNamesRankCallAndPlace) {
  try {
    make_mpi_communicator(MPI_COMM_NULL);
    FAIL() << "a null communicator was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kCommunication);
    EXPECT_THAT(error.what(), HasSubstr("rank"));
    EXPECT_THAT(error.what(), HasSubstr("MPI_Comm_dup"));
    EXPECT_THAT(error.what(), HasSubstr("mpi_communicator.cpp:"));
    EXPECT_THAT(error.what(), HasSubstr("MPI_ERR_COMM"));
  }
}

TEST(MpiSessionTest, WorldOfOneIsSelf) {
  Communicator& world = testing::mpi_world();
  EXPECT_EQ(world.name(), world.size() == 1 ? "self" : "mpi");
}

TEST(MpiSessionTest, VersionIsNameAndNumber) {
  EXPECT_THAT(mpi_version(), ::testing::MatchesRegex("[A-Za-z][A-Za-z ()]* [0-9]+[.][0-9.a-z]+"));
}

}  // namespace
}  // namespace regatta
