#include "core/host_blocks.h"

#include "core/huge_pages.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace regatta {
namespace {

constexpr std::size_t kMiB = 1 << 20;

TEST(HostBlocks, AFreedBlockComesBack) {
  HostBlocks blocks;
  void* first = blocks.take(3 * kMiB);
  std::memset(first, 1, 3 * kMiB);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first) % 64, 0U);
  EXPECT_TRUE(blocks.give(first));
  EXPECT_EQ(blocks.take(3 * kMiB - 5), first);
  EXPECT_EQ(blocks.use().fresh, 1);
  EXPECT_EQ(blocks.use().reused, 1);
  EXPECT_TRUE(blocks.give(first));
  blocks.release();
  EXPECT_EQ(blocks.use().held, 0U);
}

/// The line of /proc/self/smaps that starts with `key`, for the mapping that holds `address`.
std::string mapping_line(const void* address, const std::string& key) {
  std::ifstream maps("/proc/self/smaps");
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  bool here = false;
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    if (std::sscanf(line.c_str(), "%zx-%zx ", &begin, &end) == 2)
      here = begin <= wanted && wanted < end;
    else if (here && line.starts_with(key))
      return line;
  }
  return {};
}

TEST(HostBlocks, LargeOnesAskForHugePages) {
  HostBlocks blocks;
  auto* large = static_cast<std::byte*>(blocks.take(5 * kHugePage));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(large) % kHugePage, 0U);
  std::memset(large, 1, 5 * kHugePage);
  for (const std::byte* at : {large, large + 5 * kHugePage - 1})
    EXPECT_NE(mapping_line(at, "VmFlags:").find(" hg"), std::string::npos)
        << mapping_line(at, "VmFlags:");
  EXPECT_TRUE(blocks.give(large));
  blocks.release();
  EXPECT_EQ(mapping_line(large, "VmFlags:"), "") << "the block's pages were not all given back";
}

TEST(HostBlocks, KnowsItsOwnBlocks) {
  HostBlocks blocks;
  int other = 0;
  EXPECT_FALSE(blocks.give(&other));
  void* block = blocks.take(1);
  EXPECT_TRUE(blocks.give(block));
  EXPECT_FALSE(blocks.give(block)) << "a block was taken back twice";
}

TEST(HostBlocks, HoldsNoMoreThanItPromises) {
  HostBlocks blocks;
  std::mt19937 random(1);
  std::vector<std::pair<unsigned char*, std::size_t>> live;
  for (int i = 0; i < 20000; ++i) {
    const bool takes = live.empty() || (live.size() < 12 && random() % 2 == 0);
    if (takes) {
      const std::size_t bytes = 1 + random() % (40 * kMiB);
      auto* block = static_cast<unsigned char*>(blocks.take(bytes));
      block[0] = block[bytes - 1] = static_cast<unsigned char>(bytes);
      live.emplace_back(block, bytes);
    } else {
      const std::size_t k = random() % live.size();
      const auto [block, bytes] = live[k];
      ASSERT_EQ(block[0], static_cast<unsigned char>(bytes)) << "two owners of one block";
      ASSERT_EQ(block[bytes - 1], static_cast<unsigned char>(bytes));
      ASSERT_TRUE(blocks.give(block));
      live.erase(live.begin() + static_cast<std::ptrdiff_t>(k));
    }
    const HostBlocksUse use = blocks.use();
    ASSERT_LE(use.held, use.most_live + std::max(use.most_live / 8, 64 * kMiB));
  }
  for (const auto& [block, bytes] : live) blocks.give(block);
  EXPECT_EQ(blocks.use().live, 0U);
}

TEST(HostBlocks, ARepeatedStepTakesNothingFresh) {
  HostBlocks blocks;
  const auto step = [&blocks] {
    std::vector<void*> kept;
    for (const std::size_t mib : {98, 98, 13, 98, 7}) kept.push_back(blocks.take(mib * kMiB));
    for (const std::size_t mib : {98, 49, 98, 24}) blocks.give(blocks.take(mib * kMiB));
    for (void* block : kept) blocks.give(block);
  };
  step();
  const std::int64_t fresh = blocks.use().fresh;
  step();
  step();
  EXPECT_EQ(blocks.use().fresh, fresh);
}

TEST(HostBlocks, ThreadsShareIt) {
  HostBlocks blocks;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&blocks, t] {
      for (int i = 0; i < 500; ++i) {
        const std::size_t bytes = (1 + static_cast<std::size_t>(i + t) % 5) << 18;
        auto* block = static_cast<unsigned char*>(blocks.take(bytes));
        std::memset(block, t, 4096);
        EXPECT_EQ(block[4095], t);
        EXPECT_TRUE(blocks.give(block));
      }
    });
  }
  threads.clear();
  EXPECT_EQ(blocks.use().live, 0U);
}

TEST(HostBlocks, ARefusedRequestIsAnErrorThatNamesIt) {
  HostBlocks blocks;
  EXPECT_ANY_THROW(blocks.take(std::size_t{1} << 60));
  EXPECT_EQ(blocks.use().most_live, 0U);
  EXPECT_NE(blocks.take(kMiB), nullptr);
}

}  // namespace
}  // namespace regatta
