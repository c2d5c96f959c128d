// Attempts of a run: what is read again, what is not, and what stays.
#include "checkpoint/checkpoint_store.h"

#include "checkpoint/sample_tensors.h"
#include "checkpoint/scratch_folder.h"
#include "core/error.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

namespace regatta {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using test::ScratchFolder;

Checkpoint sample(int number) {
  Checkpoint checkpoint;
  checkpoint.model = {{"w", torch::full({3}, number)}};
  checkpoint.best = {{"w", torch::full({3}, number + 0.5)}};
  checkpoint.state = {{"number", number}};
  return checkpoint;
}

int number_of(const std::optional<LatestCheckpoint>& latest) {
  return latest ? latest->checkpoint.state["number"].get<int>() : -1;
}

std::vector<std::int64_t> steps(const std::string& run) {
  std::vector<std::int64_t> found;
  for (const StoredCheckpoint& stored : resumable_checkpoints(run)) found.push_back(stored.step);
  return found;
}

TEST(CheckpointStore, NothingThereIsNoCheckpoint) {
  const ScratchFolder folder;
  EXPECT_THAT(resumable_checkpoints(folder / "run"), IsEmpty());
  EXPECT_FALSE(read_latest_checkpoint(folder / "run"));
}

TEST(CheckpointStore, KeepsTheNewestAndPointsToThem) {
  const ScratchFolder folder;
  const std::string run = folder / "run";
  CheckpointAttempt attempt(run, "");
  for (const int step : {5, 10, 15}) {
    attempt.write_best(step, sample(step));
    attempt.write_step(step, sample(step), 2);
  }
  EXPECT_THAT(steps(run), ElementsAre(15, 10));
  EXPECT_EQ(number_of(read_latest_checkpoint(run)), 15);
  EXPECT_EQ(read_checkpoint(run + "/checkpoints/last").state["number"], 15);
  EXPECT_EQ(read_checkpoint(run + "/checkpoints/best").state["number"], 15);
  EXPECT_EQ(read_checkpoint(run + "/checkpoints/last").best[0].second[0].item<double>(), 15.5);
  EXPECT_FALSE(fs::exists(run + "/checkpoints/attempts/1/best-00000010"));
}

TEST(CheckpointStore, FallsBackToTheOneBeforeAndSaysWhy) {
  const ScratchFolder folder;
  const std::string run = folder / "run";
  CheckpointAttempt attempt(run, "");
  const std::string first = attempt.write_step(1, sample(1), 3);
  const std::string second = attempt.write_step(2, sample(2), 3);
  std::ofstream(second + "/model.safetensors", std::ios::app) << "x";
  EXPECT_EQ(number_of(read_latest_checkpoint(run)), 1);
  fs::remove(first + "/MANIFEST.json");
  try {
    read_latest_checkpoint(run);
    FAIL() << "no checkpoint is whole";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kData);
    EXPECT_THAT(error.what(), HasSubstr("model.safetensors"));
    EXPECT_THAT(error.what(), HasSubstr("MANIFEST.json"));
  }
}

TEST(CheckpointStore, WhatAnOldAttemptStillWritesIsNeverRead) {
  const ScratchFolder folder;
  const std::string run = folder / "run";
  CheckpointAttempt old(run, "");
  old.write_step(1, sample(1), 9);
  const std::string from = old.write_step(2, sample(2), 9);
  CheckpointAttempt fresh(run, from);
  EXPECT_EQ(fresh.number(), 2);
  try {
    old.write_step(3, sample(3), 9);
    FAIL() << "an attempt that was superseded wrote on";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kStorage);
    EXPECT_THAT(error.what(), HasSubstr("attempt 2 has begun"));
  }
  EXPECT_THROW(old.write_best(3, sample(3)), Error);
  // Even what slips in after the check: written beside the fence.
  write_checkpoint(run + "/checkpoints/attempts/1/step-00000003", sample(3));
  EXPECT_THAT(steps(run), ElementsAre(2, 1));
  fresh.write_step(4, sample(4), 9);
  EXPECT_THAT(steps(run), ElementsAre(4, 2, 1));
  // A third attempt that went on from the first, as the second's was spoilt, sees none of it.
  const CheckpointAttempt third(run, run + "/checkpoints/attempts/1/step-00000001");
  EXPECT_THAT(steps(run), ElementsAre(1));
}

TEST(CheckpointStore, StartingAnewForgetsWhatWasBefore) {
  const ScratchFolder folder;
  const std::string run = folder / "run";
  CheckpointAttempt(run, "").write_step(7, sample(7), 2);
  CheckpointAttempt fresh(run, "");
  EXPECT_FALSE(read_latest_checkpoint(run));
  fresh.write_step(1, sample(1), 1);
  EXPECT_THAT(steps(run), ElementsAre(1));
  EXPECT_FALSE(fs::exists(run + "/checkpoints/attempts/1/step-00000007"));
}

TEST(CheckpointStore, ReadsTheFirstLayoutAndReplacesIt) {
  const ScratchFolder folder;
  const std::string run = folder / "run";
  Checkpoint best = sample(3), last = sample(4);
  best.best.clear();
  last.best.clear();
  write_checkpoint(run + "/checkpoints/best", best);
  write_checkpoint(run + "/checkpoints/last", last);
  const auto latest = read_latest_checkpoint(run);
  ASSERT_EQ(number_of(latest), 4);
  EXPECT_EQ(latest->checkpoint.best[0].second[0].item<double>(), 3);
  CheckpointAttempt attempt(run, latest->from.folder);
  attempt.write_best(5, sample(5));
  attempt.write_step(5, sample(5), 2);
  EXPECT_EQ(number_of(read_latest_checkpoint(run)), 5);
  EXPECT_EQ(read_checkpoint(run + "/checkpoints/best").state["number"], 5);
}

TEST(CheckpointStore, AFolderThatCannotBeWrittenIsNamed) {
  const ScratchFolder folder;
  const std::string run = folder / "run";
  CheckpointAttempt attempt(run, "");
  attempt.write_step(1, sample(1), 2);
  fs::remove_all(run + "/checkpoints/attempts/1");
  try {
    attempt.write_step(2, sample(2), 2);
    FAIL() << "wrote into a run that was removed";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kStorage);
    EXPECT_THAT(error.what(), HasSubstr(run));
  }
}

}  // namespace
}  // namespace regatta
