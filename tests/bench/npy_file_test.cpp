// .npy files as NumPy reads them.
#include "bench/npy_file.h"

#include "core/error.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <numeric>

namespace regatta {
namespace {

class NpyFile : public ::testing::Test {
 protected:
  NpyFile() { std::filesystem::create_directories(folder_); }
  ~NpyFile() override { std::filesystem::remove_all(folder_); }
  std::string folder_ = ::testing::TempDir() + "npy_file_test";
};

TEST_F(NpyFile, ReadsInNumPy) {
  std::vector<float> values(6);
  std::iota(values.begin(), values.end(), 0.5F);
  write_npy(folder_ + "/f.npy", values, {2, 3});
  write_npy(folder_ + "/i.npy", std::vector<std::int32_t>{-1, 7});
  write_npy(folder_ + "/l.npy", std::vector<std::int64_t>{std::int64_t{1} << 40});
  write_npy(folder_ + "/empty.npy", std::vector<float>{}, {0, 4});
  const std::string program =
      "import numpy as n, sys\n"
      "f, i, l, e = (n.load(sys.argv[1] + '/' + k + '.npy') for k in ('f', 'i', 'l', 'empty'))\n"
      "assert f.dtype == n.float32 and (f == n.arange(6).reshape(2, 3) + 0.5).all()\n"
      "assert i.dtype == n.int32 and i.tolist() == [-1, 7]\n"
      "assert l.dtype == n.int64 and l.tolist() == [1 << 40]\n"
      "assert e.shape == (0, 4)\n";
  const std::string command =
      std::string(REGATTA_PYTHON) + " -c \"" + program + "\" '" + folder_ + "'";
  EXPECT_EQ(std::system(command.c_str()), 0);
}

TEST_F(NpyFile, NamesThePathThatCannotBeWritten) {
  EXPECT_THROW(write_npy(folder_ + "/missing/f.npy", std::vector<float>{1}, {1}), Error);
}

}  // namespace
}  // namespace regatta
