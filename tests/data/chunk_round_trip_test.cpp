// What the writer writes, the reader reads: every array, by mapping and by pread, on any number of
// threads.
#include "checkpoint/scratch_folder.h"
#include "core/crc32c.h"
#include "core/parallel.h"
#include "data/crc32c_combine.h"
#include "data/dataset.h"
#include "data/dataset_verify.h"
#include "data/sample_dataset.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstring>
#include <thread>

namespace regatta {
namespace {

using test::Sample;
using test::SampleSpec;
using test::ScratchFolder;

template <class T>
bool same(const SharedArray<T>& a, const SharedArray<T>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

void expect_same(const GraphChunk& a, const GraphChunk& b) {
  EXPECT_EQ(a.chunk, b.chunk);
  EXPECT_EQ(a.num_owned, b.num_owned);
  EXPECT_EQ(a.hops, b.hops);
  EXPECT_EQ(a.num_rows(), b.num_rows());
  EXPECT_EQ(a.num_nodes(), b.num_nodes());
  EXPECT_TRUE(same(a.graph.indptr, b.graph.indptr));
  EXPECT_TRUE(same(a.graph.src, b.graph.src));
  EXPECT_TRUE(same(a.graph.edge_id, b.graph.edge_id));
  EXPECT_EQ(a.edge_width, b.edge_width);
  EXPECT_TRUE(same(a.edge_x, b.edge_x));
  EXPECT_EQ(a.typed_edges, b.typed_edges);
  EXPECT_TRUE(same(a.edge_type, b.edge_type));
  EXPECT_TRUE(same(a.global_id, b.global_id));
  EXPECT_TRUE(same(a.ring_ptr, b.ring_ptr));
  EXPECT_TRUE(same(a.owner_chunk, b.owner_chunk));
  EXPECT_TRUE(same(a.owner_row, b.owner_row));
  EXPECT_EQ(a.features.kind, b.features.kind);
  EXPECT_EQ(a.features.width, b.features.width);
  EXPECT_TRUE(same(a.features.x, b.features.x));
  EXPECT_TRUE(same(a.features.x_indptr, b.features.x_indptr));
  EXPECT_TRUE(same(a.features.x_index, b.features.x_index));
  EXPECT_TRUE(same(a.features.x_value, b.features.x_value));
  EXPECT_TRUE(same(a.original.integer, b.original.integer));
  EXPECT_TRUE(same(a.original.text_bytes, b.original.text_bytes));
  EXPECT_TRUE(same(a.original.text_offset, b.original.text_offset));
  ASSERT_EQ(a.targets.size(), b.targets.size());
  for (std::size_t i = 0; i < a.targets.size(); ++i) {
    EXPECT_EQ(a.targets[i].name, b.targets[i].name);
    EXPECT_EQ(a.targets[i].splittings, b.targets[i].splittings);
    EXPECT_TRUE(same(a.targets[i].value, b.targets[i].value));
    EXPECT_TRUE(same(a.targets[i].split, b.targets[i].split));
  }
}

SampleSpec any_spec() {
  SampleSpec spec;
  spec.nodes = *rc::gen::inRange(0, 120).as("nodes");
  spec.chunks = *rc::gen::inRange(1, 5).as("chunks");
  spec.halo = *rc::gen::element<std::string>("exact", "one_hop", "none").as("halo");
  spec.hops = *rc::gen::inRange(1, 4).as("hops");
  spec.mean_degree = *rc::gen::inRange(0, 6).as("mean degree");
  spec.sparse = *rc::gen::arbitrary<bool>().as("sparse");
  spec.width = *rc::gen::inRange(0, 20).as("width");
  spec.classes = *rc::gen::inRange(0, 4).as("classes");
  spec.splittings = *rc::gen::inRange(1, 4).as("splittings");
  spec.ids = *rc::gen::element<std::string>("none", "integer", "text").as("ids");
  spec.edge_width = *rc::gen::inRange(0, 4).as("edge width");
  spec.edge_types = *rc::gen::inRange(0, 4).as("edge types");
  spec.seed = *rc::gen::arbitrary<std::uint32_t>().as("seed");
  return spec;
}

RC_GTEST_PROP(ChunkRoundTrip, EveryArrayComesBack, ()) {
  const ScratchFolder folder;
  const Sample sample = test::write_sample_dataset(folder.path(), any_spec());
  set_compute_threads(*rc::gen::inRange(1, 4).as("threads"));
  for (const char* read : {"map", "pread"}) {
    const Dataset dataset(folder.path(), {.read = read});
    RC_ASSERT(manifest_to_json(dataset.manifest()) == manifest_to_json(sample.manifest));
    for (std::int64_t c = 0; c < dataset.num_chunks(); ++c)
      expect_same(*dataset.read_chunk(c), sample.chunks[static_cast<std::size_t>(c)]);
  }
  RC_ASSERT(!testing::Test::HasFailure());
  set_compute_threads(1);
  const VerifyShare share = verify_chunks(folder.path(), sample.manifest, {});
  RC_ASSERT(share.faults == std::vector<std::string>{});
  RC_ASSERT(missing_nodes_fault(folder.path(), sample.manifest, share.owned_nodes).empty());
}

RC_GTEST_PROP(ChunkRoundTrip, BytesDependOnTheContentAlone, ()) {
  const SampleSpec spec = any_spec();
  const ScratchFolder first;
  const ScratchFolder second;
  const Sample a = test::write_sample_dataset(first.path(), spec);
  const Sample b = test::write_sample_dataset(second.path(), spec);
  for (std::size_t c = 0; c < a.chunks.size(); ++c) {
    const std::string& file = a.manifest.chunks[c].file;
    RC_ASSERT(test::read_bytes(first / file) == test::read_bytes(second / file));
  }
  RC_ASSERT(dataset_digest(a.manifest) == dataset_digest(b.manifest));
}

TEST(ChunkRoundTrip, BytesDoNotDependOnTheTime) {
  const ScratchFolder first;
  const ScratchFolder second;
  const Sample sample = test::write_sample_dataset(first.path(), {});
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // HDF5 stamps whole seconds
  test::write_sample_dataset(second.path(), {});
  for (const ManifestChunk& chunk : sample.manifest.chunks)
    EXPECT_EQ(test::read_bytes(first / chunk.file), test::read_bytes(second / chunk.file));
}

TEST(ChunkRoundTrip, NothingTemporaryStays) {
  const ScratchFolder folder;
  test::write_sample_dataset(folder.path(), {.chunks = 3});
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names,
            (std::vector<std::string>{
                "chunk-000000.h5", "chunk-000001.h5", "chunk-000002.h5", "manifest.json"}));
}

TEST(ChunkRoundTrip, ManyThreadsReadTheSameDataset) {
  const ScratchFolder folder;
  const Sample sample = test::write_sample_dataset(folder.path(), {.nodes = 300, .chunks = 4});
  const Dataset dataset(folder.path());
  std::vector<std::jthread> readers;
  for (int t = 0; t < 4; ++t)
    readers.emplace_back([&dataset, &sample, t] {
      for (int i = 0; i < 20; ++i) {
        const std::int64_t c = (i + t) % 4;
        expect_same(*dataset.read_chunk(c), sample.chunks[static_cast<std::size_t>(c)]);
      }
    });
}

TEST(ChunkRoundTrip, ArraysOutliveTheDataset) {
  const ScratchFolder folder;
  const Sample sample = test::write_sample_dataset(folder.path(), {});
  std::shared_ptr<const GraphChunk> chunk;
  { chunk = Dataset(folder.path(), {.read = "map"}).read_chunk(0); }
  std::filesystem::remove(folder / "chunk-000000.h5");
  expect_same(*chunk, sample.chunks[0]);
}

RC_GTEST_PROP(Crc32cCombine, EqualsTheSumOfTheWhole, (const std::string& a, const std::string& b)) {
  const std::string whole = a + b;
  RC_ASSERT(crc32c_combine(crc32c(a.data(), a.size()), crc32c(b.data(), b.size()), b.size()) ==
            crc32c(whole.data(), whole.size()));
}

}  // namespace
}  // namespace regatta
