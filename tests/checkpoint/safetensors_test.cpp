// safetensors files: our writer and reader, each also against Python's safetensors.
#include "checkpoint/safetensors.h"

#include "checkpoint/sample_tensors.h"
#include "checkpoint/scratch_folder.h"
#include "core/error.h"

#include <rapidcheck/gtest.h>

#include <cstdlib>
#include <numeric>

namespace regatta {
namespace {

using test::expect_identical;
using test::sample_tensors;
using test::ScratchFolder;

int run_oracle(const std::string& mode, const std::string& path) {
  const std::string script =
      std::string(REGATTA_SOURCE_DIR) + "/tests/oracle/safetensors_roundtrip.py";
  const std::string command =
      std::string(REGATTA_PYTHON) + " '" + script + "' " + mode + " '" + path + "'";
  return std::system(command.c_str());
}

TEST(Safetensors, RoundTripKeepsNamesOrderTypesShapesAndBytes) {
  const ScratchFolder folder;
  const NamedTensors tensors = sample_tensors();
  write_safetensors(folder / "a.safetensors", tensors, {{"format", "pt"}});
  expect_identical(tensors, read_safetensors(folder / "a.safetensors"));
}

TEST(Safetensors, NoTensorsAtAll) {
  const ScratchFolder folder;
  write_safetensors(folder / "none.safetensors", {});
  EXPECT_TRUE(read_safetensors(folder / "none.safetensors").empty());
}

TEST(Safetensors, EveryTensorIsAlignedToItsElementSize) {
  const ScratchFolder folder;
  write_safetensors(
      folder / "a.safetensors",
      {{"odd", torch::ones({3}, torch::kByte)}, {"wide", torch::ones({2}, torch::kDouble)}});
  const std::string bytes = test::read_bytes(folder / "a.safetensors");
  EXPECT_NE(bytes.find(R"("wide":{"dtype":"F64","shape":[2],"data_offsets":[0,16]})"),
            std::string::npos);
  EXPECT_LT(bytes.find("\"odd\""), bytes.find("\"wide\"")) << "the header keeps the given order";
  EXPECT_EQ((bytes.size() - 19) % 8, 0U) << "the header is padded to 8 bytes";
}

TEST(Safetensors, WritingElsewhereThanAFolderIsAStorageError) {
  try {
    write_safetensors("/dev/null/a.safetensors", sample_tensors());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kStorage);
    EXPECT_NE(std::string(error.what()).find("/dev/null/a.safetensors"), std::string::npos);
  }
}

TEST(Safetensors, AFullDiskIsAStorageError) {
  try {
    write_safetensors("/dev/full", sample_tensors());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kStorage);
    EXPECT_NE(std::string(error.what()).find("No space left"), std::string::npos);
  }
}

TEST(Safetensors, PythonReadsOurFile) {
  const ScratchFolder folder;
  // The oracle knows these values by formula: element k of tensor t is k + t (bool: k odd).
  NamedTensors tensors;
  const std::vector<at::ScalarType> types{
      at::kBool, at::kFloat, at::kDouble, at::kBFloat16, at::kHalf, at::kLong, at::kInt, at::kByte};
  for (std::size_t t = 0; t < types.size(); ++t) {
    const at::Tensor values = torch::arange(0, 6, at::kLong) + static_cast<std::int64_t>(t);
    const at::Tensor typed = types[t] == at::kBool ? values % 2 == 1 : values.to(types[t]);
    tensors.emplace_back("tensor" + std::to_string(t), typed.reshape({2, 3}));
  }
  tensors.emplace_back("scalar", torch::scalar_tensor(41.5));
  tensors.emplace_back("empty", torch::empty({0, 5}));
  write_safetensors(folder / "ours.safetensors", tensors, {{"format", "pt"}, {"k", "v"}});
  EXPECT_EQ(run_oracle("check", folder / "ours.safetensors"), 0);
}

TEST(Safetensors, WeReadPythonsFile) {
  const ScratchFolder folder;
  ASSERT_EQ(run_oracle("write", folder / "python.safetensors"), 0);
  const NamedTensors tensors = read_safetensors(folder / "python.safetensors");
  EXPECT_EQ(tensors.size(), 10U);
  for (const auto& [name, tensor] : tensors) {
    if (name == "scalar") {
      EXPECT_EQ(tensor.dim(), 0);
      EXPECT_EQ(tensor.item<double>(), 41.5);
    } else if (name == "empty") {
      EXPECT_EQ(tensor.sizes(), (std::vector<std::int64_t>{0, 5}));
    } else {
      const std::int64_t t = std::stoll(name.substr(6));
      at::Tensor expected = (torch::arange(0, 6, at::kLong) + t).reshape({2, 3});
      expected = tensor.scalar_type() == at::kBool ? expected % 2 == 1 : expected;
      EXPECT_TRUE(torch::equal(tensor.to(at::kLong), expected.to(at::kLong))) << name;
    }
  }
}

RC_GTEST_PROP(SafetensorsProperty, AnyShapesComeBack, ()) {
  const ScratchFolder folder;
  const auto shapes = *rc::gen::container<std::vector<std::vector<int>>>(
      rc::gen::resize(4, rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 5))));
  NamedTensors tensors;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const std::vector<std::int64_t> shape(shapes[i].begin(), shapes[i].end());
    const at::ScalarType type = i % 3 == 0 ? at::kByte : i % 3 == 1 ? at::kFloat : at::kDouble;
    tensors.emplace_back(std::to_string(i), torch::randint(0, 100, shape).to(type));
  }
  write_safetensors(folder / "a", tensors);
  const NamedTensors back = read_safetensors(folder / "a");
  RC_ASSERT(back.size() == tensors.size());
  for (std::size_t i = 0; i < back.size(); ++i) {
    RC_ASSERT(back[i].first == tensors[i].first);
    RC_ASSERT(torch::equal(back[i].second, tensors[i].second));
  }
}

}  // namespace
}  // namespace regatta
