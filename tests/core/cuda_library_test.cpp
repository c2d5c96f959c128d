// The door to the CUDA library says why it stays shut. It opens once a process, so each case has
// its own.
#include "core/cuda_library.h"

#include "checkpoint/scratch_folder.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

namespace regatta {
namespace {

[[noreturn]] void open_and_say_why(const std::string& path) {
  set_cuda_library_path(path);
  std::string why;
  const bool opened = cuda_plugin(&why) != nullptr;
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(opened ? 1 : 0);
}

class CudaLibraryDeathTest : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(CudaLibraryDeathTest, AnAbsentFileIsNamed) {
  EXPECT_EXIT(open_and_say_why("/absent/libregatta_cuda.so"),
              testing::ExitedWithCode(0),
              "no libregatta_cuda.so at /absent/libregatta_cuda.so");
}

TEST_F(CudaLibraryDeathTest, ASearchNamesBothPlaces) {
  EXPECT_EXIT(open_and_say_why(""),
              testing::ExitedWithCode(0),
              "tests/libregatta_cuda.so or .*/lib/libregatta_cuda.so");
}

TEST_F(CudaLibraryDeathTest, AFileThatIsNoLibraryIsNamed) {
  EXPECT_EXIT(open_and_say_why("/proc/self/status"),
              testing::ExitedWithCode(0),
              "/proc/self/status cannot be loaded");
}

}  // namespace
}  // namespace regatta
