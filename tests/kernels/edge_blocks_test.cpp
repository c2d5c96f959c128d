// Passes by blocks of items give the bits of passes by tiles, so the machine may choose.
#include "kernels/cpu/edge_blocks.h"

#include "core/parallel.h"
#include "kernels/attention_case.h"
#include "kernels/cpu/third_level_cache.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <fstream>
#include <mutex>

namespace regatta::test {
namespace {

using cpu::EdgeLists;
using cpu::goes_by_blocks;

constexpr std::size_t kTiles = 0;
constexpr std::size_t kBlocks = std::size_t{1} << 40;

class EdgeBlocks : public ::testing::Test {
 protected:
  void TearDown() override {
    set_compute_threads(1);
    cpu::assume_third_level_cache(told_);
  }

 private:
  std::size_t told_ = cpu::third_level_cache_bytes();
};

/// A table of so many rows, for few items.
GraphShape table_shape(std::int64_t nodes) {
  GraphShape shape{"table", nodes, std::vector<std::int64_t>(1500, 6)};
  shape.degrees[7] = 0;
  shape.degrees[100] = 900;
  return shape;
}

struct CaseSet {
  std::vector<KernelType> types{KernelType::kFloat32, KernelType::kFloat64, KernelType::kBFloat16};
  std::vector<bool> terms{false, true};  ///< everything optional, and attention dropout
  bool gat = false;
};

/// gat, or all kinds whose logits compare rows, in `heads` heads of `width`.
template <class Body>
void for_cases(const GraphShape& shape,
               std::int64_t heads,
               std::int64_t width,
               const CaseSet& cases,
               const Body& body) {
  for (CaseOptions options : all_kinds())
    for (const KernelType dtype : cases.types)
      for (const bool terms : cases.terms) {
        if ((options.kind == AttentionKind::kGat) != cases.gat)
          continue;
        options.dtype = dtype;
        options.heads = heads;
        options.width = width;
        options.attention_dropout = terms ? 0.6 : 0;
        options.edge_logit = options.epilogue = options.logsumexp_gradient = terms;
        options.edge_features = terms && !cases.gat ? 3 : 0;
        const AttentionCase test = make_case(shape, options);
        SCOPED_TRACE(test.name());
        body(test);
      }
}

std::size_t bytes_with_cache(std::size_t cache, const AttentionCase& test) {
  cpu::assume_third_level_cache(cache);
  return forward_workspace_bytes(cpu_kernels(), test);
}

void expect_bits_with_cache(std::size_t cache, const AttentionCase& test, const Arrays& bits) {
  cpu::assume_third_level_cache(cache);
  for (const int threads : {1, 3}) {
    set_compute_threads(threads);
    EXPECT_TRUE(same_bits(run_table(cpu_kernels(), test), bits)) << threads << " threads";
  }
}

Arrays bits_of_tiles(const AttentionCase& test) {
  set_compute_threads(1);
  cpu::assume_third_level_cache(kTiles);
  return run_table(cpu_kernels(), test);
}

void expect_equal_bits(const AttentionCase& test) {
  const Arrays by_tiles = bits_of_tiles(test);
  EXPECT_GT(bytes_with_cache(kBlocks, test), bytes_with_cache(kTiles, test)) << "tiles again";
  expect_bits_with_cache(kBlocks, test, by_tiles);
}

/// gat has no products to share a fetch with: its sums take wider tiles, or rows in place.
void expect_equal_sums(const AttentionCase& test) {
  constexpr std::size_t kWideTiles = std::size_t{48} << 20;
  const Arrays by_tiles = bits_of_tiles(test);
  const std::size_t narrow = bytes_with_cache(kTiles, test);
  EXPECT_GT(bytes_with_cache(kWideTiles, test), narrow) << "narrow tiles again";
  EXPECT_LT(bytes_with_cache(kBlocks, test), narrow) << "tiles again";
  expect_bits_with_cache(kWideTiles, test, by_tiles);
  expect_bits_with_cache(kBlocks, test, by_tiles);
}

TEST_F(EdgeBlocks, ChangeNoBitOfGatsSums) {
  const CaseSet wide{{KernelType::kFloat32, KernelType::kFloat64}, {false, true}, true};
  for_cases(table_shape(70000), 2, 64, wide, expect_equal_sums);
  // Rows of bf16 are narrow enough for wide tiles up to twice as many nodes.
  for_cases(table_shape(140000), 2, 64, {.gat = true}, expect_equal_sums);
}

// Packed, it would be the table again.
TEST_F(EdgeBlocks, LeaveGatsOnlyTileOfWholeRowsInPlace) {
  const GraphShape shape = table_shape(20000);
  for_cases(shape, 8, 8, {{KernelType::kFloat32}, {false}, true}, [](const AttentionCase& test) {
    EXPECT_LT(bytes_with_cache(kTiles, test), 20000 * 8 * 8 * sizeof(float) / 4);
  });
  for_cases(shape, 8, 7, {{KernelType::kFloat32}, {false}, true}, [](const AttentionCase& test) {
    EXPECT_GT(bytes_with_cache(kTiles, test), 20000 * 8 * 8 * sizeof(float));
  });
}

TEST_F(EdgeBlocks, LeaveHubsOfGatToTiles) {
  GraphShape shape = table_shape(70000);
  shape.degrees[100] = 20000;
  for_cases(shape, 2, 64, {{KernelType::kFloat32}, {false}, true}, [](const AttentionCase& test) {
    const Arrays by_tiles = bits_of_tiles(test);
    EXPECT_GT(bytes_with_cache(kBlocks, test), bytes_with_cache(kTiles, test));
    expect_bits_with_cache(kBlocks, test, by_tiles);
  });
}

// Tables whose tiles are packed and have two blocks, or one: products are then summed by parts.
TEST_F(EdgeBlocks, ChangeNoBitOfPackedTiles) {
  for_cases(table_shape(70000), 1, 64, {{KernelType::kFloat32}, {true}}, expect_equal_bits);
}
TEST_F(EdgeBlocks, ChangeNoBitOfNarrowTiles) {
  for_cases(table_shape(140000),
            1,
            64,
            {{KernelType::kFloat32, KernelType::kBFloat16}, {false}},
            expect_equal_bits);
}
// Once with room for keys and gradients at once, once for a table alone.
TEST_F(EdgeBlocks, ChangeNoBitOfManyHeads) {
  constexpr std::size_t kOneTable = std::size_t{4} << 20;
  for_cases(table_shape(12000), 3, 64, {}, [](const AttentionCase& test) {
    expect_equal_bits(test);
    expect_bits_with_cache(kOneTable, test, bits_of_tiles(test));
  });
}

// Rows that are fetched often are packed, though the whole table is small.
TEST_F(EdgeBlocks, ChangeNoBitOfSmallTables) {
  const GraphShape dense{"dense", 900, std::vector<std::int64_t>(900, 20)};
  for_cases(dense, 3, 64, {{KernelType::kFloat32}, {false, true}}, expect_equal_bits);
  GraphShape sparse = dense;
  sparse.degrees.assign(900, 6);
  for_cases(sparse, 3, 64, {{KernelType::kFloat32}, {false}}, [](const AttentionCase& test) {
    EXPECT_EQ(bytes_with_cache(kBlocks, test), bytes_with_cache(kTiles, test)) << "packed";
  });
}

// Columns that end within a block, of which each tile but the last is whole.
TEST_F(EdgeBlocks, ChangeNoBitOfRaggedHeads) {
  for_cases(table_shape(12000),
            2,
            75,
            {{KernelType::kFloat32, KernelType::kFloat64}, {true}},
            expect_equal_bits);
}

TEST_F(EdgeBlocks, ChangeNoBitOfAPrefixOfRows) {
  for_cases(table_shape(36000), 1, 64, {}, [](AttentionCase test) {
    set_rows(test, 1234);
    expect_equal_bits(test);
  });
}

TEST_F(EdgeBlocks, MeetEveryItemOnceInOrder) {
  const PreparedGraph graph = make_graph(table_shape(6000), 1);
  const EdgeLists lists{1500, graph.in.indptr.data(), nullptr, graph.in.src.data()};
  for (const std::size_t row_bytes : {std::size_t{256}, std::size_t{1} << 20}) {
    set_compute_threads(3);
    std::mutex mutex;
    std::vector<cpu::EdgePiece> blocks;
    cpu::for_edge_blocks(lists, row_bytes, [&](const cpu::EdgePiece& block) {
      const std::scoped_lock lock(mutex);
      blocks.push_back(block);
    });
    std::ranges::sort(blocks, {}, [](const cpu::EdgePiece& block) { return block.items.begin; });
    std::int64_t next = 0;
    std::int64_t piece = -1;
    for (const cpu::EdgePiece& block : blocks) {
      EXPECT_EQ(block.items.begin, next);
      EXPECT_EQ(block.continues, block.number == piece);
      EXPECT_EQ(block.begin, lists.begin + block.items.begin);
      EXPECT_EQ(block.end, lists.begin + block.items.begin + 1);
      const std::int64_t edges = lists.begin[block.items.end] - lists.begin[block.items.begin];
      EXPECT_TRUE(edges <= 2048 || block.items.end == block.items.begin + 1) << edges;
      next = block.items.end;
      piece = block.number;
    }
    EXPECT_EQ(next, lists.count);
    EXPECT_EQ(piece, cpu::EdgePieces(lists).count() - 1);
  }
}

TEST_F(EdgeBlocks, MeetWhereThereIsRoom) {
  const std::size_t most = std::size_t{20} << 20;
  cpu::assume_third_level_cache(8000);
  EXPECT_TRUE(cpu::third_level_cache_has_room(5000));
  EXPECT_FALSE(cpu::third_level_cache_has_room(5001));
  cpu::assume_third_level_cache(kBlocks);
  EXPECT_TRUE(cpu::third_level_cache_has_room(most));
  EXPECT_FALSE(cpu::third_level_cache_has_room(most + 1));
}

TEST_F(EdgeBlocks, AreForTablesThatTheCacheHolds) {
  const PreparedGraph graph = make_graph(table_shape(6000), 1);
  const EdgeLists lists{1500, graph.in.indptr.data(), nullptr, graph.in.src.data()};
  cpu::assume_third_level_cache(4000);
  EXPECT_TRUE(goes_by_blocks(3500, {lists}));
  EXPECT_FALSE(goes_by_blocks(3501, {lists}));
  const PreparedGraph hubs = make_graph({"hub", 10, {3, cpu::EdgePieces::kMostEdges + 1}}, 1);
  const EdgeLists cut{2, hubs.in.indptr.data(), nullptr, hubs.in.src.data()};
  EXPECT_FALSE(goes_by_blocks(3000, {lists, cut})) << "a hub's edges belong to several threads";
}

// The C library adds up what all groups of cores of an AMD processor have.
TEST_F(EdgeBlocks, KnowTheCacheThatCoresShare) {
  std::ifstream file("/sys/devices/system/cpu/cpu0/cache/index3/size");
  std::size_t kilobytes = 0;
  if (!(file >> kilobytes))
    GTEST_SKIP() << "the kernel tells no third level";
  EXPECT_EQ(cpu::third_level_cache_bytes(), kilobytes << 10);
}

}  // namespace
}  // namespace regatta::test
