// CRC32C against the vectors of RFC 3720, appendix B.4, and a bitwise computation.
#include "core/crc32c.h"

#include "checkpoint/scratch_folder.h"
#include "core/error.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <numeric>
#include <vector>

namespace regatta {
namespace {

std::uint32_t crc_of(const std::vector<unsigned char>& bytes) {
  return crc32c(bytes.data(), bytes.size());
}

/// One bit at a time with the reflected polynomial 0x1EDC6F41.
std::uint32_t bitwise_crc(const std::vector<unsigned char>& bytes) {
  std::uint32_t state = 0xFFFFFFFFU;
  for (const unsigned char byte : bytes) {
    state ^= byte;
    for (int bit = 0; bit < 8; ++bit) state = state >> 1 ^ ((state & 1U) != 0 ? 0x82F63B78U : 0U);
  }
  return ~state;
}

TEST(Crc32c, AgreesWithPublishedVectors) {
  EXPECT_EQ(crc32c("123456789", 9), 0xE3069283U);
  EXPECT_EQ(crc32c(nullptr, 0), 0U);
  EXPECT_EQ(crc_of(std::vector<unsigned char>(32, 0x00)), 0x8A9136AAU);
  EXPECT_EQ(crc_of(std::vector<unsigned char>(32, 0xFF)), 0x62A8AB43U);
  std::vector<unsigned char> rising(32);
  std::iota(rising.begin(), rising.end(), static_cast<unsigned char>(0));
  EXPECT_EQ(crc_of(rising), 0x46DD794EU);
  EXPECT_EQ(crc_of({rising.rbegin(), rising.rend()}), 0x113FDB5CU);
}

TEST(Crc32c, TextHasEightLowerCaseDigits) {
  EXPECT_EQ(crc32c_text(0xE3069283U), "e3069283");
  EXPECT_EQ(crc32c_text(0x2AU), "0000002a");
}

RC_GTEST_PROP(Crc32cProperty, AgreesWithTheBitwiseSum, (const std::vector<unsigned char>& bytes)) {
  RC_ASSERT(crc_of(bytes) == bitwise_crc(bytes));
}

RC_GTEST_PROP(Crc32cProperty, ContinuesOverPieces, (const std::vector<unsigned char>& bytes)) {
  const auto cut = *rc::gen::inRange<std::size_t>(0, bytes.size() + 1);
  const std::uint32_t first = crc32c(bytes.data(), cut);
  RC_ASSERT(crc32c(bytes.data() + cut, bytes.size() - cut, first) == crc_of(bytes));
}

TEST(Crc32c, OfAFileLargerThanItsBuffer) {
  const test::ScratchFolder folder;
  const std::string path = folder / "bytes";
  std::string content(3'000'001, '\0');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 31 >> 3);
  test::write_bytes(path, content);
  std::uint64_t size = 0;
  EXPECT_EQ(crc32c_of_file(path, &size), crc32c(content.data(), content.size()));
  EXPECT_EQ(size, content.size());
}

TEST(Crc32c, AMissingFileAndAFolderAreDataErrors) {
  const test::ScratchFolder folder;
  for (const std::string& path : {folder / "absent", folder.path()}) {
    try {
      crc32c_of_file(path);
      FAIL() << path;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kData);
      EXPECT_NE(std::string(error.what()).find(path), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace regatta
