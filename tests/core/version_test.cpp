// One version: core/version.h and CMakeLists.txt agree.
#include "core/version.h"

#include "core/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace regatta {
namespace {

TEST(Version, IsThatOfTheBuildFile) {
  const std::string text = read_file(std::string(REGATTA_SOURCE_DIR) + "/CMakeLists.txt");
  EXPECT_THAT(text, testing::HasSubstr(std::string("project(regatta VERSION ") + kVersion + " "));
}

}  // namespace
}  // namespace regatta
