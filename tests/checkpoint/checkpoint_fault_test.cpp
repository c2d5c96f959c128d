// Checkpoint folders after damage and after a kill: refused or identical, and never hidden.
#include "checkpoint/checkpoint.h"
#include "checkpoint/sample_tensors.h"
#include "checkpoint/scratch_folder.h"
#include "core/error.h"
#include "core/rng.h"

#include <chrono>
#include <csignal>
#include <filesystem>
#include <functional>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace regatta {
namespace {

namespace fs = std::filesystem;
using test::ScratchFolder;

Checkpoint numbered(int number) {
  Checkpoint checkpoint;
  checkpoint.model = {{"w", torch::full({64}, number)}};
  checkpoint.optimizer = {{"m", torch::full({64}, number)}};
  checkpoint.state = {{"number", number}, {"note", "x"}};
  return checkpoint;
}

int number_of(const Checkpoint& checkpoint) {
  const int number = checkpoint.state["number"].get<int>();
  EXPECT_TRUE((checkpoint.model[0].second == number).all().item<bool>());
  EXPECT_TRUE((checkpoint.optimizer[0].second == number).all().item<bool>());
  return number;
}

std::string message_of(const std::string& folder) {
  try {
    read_checkpoint(folder);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kData) << error.what();
    return error.what();
  }
  return "accepted";
}

struct DamageCase {
  std::string label;
  std::function<void(const std::string& folder)> damage;
  std::string place;  ///< file that the message names, below the folder
  std::string expected;
};

class DamagedCheckpoint : public testing::TestWithParam<DamageCase> {};

TEST_P(DamagedCheckpoint, IsRefusedWithItsPlace) {
  const ScratchFolder scratch;
  const std::string folder = scratch / "last";
  write_checkpoint(folder, numbered(1));
  GetParam().damage(folder);
  const std::string message = message_of(folder);
  EXPECT_NE(message.find(folder + GetParam().place), std::string::npos) << message;
  EXPECT_NE(message.find(GetParam().expected), std::string::npos) << message;
}

auto remove(const std::string& name) {
  return [name](const std::string& folder) { fs::remove(folder + "/" + name); };
}
auto replace(const std::string& name, const std::string& from, const std::string& to) {
  return [=](const std::string& folder) {
    std::string text = test::read_bytes(folder + "/" + name);
    const auto place = text.find(from);
    ASSERT_NE(place, std::string::npos) << from << " in " << text;
    text.replace(place, from.size(), to);
    test::write_bytes(folder + "/" + name, text);
  };
}
auto overwrite(const std::string& name, const std::string& content) {
  return [=](const std::string& folder) { test::write_bytes(folder + "/" + name, content); };
}

std::vector<DamageCase> damage_cases() {
  const std::string manifest = "/MANIFEST.json";
  return {
      {"NoManifest", remove("MANIFEST.json"), "", "no MANIFEST.json"},
      {"NoModel", remove("model.safetensors"), "/model.safetensors", "missing"},
      {"NoOptimizer", remove("optimizer.safetensors"), "/optimizer.safetensors", "missing"},
      {"NoState", remove("state.json"), "/state.json", "missing"},
      {"LongerState", replace("state.json", "\"x\"", "\"xx\""), "/state.json", "bytes, expected"},
      {"OtherState", replace("state.json", "\"x\"", "\"y\""), "/state.json", "CRC32C"},
      {"EmptyModel", overwrite("model.safetensors", ""), "/model.safetensors", "0 bytes"},
      {"ManifestNotJson", overwrite("MANIFEST.json", "{"), manifest, "not valid JSON"},
      {"ManifestIsAList", overwrite("MANIFEST.json", "[]"), manifest, "not a manifest"},
      {"ManifestEmpty", overwrite("MANIFEST.json", "{}"), manifest, "not a manifest"},
      {"OtherFormat", replace("MANIFEST.json", "regatta-", "canoe-"), manifest, "not a manifest"},
      {"NewerVersion",
       replace("MANIFEST.json", "\"version\": 1", "\"version\": 3"),
       manifest,
       "checkpoint version 3"},
      {"NoVersion",
       replace("MANIFEST.json", "\"version\"", "\"revision\""),
       manifest,
       "not a manifest"},
      {"FileNotListed",
       replace("MANIFEST.json", "\"state.json\"", "\"other.json\""),
       manifest,
       "no bytes and crc32c for state.json"},
      {"SizeNotANumber",
       replace("MANIFEST.json", "\"bytes\": ", "\"bytes\": -"),
       manifest,
       "no bytes and crc32c"},
      {"CrcNotListed",
       replace("MANIFEST.json", "\"crc32c\"", "\"crc16\""),
       manifest,
       "no bytes and crc32c"},
  };
}

INSTANTIATE_TEST_SUITE_P(All,
                         DamagedCheckpoint,
                         testing::ValuesIn(damage_cases()),
                         [](const auto& info) { return info.param.label; });

TEST(CheckpointFault, AbsentFolderNamesItself) {
  const ScratchFolder scratch;
  EXPECT_NE(message_of(scratch / "absent").find(scratch / "absent"), std::string::npos);
}

TEST(CheckpointFault, LeftoverTmpNeverHidesOrSpoils) {
  const ScratchFolder scratch;
  const std::string last = scratch / "last";
  write_checkpoint(last, numbered(1));
  fs::create_directory(last + ".tmp");
  test::write_bytes(last + ".tmp/model.safetensors", "half");
  EXPECT_EQ(number_of(read_checkpoint(last)), 1);
  write_checkpoint(last, numbered(2));
  EXPECT_EQ(number_of(read_checkpoint(last)), 2);
  EXPECT_FALSE(fs::exists(last + ".tmp"));
}

TEST(CheckpointFault, BetweenTheTwoRenamesTheOldOneIsUsed) {
  const ScratchFolder scratch;
  const std::string last = scratch / "last";
  write_checkpoint(last, numbered(1));
  fs::rename(last, last + ".old");
  EXPECT_EQ(number_of(read_checkpoint(last)), 1);
  write_checkpoint(last, numbered(2));
  EXPECT_EQ(number_of(read_checkpoint(last)), 2);
  EXPECT_FALSE(fs::exists(last + ".old"));
}

TEST(CheckpointFault, LeftoverOldNeverHidesTheNewOne) {
  const ScratchFolder scratch;
  const std::string last = scratch / "last";
  write_checkpoint(last + ".old", numbered(1));
  fs::remove(last + ".old/state.json");  // a removal that was interrupted
  write_checkpoint(last, numbered(2));
  EXPECT_EQ(number_of(read_checkpoint(last)), 2);
  write_checkpoint(last, numbered(3));
  EXPECT_EQ(number_of(read_checkpoint(last)), 3);
}

TEST(CheckpointFault, AFailedWriteKeepsTheOlderOne) {
  const ScratchFolder scratch;
  const std::string last = scratch / "last";
  write_checkpoint(last, numbered(1));
  test::write_bytes(last + ".tmp", "a file where the new folder would be made");
  write_checkpoint(last, numbered(2));  // a stale plain file is cleared away as well
  EXPECT_EQ(number_of(read_checkpoint(last)), 2);
  try {
    write_checkpoint("/proc/regatta/last", numbered(3));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kStorage);
    EXPECT_NE(std::string(error.what()).find("/proc/regatta"), std::string::npos);
  }
}

/// Writes checkpoints 1, 2, 3, ... until killed.
[[noreturn]] void write_for_ever(const std::string& folder) {
  for (int number = 1;; ++number) {
    write_checkpoint(folder, numbered(number));
  }
}

TEST(CheckpointFault, KilledAtAnyMomentAWholeCheckpointIsThere) {
  const ScratchFolder scratch;
  const std::string last = scratch / "last";
  write_checkpoint(last, numbered(0));
  RandomStream random(make_random_key(3, RandomPurpose::kSplit, "kill moments"));
  int between = 0;
  for (int trial = 0; trial < 60; ++trial) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      write_for_ever(last);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(500 + random.next_below(20000)));
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the writer ended by itself";
    between += fs::exists(last) ? 0 : 1;
    EXPECT_GE(number_of(read_checkpoint(last)), 0);
  }
  RecordProperty("killed_between_renames", between);
}

TEST(CheckpointFault, FlippedBytesAreRefusedOrChangeNothing) {
  const ScratchFolder scratch;
  const std::string last = scratch / "last";
  write_checkpoint(last, numbered(7));
  RandomStream random(make_random_key(2, RandomPurpose::kSplit, "flipped checkpoint"));
  int refused = 0;
  for (const char* name :
       {"MANIFEST.json", "model.safetensors", "optimizer.safetensors", "state.json"}) {
    const std::string path = last + "/" + name;
    const std::string bytes = test::read_bytes(path);
    for (int trial = 0; trial < 300; ++trial) {
      std::string mutated = bytes;
      mutated[random.next_below(bytes.size())] ^= static_cast<char>(1U << random.next_below(8));
      test::write_bytes(path, mutated);
      try {
        EXPECT_EQ(number_of(read_checkpoint(last)), 7) << name;
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ExitCode::kData);
        ++refused;
      }
    }
    test::write_bytes(path, bytes);
  }
  EXPECT_GE(refused, 900) << "every flip outside the manifest's white space is refused";
}

}  // namespace
}  // namespace regatta
