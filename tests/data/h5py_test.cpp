// A trusted reader for our writer and a trusted writer for our reader: both are h5py, so that an
// error that our reader and writer share shows. The programs of docs/chunk_format.md are run as
// they stand there.
#include "checkpoint/scratch_folder.h"
#include "data/dataset.h"
#include "data/dataset_verify.h"
#include "data/run_command.h"
#include "data/sample_dataset.h"
#include "data/table_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace regatta {
namespace {

using nlohmann::json;
using test::ScratchFolder;

template <class T>
void expect_array(const json& found,
                  const char* dtype,
                  const std::vector<std::int64_t>& shape,
                  const SharedArray<T>& expected) {
  EXPECT_EQ(found.at("dtype"), dtype);
  EXPECT_EQ(found.at("shape"), json(shape));
  EXPECT_TRUE(found.at("contiguous"));
  EXPECT_TRUE(found.at("aligned"));
  EXPECT_TRUE(found.at("crc_good"));
  EXPECT_EQ(found.at("values").get<std::vector<T>>(),
            std::vector<T>(expected.begin(), expected.end()));
}

void expect_topology_and_nodes(const json& arrays, const GraphChunk& chunk) {
  const auto edges = static_cast<std::int64_t>(chunk.graph.src.size());
  const std::int64_t nodes = chunk.num_nodes();
  expect_array(arrays.at("/topology/indptr"), "<i8", {chunk.num_rows() + 1}, chunk.graph.indptr);
  expect_array(arrays.at("/topology/src"), "<i4", {edges}, chunk.graph.src);
  expect_array(arrays.at("/topology/edge_id"), "<i8", {edges}, chunk.graph.edge_id);
  expect_array(arrays.at("/nodes/global_id"), "<i8", {nodes}, chunk.global_id);
  expect_array(arrays.at("/nodes/ring_ptr"), "<i8", {chunk.hops + 2}, chunk.ring_ptr);
  expect_array(
      arrays.at("/nodes/owner_chunk"), "<i4", {nodes - chunk.num_owned}, chunk.owner_chunk);
  expect_array(arrays.at("/nodes/owner_row"), "<i8", {nodes - chunk.num_owned}, chunk.owner_row);
}

void expect_target(const json& found, const NodeTarget& target, std::int64_t owned) {
  expect_array(found.at("arrays").at("/targets/label/value"), "<i8", {owned}, target.value);
  expect_array(found.at("arrays").at("/targets/label/split"),
               "|u1",
               {owned, target.splittings},
               target.split);
  EXPECT_EQ(found.at("groups").at("/targets/label"), json({{"level", "node"}, {"kind", "class"}}));
}

json read_with_h5py(const std::string& path) {
  const auto run = test::run_oracle("read_chunk.py", path);
  EXPECT_EQ(run.code, 0) << run.output;
  return json::parse(run.output);
}

TEST(H5py, ReadsEveryDenseArray) {
  const ScratchFolder folder;
  const auto sample =
      test::write_sample_dataset(folder.path(), {.nodes = 70, .splittings = 3, .ids = "integer"});
  const GraphChunk& chunk = sample.chunks[1];
  const json found = read_with_h5py(folder / "chunk-000001.h5");
  EXPECT_EQ(found.at("attributes"),
            json({{"format", "regatta-chunk"},
                  {"version", {1, 0}},
                  {"chunk", 1},
                  {"hops", 2},
                  {"num_owned", chunk.num_owned},
                  {"num_rows", chunk.num_rows()},
                  {"num_nodes", chunk.num_nodes()},
                  {"num_edges", chunk.graph.src.size()}}));
  const json& arrays = found.at("arrays");
  EXPECT_EQ(arrays.size(), 11U);
  expect_topology_and_nodes(arrays, chunk);
  expect_array(arrays.at("/nodes/x"), "<f4", {chunk.num_nodes(), 5}, chunk.features.x);
  expect_array(arrays.at("/ids/original"), "<i8", {chunk.num_nodes()}, chunk.original.integer);
  expect_target(found, chunk.targets[0], chunk.num_owned);
}

TEST(H5py, ReadsSparseFeaturesAndTextIds) {
  const ScratchFolder folder;
  const auto sample =
      test::write_sample_dataset(folder.path(), {.nodes = 70, .sparse = true, .ids = "text"});
  const GraphChunk& chunk = sample.chunks[0];
  const json found = read_with_h5py(folder / "chunk-000000.h5");
  const json& arrays = found.at("arrays");
  EXPECT_EQ(arrays.size(), 14U);
  const NodeFeatures& features = chunk.features;
  const auto entries = static_cast<std::int64_t>(features.x_index.size());
  expect_topology_and_nodes(arrays, chunk);
  expect_array(arrays.at("/nodes/x_indptr"), "<i8", {chunk.num_nodes() + 1}, features.x_indptr);
  expect_array(arrays.at("/nodes/x_index"), "<i4", {entries}, features.x_index);
  expect_array(arrays.at("/nodes/x_value"), "<f4", {entries}, features.x_value);
  const auto bytes = static_cast<std::int64_t>(chunk.original.text_bytes.size());
  expect_array(arrays.at("/ids/original_bytes"), "|u1", {bytes}, chunk.original.text_bytes);
  expect_array(arrays.at("/ids/original_offset"),
               "<i8",
               {chunk.num_nodes() + 1},
               chunk.original.text_offset);
}

TEST(H5py, ReadsEdgeAttributes) {
  const ScratchFolder folder;
  const auto sample =
      test::write_sample_dataset(folder.path(), {.nodes = 70, .edge_width = 3, .edge_types = 4});
  const GraphChunk& chunk = sample.chunks[1];
  const json found = read_with_h5py(folder / "chunk-000001.h5");
  EXPECT_EQ(found.at("attributes").at("version"), json({1, 1}));
  const json& arrays = found.at("arrays");
  EXPECT_EQ(arrays.size(), 12U);
  const auto edges = static_cast<std::int64_t>(chunk.graph.src.size());
  ASSERT_GT(edges, 0);
  expect_topology_and_nodes(arrays, chunk);
  expect_array(arrays.at("/topology/edge_type"), "<u2", {edges}, chunk.edge_type);
  expect_array(arrays.at("/edges/x"), "<f4", {edges, 3}, chunk.edge_x);
}

TEST(H5py, ReadsEmptyArrays) {
  const ScratchFolder folder;
  const auto sample = test::write_sample_dataset(
      folder.path(), {.nodes = 1, .chunks = 2, .mean_degree = 0, .edge_width = 2, .edge_types = 2});
  EXPECT_EQ(Dataset(folder.path()).read_chunk(0)->edge_width, 2);
  EXPECT_TRUE(Dataset(folder.path()).read_chunk(0)->typed_edges);
  for (const char* file : {"chunk-000000.h5", "chunk-000001.h5"})
    for (const auto& [name, array] : read_with_h5py(folder / file).at("arrays").items())
      EXPECT_TRUE(array.at("crc_good")) << file << name;
}

TEST(H5dump, PrintsTheHeaderOfAChunk) {
  const ScratchFolder folder;
  test::write_sample_dataset(folder.path(), {});
  const auto dump = test::run_command("h5dump -H '" + (folder / "chunk-000000.h5") + "' 2>&1");
  EXPECT_EQ(dump.code, 0) << dump.output;
  EXPECT_THAT(dump.output, testing::HasSubstr("DATASET \"indptr\""));
  EXPECT_THAT(dump.output, testing::HasSubstr("H5T_STD_U32LE"));  // the CRC32C
}

const char* const kDoc = REGATTA_SOURCE_DIR "/docs/chunk_format.md";

TEST(ChunkFormatDoc, WritersDatasetIsWithoutFault) {
  const ScratchFolder folder;
  const auto run = test::run_oracle("run_chunk_format_doc.py", kDoc, "writer", folder.path());
  ASSERT_EQ(run.code, 0) << run.output;
  const Dataset dataset(folder.path(), {.verify = "open"});
  EXPECT_EQ(dataset.manifest().nodes, 60);
  EXPECT_EQ(dataset.manifest().targets.at("label").counts.at("train"),
            (std::vector<std::int64_t>{5, 5, 5}));
  const VerifyShare share = verify_chunks(folder.path(), dataset.manifest(), {});
  EXPECT_THAT(share.faults, testing::IsEmpty());
  EXPECT_EQ(missing_nodes_fault(folder.path(), dataset.manifest(), share.owned_nodes), "");
  // An exact halo: the owned rows of all chunks hold every edge once.
  std::int64_t edges = 0;
  for (std::int64_t c = 0; c < dataset.num_chunks(); ++c) {
    const auto chunk = dataset.read_chunk(c);
    edges += chunk->graph.indptr[static_cast<std::size_t>(chunk->num_owned)];
  }
  EXPECT_EQ(edges, dataset.manifest().edges);
}

TEST(ChunkFormatDoc, WriterIsDeterministic) {
  const ScratchFolder first;
  const ScratchFolder second;
  for (const ScratchFolder* folder : {&first, &second})
    ASSERT_EQ(test::run_oracle("run_chunk_format_doc.py", kDoc, "writer", folder->path()).code, 0);
  EXPECT_EQ(test::read_bytes(first / "manifest.json"), test::read_bytes(second / "manifest.json"));
}

TEST(ChunkFormatDoc, ReaderReadsOurChunks) {
  const ScratchFolder folder;
  test::write_sample_dataset(folder.path(), {});
  const auto run =
      test::run_oracle("run_chunk_format_doc.py", kDoc, "reader", folder / "chunk-000001.h5");
  EXPECT_EQ(run.code, 0) << run.output;
  EXPECT_THAT(run.output, testing::HasSubstr("/topology/src: int32"));
  EXPECT_THAT(run.output, testing::Not(testing::HasSubstr("DAMAGED")));
}

TEST(Hdf5Table, IsReadByH5py) {
  const ScratchFolder folder;
  Hdf5Table table;
  table.add("id", std::vector<std::string>{"a", "", "n\u00f6de"});
  table.add("prediction", std::vector<std::int64_t>{2, 0, 1});
  table.add("probability", std::vector<float>{0.5F, 0.25F, 0.25F, 1, 0, 0}, 2);
  table.write(folder / "table.h5");
  const std::string program =
      "import h5py,sys; f = h5py.File(sys.argv[1]); "
      "print([s.decode() for s in f['id'][()]], f['prediction'][()].tolist(), "
      "f['probability'][()].tolist())";
  const auto run = test::run_command(std::string("'") + REGATTA_PYTHON + "' -c \"" + program +
                                     "\" '" + (folder / "table.h5") + "' 2>&1");
  EXPECT_EQ(run.output,
            "['a', '', 'n\u00f6de'] [2, 0, 1] [[0.5, 0.25], [0.25, 1.0], [0.0, 0.0]]\n");
}

}  // namespace
}  // namespace regatta
