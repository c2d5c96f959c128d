// docs/config.md and --help come from the declarations; every shipped configuration passes them.
#include "cli/option_reference.h"

#include "checkpoint/scratch_folder.h"
#include "cli/job_config.h"
#include "core/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

namespace regatta {
namespace {

const std::string kSource = REGATTA_SOURCE_DIR;

TEST(OptionReference, IsThePageInDocs) {
  EXPECT_EQ(read_file(kSource + "/docs/config.md"), option_reference())
      << "renew it: regatta config --reference > docs/config.md";
}

TEST(OptionReference, NamesEveryOptionOnce) {
  JobConfig config;
  OptionGroup group;
  config.declare(group);
  const std::string page = option_reference();
  for (const OptionDescription& row : group.describe()) {
    EXPECT_FALSE(row.help.empty()) << row.path;
    const bool is_heading = row.type.ends_with("section") || row.type == "list of sections";
    const std::string start = is_heading ? "## `" + row.path : "\n| `" + row.path + "` | ";
    const std::size_t first = page.find(start);
    ASSERT_NE(first, std::string::npos) << row.path;
    if (!is_heading) {
      EXPECT_EQ(page.find(start, first + 1), std::string::npos) << row.path;
    }
  }
}

TEST(OptionReference, ItsExampleIsALegalConfiguration) {
  const std::string page = option_reference();
  const std::string fence = "```yaml\n";
  const std::size_t start = page.find(fence) + fence.size();
  const test::ScratchFolder folder;
  test::write_bytes(folder / "job.yaml", page.substr(start, page.find("```", start) - start));
  EXPECT_THAT(check_job_config(folder / "job.yaml", {}),
              testing::ElementsAre("preprocess", "train"));
}

TEST(OptionHelp, ListsTheKeysOfItsCommand) {
  const std::string preprocess = option_help(JobUse::kPreprocess);
  const std::string train = option_help(JobUse::kTrain);
  EXPECT_THAT(preprocess, testing::HasSubstr("preprocess.edges.path"));
  EXPECT_THAT(preprocess, testing::Not(testing::HasSubstr("train.epochs")));
  EXPECT_THAT(train, testing::HasSubstr("train.epochs"));
  EXPECT_THAT(train, testing::Not(testing::HasSubstr("preprocess.edges")));
  for (const std::string& help : {preprocess, train}) {
    EXPECT_THAT(help, testing::HasSubstr("\n  dataset\n"));
    EXPECT_THAT(help, testing::HasSubstr("regatta config --reference"));
  }
}

TEST(Configurations, ThatAreShippedAreLegal) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kSource + "/configs")) {
    if (entry.path().extension() != ".yaml")
      continue;
    ++files;
    EXPECT_NO_THROW(load_job_config(entry.path().string(), {}, JobUse::kPreprocess))
        << entry.path();
    EXPECT_NO_THROW(load_job_config(entry.path().string(), {}, JobUse::kTrain)) << entry.path();
  }
  EXPECT_GT(files, 0);
}

}  // namespace
}  // namespace regatta
