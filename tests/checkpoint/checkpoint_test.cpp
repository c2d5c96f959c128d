// Checkpoint folders: what goes in comes out, and what their digest covers.
#include "checkpoint/checkpoint.h"

#include "checkpoint/sample_tensors.h"
#include "checkpoint/scratch_folder.h"
#include "core/error.h"

#include <filesystem>

namespace regatta {
namespace {

namespace fs = std::filesystem;
using test::expect_identical;
using test::sample_tensors;
using test::ScratchFolder;

Checkpoint sample(int epoch) {
  Checkpoint checkpoint;
  checkpoint.model = sample_tensors();
  checkpoint.optimizer = {{"step", torch::scalar_tensor(static_cast<double>(epoch))},
                          {"exp_avg", torch::full({2, 2}, epoch)}};
  checkpoint.state = {{"zeta", epoch}, {"alpha", {{"loss", 0.1}, {"tiny", 4.9e-324}}}};
  return checkpoint;
}

TEST(Checkpoint, RoundTripKeepsEverything) {
  const ScratchFolder folder;
  const Checkpoint written = sample(3);
  write_checkpoint(folder / "last", written);
  const Checkpoint read = read_checkpoint(folder / "last");
  expect_identical(written.model, read.model);
  expect_identical(written.optimizer, read.optimizer);
  EXPECT_EQ(written.state.dump(), read.state.dump()) << "order and every digit";
}

TEST(Checkpoint, EmptyOptimizerAndTrailingSlash) {
  const ScratchFolder folder;
  Checkpoint written = sample(0);
  written.optimizer.clear();
  write_checkpoint(folder / "best/", written);
  EXPECT_TRUE(read_checkpoint(folder / "best///").optimizer.empty());
}

TEST(Checkpoint, MakesParentsAndLeavesNothingBeside) {
  const ScratchFolder folder;
  write_checkpoint(folder / "runs/a/last", sample(1));
  write_checkpoint(folder / "runs/a/last", sample(2));
  EXPECT_EQ(read_checkpoint(folder / "runs/a/last").state["zeta"], 2);
  std::vector<std::string> beside;
  for (const auto& entry : fs::directory_iterator(folder / "runs/a")) {
    beside.push_back(entry.path().filename());
  }
  EXPECT_EQ(beside, std::vector<std::string>{"last"});
  std::vector<std::string> inside;
  for (const auto& entry : fs::directory_iterator(folder / "runs/a/last")) {
    inside.push_back(entry.path().filename());
  }
  std::ranges::sort(inside);
  EXPECT_EQ(inside,
            (std::vector<std::string>{
                "MANIFEST.json", "model.safetensors", "optimizer.safetensors", "state.json"}));
}

TEST(Checkpoint, SameContentSameBytes) {
  const ScratchFolder folder;
  write_checkpoint(folder / "a", sample(1));
  write_checkpoint(folder / "b", sample(1));
  for (const char* name :
       {"/MANIFEST.json", "/model.safetensors", "/optimizer.safetensors", "/state.json"}) {
    EXPECT_EQ(test::read_bytes((folder / "a") + name), test::read_bytes((folder / "b") + name));
  }
}

TEST(Checkpoint, ANumberThatJsonCannotHoldIsADefectOfTheCaller) {
  const ScratchFolder folder;
  Checkpoint bad = sample(1);
  bad.state["alpha"]["best"] = INFINITY;
  EXPECT_THROW(write_checkpoint(folder / "a", bad), std::exception);
  EXPECT_FALSE(fs::exists(folder / "a"));
}

TEST(Digest, CoversNameTypeShapeOrderAndBytes) {
  const at::Tensor x = torch::arange(6, torch::kFloat);
  const std::string digest = tensors_digest({{"a", x}, {"b", x + 1}});
  EXPECT_EQ(digest.size(), 8U);
  EXPECT_EQ(digest, tensors_digest({{"a", x.clone()}, {"b", x + 1}}));
  EXPECT_EQ(digest, tensors_digest({{"a", x.repeat({2}).slice(0, 0, 6)}, {"b", x + 1}}));
  EXPECT_NE(digest, tensors_digest({{"b", x + 1}, {"a", x}}));
  EXPECT_NE(digest, tensors_digest({{"A", x}, {"b", x + 1}}));
  EXPECT_NE(digest, tensors_digest({{"a", x.view({2, 3})}, {"b", x + 1}}));
  EXPECT_NE(digest, tensors_digest({{"a", x.view(torch::kInt)}, {"b", x + 1}}));
  EXPECT_NE(digest, tensors_digest({{"a", x}, {"b", x + 2}}));
  EXPECT_EQ(tensors_digest({}), "00000000");
}

}  // namespace
}  // namespace regatta
