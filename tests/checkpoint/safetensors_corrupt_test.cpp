// safetensors files that must be refused, each with the path and, where there is one, the tensor.
#include "checkpoint/sample_tensors.h"
#include "checkpoint/scratch_folder.h"
#include "core/error.h"
#include "core/rng.h"

#include <cstdint>
#include <limits>

namespace regatta {
namespace {

using test::ScratchFolder;

struct CorruptCase {
  std::string label;
  std::string header;
  std::size_t data_bytes;
  std::string expected;  ///< part of the message
};

std::string file_of(const std::string& header, std::size_t data_bytes) {
  std::string bytes(8, '\0');
  const std::uint64_t size = header.size();
  std::memcpy(bytes.data(), &size, sizeof(size));
  return bytes + header + std::string(data_bytes, '\0');
}

std::string message_of(const std::string& path) {
  try {
    read_safetensors(path);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kData) << error.what();
    return error.what();
  }
  return "accepted";
}

class CorruptSafetensors : public testing::TestWithParam<CorruptCase> {};

TEST_P(CorruptSafetensors, IsRefusedWithItsPlace) {
  const ScratchFolder folder;
  const std::string path = folder / "bad.safetensors";
  test::write_bytes(path, file_of(GetParam().header, GetParam().data_bytes));
  const std::string message = message_of(path);
  EXPECT_NE(message.find(path), std::string::npos) << message;
  EXPECT_NE(message.find(GetParam().expected), std::string::npos) << message;
}

std::string entry(const std::string& fields) {
  return R"({"w":{)" + fields + "}}";
}

std::vector<CorruptCase> corrupt_cases() {
  const std::string f32 = R"("dtype":"F32",)";
  return {
      {"EmptyHeader", "", 0, "header length 0"},
      {"NotJson", "{\"w\":", 0, "not valid JSON"},
      {"NotAnObject", "[1,2]", 0, "not a JSON object"},
      {"LeadingBlank", "  {}", 0, "not a JSON object"},
      {"InvalidUtf8", "{\"\xff\":{}}", 0, "not valid JSON"},
      {"DeepNesting", entry(R"("shape":[[[[[[]]]]]])"), 0, "nests deeper"},
      {"TensorTwice",
       R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
       1,
       "'w' twice"},
      {"FieldTwice",
       entry(f32 + R"("shape":[1],"shape":[1],"data_offsets":[0,4])"),
       4,
       "'shape' twice"},
      {"UnknownDtype",
       entry(R"("dtype":"F7","shape":[1],"data_offsets":[0,4])"),
       4,
       "tensor 'w': unknown dtype 'F7'"},
      {"DtypeNotText", entry(R"("dtype":7,"shape":[1],"data_offsets":[0,4])"), 4, "tensor 'w'"},
      {"NoShape", entry(f32 + R"("data_offsets":[0,4])"), 4, "tensor 'w'"},
      {"ExtraField", entry(f32 + R"("shape":[1],"data_offsets":[0,4],"x":1)"), 4, "tensor 'w'"},
      {"EntryNotAnObject", R"({"w":5})", 0, "tensor 'w'"},
      {"NegativeShape",
       entry(f32 + R"("shape":[-1],"data_offsets":[0,4])"),
       4,
       "tensor 'w': shape holds -1"},
      {"FractionalShape",
       entry(f32 + R"("shape":[1.5],"data_offsets":[0,4])"),
       4,
       "tensor 'w': shape holds 1.5"},
      {"OverflowingProduct",
       entry(f32 + R"("shape":[4294967296,4294967296,4],"data_offsets":[0,0])"),
       0,
       "tensor 'w': the product of its shape overflows"},
      {"OverflowingProductOfAnEmptyTensor",
       entry(f32 + R"("shape":[0,9223372036854775807,9],"data_offsets":[0,0])"),
       0,
       "tensor 'w': the product of its shape overflows"},
      {"HugeLength",
       entry(f32 + R"("shape":[18446744073709551615],"data_offsets":[0,4])"),
       4,
       "tensor 'w': the product of its shape overflows"},
      {"OffsetsDisagreeWithShape",
       entry(f32 + R"("shape":[2],"data_offsets":[0,4])"),
       4,
       "tensor 'w': data_offsets [0, 4], expected 8 bytes"},
      {"OffsetsBackwards", entry(f32 + R"("shape":[1],"data_offsets":[4,0])"), 4, "tensor 'w'"},
      {"ThreeOffsets", entry(f32 + R"("shape":[1],"data_offsets":[0,4,8])"), 4, "tensor 'w'"},
      {"PastTheEnd",
       entry(f32 + R"("shape":[2],"data_offsets":[0,8])"),
       4,
       "tensor 'w': ends at byte 8, the data has 4"},
      {"DeclaresPetabytes",
       entry(f32 + R"("shape":[1125899906842624],"data_offsets":[0,4503599627370496])"),
       4,
       "tensor 'w': ends at byte 4503599627370496"},
      {"HoleInFront", entry(f32 + R"("shape":[1],"data_offsets":[4,8])"), 8, "a hole"},
      {"Hole",
       R"({"v":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"w":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
       3,
       "tensor 'w': begins at byte 2, expected 1 (a hole)"},
      {"Overlap",
       R"({"v":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"w":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
       3,
       "tensor 'w': begins at byte 1, expected 2 (an overlap)"},
      {"BytesBehind",
       entry(f32 + R"("shape":[1],"data_offsets":[0,4])"),
       9,
       "5 bytes behind the last tensor"},
  };
}

INSTANTIATE_TEST_SUITE_P(All,
                         CorruptSafetensors,
                         testing::ValuesIn(corrupt_cases()),
                         [](const auto& info) { return info.param.label; });

TEST(CorruptSafetensors, LengthsThatLie) {
  const ScratchFolder folder;
  const std::string path = folder / "bad.safetensors";
  for (const std::uint64_t length :
       {std::uint64_t{3}, std::uint64_t{100'000'001}, std::numeric_limits<std::uint64_t>::max()}) {
    std::string bytes = file_of("{}", 0);
    std::memcpy(bytes.data(), &length, sizeof(length));
    test::write_bytes(path, bytes);
    EXPECT_NE(message_of(path).find(std::to_string(length)), std::string::npos);
  }
}

TEST(CorruptSafetensors, NotAFile) {
  const ScratchFolder folder;
  EXPECT_NE(message_of(folder.path()).find("not a regular file"), std::string::npos);
  EXPECT_NE(message_of(folder / "absent").find("No such file"), std::string::npos);
}

TEST(CorruptSafetensors, ABoolThatIsNeither) {
  const ScratchFolder folder;
  const std::string path = folder / "bad.safetensors";
  write_safetensors(path, {{"flags", torch::ones({3}, torch::kBool)}});
  std::string bytes = test::read_bytes(path);
  bytes.back() = 7;
  test::write_bytes(path, bytes);
  EXPECT_NE(message_of(path).find("tensor 'flags': a BOOL"), std::string::npos);
}

TEST(CorruptSafetensors, EveryTruncationIsRefused) {
  const ScratchFolder folder;
  const std::string path = folder / "a.safetensors";
  write_safetensors(path, test::sample_tensors());
  const std::string bytes = test::read_bytes(path);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    test::write_bytes(path, bytes.substr(0, size));
    EXPECT_NE(message_of(path), "accepted") << size;
  }
}

// A plain safetensors file has no checksum, so a flipped payload bit is accepted here (checkpoints
// catch it); nothing may crash, hang or throw anything but Error.
TEST(CorruptSafetensors, RandomBytesNeverCrash) {
  const ScratchFolder folder;
  const std::string path = folder / "a.safetensors";
  write_safetensors(path, test::sample_tensors());
  const std::string bytes = test::read_bytes(path);
  RandomStream random(make_random_key(1, RandomPurpose::kSplit, "corrupt safetensors"));
  int refused = 0;
  for (int trial = 0; trial < 2000; ++trial) {
    std::string mutated = bytes;
    for (std::uint64_t flips = 1 + random.next_below(4); flips > 0; --flips) {
      mutated[random.next_below(bytes.size())] = static_cast<char>(random.next_below(256));
    }
    test::write_bytes(path, mutated);
    refused += message_of(path) != "accepted" ? 1 : 0;
  }
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace regatta
