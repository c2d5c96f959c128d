// `regatta inspect` and `regatta verify` as programs: output, exit codes, and the same faults on
// any number of ranks.
#include "checkpoint/scratch_folder.h"
#include "data/run_command.h"
#include "data/sample_dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace regatta {
namespace {

using nlohmann::json;
using test::run_command;
using test::ScratchFolder;
using testing::HasSubstr;

constexpr int kBadData = 3;

std::string regatta(const std::string& arguments) {
  return std::string("'") + REGATTA_BINARY + "' " + arguments;
}

std::string under_mpi(int ranks, const std::string& arguments) {
  return "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 mpirun -n " +
         std::to_string(ranks) + " --oversubscribe --bind-to none " + regatta(arguments);
}

/// Flips one bit of the features of chunks 0 and 3, and cuts chunk 4 short.
void spoil(const ScratchFolder& folder, const test::Sample& sample) {
  for (const std::size_t c : {0U, 3U}) {
    const std::string path = folder / sample.manifest.chunks[c].file;
    std::string bytes = test::read_bytes(path);
    const auto& x = sample.chunks[c].features.x;
    const std::size_t at = bytes.find(std::string(reinterpret_cast<const char*>(x.data()), 64));
    ASSERT_NE(at, std::string::npos);
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    test::write_bytes(path, bytes);
  }
  std::filesystem::resize_file(folder / sample.manifest.chunks[4].file, 1000);
}

TEST(VerifyCommand, SaysThatNothingIsWrong) {
  const ScratchFolder folder;
  test::write_sample_dataset(folder.path(), {.nodes = 120, .chunks = 5});
  for (const std::string& command :
       {regatta("verify " + folder.path()), under_mpi(3, "verify " + folder.path())}) {
    const auto run = run_command(command);
    EXPECT_EQ(run.code, 0) << run.output;
    EXPECT_THAT(run.output, HasSubstr("no fault in 5 chunks"));
  }
}

TEST(VerifyCommand, ListsEveryFaultOnAnyNumberOfRanks) {
  const ScratchFolder folder;
  spoil(folder, test::write_sample_dataset(folder.path(), {.nodes = 120, .chunks = 5}));
  for (const int ranks : {1, 2, 3}) {
    const auto run = run_command(under_mpi(ranks, "verify " + folder.path()) + " 2>/dev/null");
    EXPECT_EQ(run.code, kBadData) << run.output;
    EXPECT_THAT(run.output, HasSubstr("chunk-000000.h5: /nodes/x: its bytes have CRC32C"));
    EXPECT_THAT(run.output, HasSubstr("chunk-000003.h5: /nodes/x: its bytes have CRC32C"));
    EXPECT_THAT(run.output, HasSubstr("chunk-000004.h5: has 1000 bytes, expected"));
    EXPECT_THAT(run.output, testing::Not(HasSubstr("chunk-000001.h5:")));
  }
}

TEST(VerifyCommand, PrintsJson) {
  const ScratchFolder folder;
  const auto sample = test::write_sample_dataset(folder.path(), {.nodes = 120, .chunks = 5});
  EXPECT_EQ(json::parse(run_command(regatta("verify --json " + folder.path())).output).at("faults"),
            json::array());
  spoil(folder, sample);
  const auto run = run_command(under_mpi(2, "verify --json " + folder.path()) + " 2>/dev/null");
  EXPECT_EQ(run.code, kBadData);
  const json report = json::parse(run.output);
  EXPECT_EQ(report.at("chunks"), 5);
  EXPECT_GE(report.at("faults").size(), 3U);
}

TEST(VerifyCommand, ReportsWhatIsNoDataset) {
  const ScratchFolder folder;
  const auto run = run_command(regatta("verify " + folder.path()) + " 2>&1");
  EXPECT_EQ(run.code, kBadData);
  EXPECT_THAT(run.output, HasSubstr("not a dataset"));
  EXPECT_EQ(run_command(regatta("verify") + " 2>/dev/null").code, 2);
}

TEST(InspectCommand, ShowsADataset) {
  const ScratchFolder folder;
  const auto sample = test::write_sample_dataset(folder.path(), {.nodes = 120, .chunks = 5});
  const auto text = run_command(regatta("inspect " + folder.path()));
  EXPECT_EQ(text.code, 0) << text.output;
  EXPECT_THAT(text.output, HasSubstr("120 nodes"));
  const auto run = run_command(regatta("inspect --json " + folder.path()));
  EXPECT_EQ(run.code, 0) << run.output;
  const json report = json::parse(run.output);
  EXPECT_EQ(report.at("graph").at("edges"), sample.manifest.edges);
  EXPECT_EQ(report.at("chunks").size(), 5U);
}

TEST(InspectCommand, RefusesADamagedChunk) {
  const ScratchFolder folder;
  const auto sample = test::write_sample_dataset(folder.path(), {.nodes = 120, .chunks = 5});
  spoil(folder, sample);
  const auto run = run_command(regatta("inspect " + folder.path()) + " 2>&1");
  EXPECT_EQ(run.code, kBadData);
  EXPECT_THAT(run.output, HasSubstr("chunk-000004.h5"));
}

}  // namespace
}  // namespace regatta
