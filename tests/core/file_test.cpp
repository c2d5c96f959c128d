// Files are replaced whole or not at all.
#include "core/file.h"

#include "checkpoint/scratch_folder.h"
#include "core/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <unistd.h>

namespace regatta {
namespace {

using test::read_bytes;
using test::ScratchFolder;
using test::write_bytes;

std::set<std::string> names_in(const std::string& folder) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    names.insert(entry.path().filename().string());
  }
  return names;
}

template <class Call>
void expect_error(ExitCode code, const std::string& part, Call call) {
  try {
    call();
    FAIL() << "no error that names " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_THAT(error.what(), testing::HasSubstr(part));
  }
}

TEST(ReplaceFile, WritesNewContentAndLeavesNothingElse) {
  const ScratchFolder folder;
  const std::string path = folder / "state.json";
  const std::string bytes("a\0b\n", 4);
  replace_file(path, bytes);
  EXPECT_EQ(read_bytes(path), bytes);
  replace_file(path, "");
  EXPECT_EQ(read_bytes(path), "");
  EXPECT_THAT(names_in(folder.path()), testing::ElementsAre("state.json"));
}

TEST(ReplaceFile, WorksForANameWithoutAFolder) {
  const ScratchFolder folder;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  EXPECT_NO_THROW(replace_file("plain.txt", "x"));
  std::filesystem::current_path(before);
  EXPECT_EQ(read_bytes(folder / "plain.txt"), "x");
}

TEST(ReplaceFile, FailsCleanlyBehindAFileAndOverAFolder) {
  const ScratchFolder folder;
  write_bytes(folder / "file", "content");
  std::filesystem::create_directory(folder / "taken");
  write_bytes(folder / "taken/inside", "kept");
  expect_error(
      ExitCode::kStorage, folder / "file/new", [&] { replace_file(folder / "file/new", "x"); });
  expect_error(ExitCode::kStorage, folder / "taken", [&] { replace_file(folder / "taken", "x"); });
  expect_error(
      ExitCode::kStorage, folder / "absent/new", [&] { replace_file(folder / "absent/new", "x"); });
  EXPECT_THAT(names_in(folder.path()), testing::ElementsAre("file", "taken"));
  EXPECT_EQ(read_bytes(folder / "file"), "content");
  EXPECT_EQ(read_bytes(folder / "taken/inside"), "kept");
}

TEST(ReplaceFile, KeepsTheOldFileInAReadOnlyFolder) {
  if (geteuid() == 0)
    GTEST_SKIP() << "root may write into read-only folders";
  const ScratchFolder folder;
  write_bytes(folder / "state.json", "old");
  std::filesystem::permissions(
      folder.path(), std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  expect_error(ExitCode::kStorage, folder / "state.json", [&] {
    replace_file(folder / "state.json", "new");
  });
  std::filesystem::permissions(folder.path(), std::filesystem::perms::owner_all);
  EXPECT_THAT(names_in(folder.path()), testing::ElementsAre("state.json"));
  EXPECT_EQ(read_bytes(folder / "state.json"), "old");
}

TEST(PublishFile, MovesAFinishedFileIntoPlace) {
  const ScratchFolder folder;
  write_bytes(folder / "a.tmp", "new");
  write_bytes(folder / "a", "old");
  publish_file(folder / "a.tmp", folder / "a");
  EXPECT_EQ(read_bytes(folder / "a"), "new");
  EXPECT_THAT(names_in(folder.path()), testing::ElementsAre("a"));
  expect_error(
      ExitCode::kStorage, folder / "a.tmp", [&] { publish_file(folder / "a.tmp", folder / "a"); });
  EXPECT_EQ(read_bytes(folder / "a"), "new");
}

TEST(ReadFile, ReturnsEveryByteAndNamesWhatIsMissing) {
  const ScratchFolder folder;
  const std::string content(200'000, 'x');
  write_bytes(folder / "big", content);
  EXPECT_EQ(read_file(folder / "big"), content);
  EXPECT_EQ(read_file(folder / "big", 200'000), content);
  expect_error(ExitCode::kData, folder / "big", [&] { read_file(folder / "big", 199'999); });
  expect_error(ExitCode::kData, folder / "absent", [&] { read_file(folder / "absent"); });
  expect_error(ExitCode::kData, folder.path(), [&] { read_file(folder.path()); });
}

TEST(ReadFile, StopsAtTheLimitOfAnEndlessFile) {
  expect_error(ExitCode::kData, "/dev/zero", [] { read_file("/dev/zero", 1 << 20); });
}

TEST(MakeFolders, MakesParentsAndRefusesFiles) {
  const ScratchFolder folder;
  make_folders(folder / "a/b/c");
  EXPECT_TRUE(std::filesystem::is_directory(folder / "a/b/c"));
  EXPECT_NO_THROW(make_folders(folder / "a/b/c"));
  write_bytes(folder / "file", "");
  expect_error(ExitCode::kStorage, folder / "file", [&] { make_folders(folder / "file"); });
  expect_error(ExitCode::kStorage, folder / "file/a", [&] { make_folders(folder / "file/a"); });
}

TEST(SyncFolder, RefusesWhatIsNoFolder) {
  const ScratchFolder folder;
  EXPECT_NO_THROW(sync_folder(folder.path()));
  expect_error(ExitCode::kStorage, folder / "absent", [&] { sync_folder(folder / "absent"); });
}

}  // namespace
}  // namespace regatta
