// The real program: help, version, exit codes, and one message where several ranks fail alike.
#include "checkpoint/scratch_folder.h"
#include "core/file.h"
#include "core/version.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <sys/wait.h>

namespace regatta {
namespace {

using testing::HasSubstr;

struct Outcome {
  int code = -1;
  std::string output;  ///< standard output and standard error
};

Outcome run(const std::string& command) {
  Outcome outcome;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr)
    throw std::runtime_error("popen failed");
  std::array<char, 4096> buffer{};
  std::size_t got = 0;
  while ((got = fread(buffer.data(), 1, buffer.size(), pipe)) > 0) {
    outcome.output.append(buffer.data(), got);
  }
  const int status = pclose(pipe);
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

Outcome regatta(const std::string& arguments) {
  return run(REGATTA_BINARY " " + arguments);
}

Outcome regatta_on(int ranks, const std::string& arguments) {
  setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
  setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
  return run("mpirun -n " + std::to_string(ranks) +
             " --oversubscribe --bind-to none " REGATTA_BINARY " " + arguments);
}

int count(const std::string& text, const std::string& part) {
  int found = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++found;
  return found;
}

TEST(Program, HelpNamesEveryCommand) {
  const Outcome help = regatta("--help");
  EXPECT_EQ(help.code, 0);
  for (const char* command :
       {"preprocess", "inspect", "verify", "train", "evaluate", "predict", "config", "bench"}) {
    EXPECT_THAT(help.output, HasSubstr(command));
    const Outcome inner = regatta(std::string(command) + " --help");
    EXPECT_EQ(inner.code, 0) << command;
    EXPECT_THAT(inner.output, HasSubstr("--help")) << command;
  }
}

TEST(Program, HelpOfCommandsThatTakeAConfigurationListsItsKeys) {
  EXPECT_THAT(regatta("preprocess --help").output, HasSubstr("preprocess.edges.path"));
  const std::string train = regatta("train --help").output;
  EXPECT_THAT(train, HasSubstr("train.optimiser.learning_rate"));
  EXPECT_THAT(train, HasSubstr("regatta config --reference"));
}

TEST(Program, VersionNamesTheLibraries) {
  const Outcome version = regatta("--version");
  EXPECT_EQ(version.code, 0);
  EXPECT_THAT(version.output, HasSubstr(kVersion));
  EXPECT_THAT(version.output, HasSubstr("2.11"));
}

TEST(Program, BadCommandLinesExitWithTwo) {
  for (const char* arguments : {"",
                                "trian",
                                "train",
                                "--no-such-flag",
                                "config",
                                "config --check",
                                "config --check a.yaml --reference",
                                "preprocess a.yaml b.yaml",
                                "config --check absent.yaml",
                                "preprocess absent.yaml"}) {
    const Outcome outcome = regatta(arguments);
    EXPECT_EQ(outcome.code, 2) << arguments << "\n" << outcome.output;
    EXPECT_FALSE(outcome.output.empty()) << arguments;
  }
}

TEST(Program, ConfigCheckReportsEveryFaultOnItsLine) {
  const test::ScratchFolder folder;
  test::write_bytes(folder / "good.yaml", "dataset: a\nmodel: {layers: [{}]}\n");
  test::write_bytes(folder / "bad.yaml",
                    "dataset: a\nmodel: {layers: [{head: 1}]}\ntrain: {epochs: x}\n");
  const Outcome good = regatta("config --check " + (folder / "good.yaml"));
  EXPECT_EQ(good.code, 0);
  EXPECT_THAT(good.output, HasSubstr("good.yaml: no fault; serves regatta train"));
  EXPECT_EQ(regatta("config --check " + (folder / "good.yaml") + " --set train.epochs=0").code, 2);
  const Outcome bad = regatta("config --check " + (folder / "bad.yaml"));
  EXPECT_EQ(bad.code, 2);
  EXPECT_THAT(bad.output,
              HasSubstr("error: " + (folder / "bad.yaml:2:19: model.layers[0].head: unknown")));
  EXPECT_THAT(bad.output,
              HasSubstr("error: " + (folder / "bad.yaml:3:17: train.epochs: expected an")));
}

TEST(Program, ConfigReferenceIsThePageInDocs) {
  const Outcome reference = regatta("config --reference");
  EXPECT_EQ(reference.code, 0);
  EXPECT_EQ(reference.output, read_file(std::string(REGATTA_SOURCE_DIR) + "/docs/config.md"));
}

TEST(Program, RanksThatFailAlikeSpeakOnce) {
  const test::ScratchFolder folder;
  test::write_bytes(folder / "bad.yaml", "dataset: a\npreprocess: {edge: {}}\n");
  const Outcome outcome = regatta_on(3, "preprocess " + (folder / "bad.yaml"));
  EXPECT_EQ(outcome.code, 2) << outcome.output;
  EXPECT_EQ(count(outcome.output, "preprocess.edge: unknown key"), 1) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr("error: rank 0: "));
}

TEST(Program, MissingRawFilesAreDataErrorsAndNothingIsWritten) {
  const test::ScratchFolder folder;
  const std::string dataset = folder / "chunks";
  test::write_bytes(
      folder / "job.yaml",
      "dataset: " + dataset + "\npreprocess: {edges: {path: " + (folder / "absent.csv") + "}}\n");
  for (const Outcome& outcome : {regatta("preprocess " + (folder / "job.yaml")),
                                 regatta_on(2, "preprocess " + (folder / "job.yaml"))}) {
    EXPECT_EQ(outcome.code, 3) << outcome.output;
    EXPECT_THAT(outcome.output, HasSubstr(folder / "absent.csv"));
  }
  EXPECT_FALSE(std::filesystem::exists(dataset));
}

TEST(Program, PreprocessSaysWhatItWrote) {
  const test::ScratchFolder folder;
  const std::string dataset = folder / "chunks";
  test::write_bytes(folder / "edges.csv", "0,1\n1,2\n2,3\n");
  test::write_bytes(folder / "job.yaml",
                    "dataset: " + dataset + "\npreprocess:\n  edges: {path: " +
                        (folder / "edges.csv") + ", header: 'no'}\n  partition: {method: range}\n");
  const Outcome outcome =
      regatta("preprocess " + (folder / "job.yaml") + " --set preprocess.partition.chunks=2");
  EXPECT_EQ(outcome.code, 0) << outcome.output;
  // 3 edges in both directions and a loop at each of 4 nodes
  EXPECT_THAT(outcome.output, HasSubstr(dataset + ": 4 nodes, 10 edges in 2 chunks"));
  EXPECT_TRUE(std::filesystem::exists(dataset + "/manifest.json"));
}

}  // namespace
}  // namespace regatta
