// A folder of its own for each test, removed at its end, and small conveniences for raw files.
#pragma once

#include "core/error.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <unistd.h>

namespace regatta::testing {

class TestFolder {
 public:
  TestFolder() {
    std::string pattern = ::testing::TempDir() + "regatta-preprocess-XXXXXX";
    path_ = mkdtemp(pattern.data());
  }
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  std::string at(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

  /// Writes `content` and returns the path.
  std::string write(const std::string& name, const std::string& content) const {
    std::ofstream(at(name), std::ios::binary) << content;
    return at(name);
  }
  /// As write(), packed by gzip.
  std::string write_gzip(const std::string& name, const std::string& content) const {
    const std::string plain = write(name + ".plain", content);
    const std::string command = "gzip -c '" + plain + "' > '" + at(name) + "'";
    EXPECT_EQ(std::system(command.c_str()), 0);
    std::filesystem::remove(plain);
    return at(name);
  }

 private:
  std::string path_;
};

inline std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Runs `work`, which must throw an Error of `code` whose message holds `expected`.
template <class Work>
void expect_error(ExitCode code, const std::string& expected, const Work& work) {
  try {
    work();
    ADD_FAILURE() << "no error, expected: " << expected;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(std::string(error.what()).find(expected), std::string::npos)
        << "message:  " << error.what() << "\nexpected: " << expected;
  }
}

}  // namespace regatta::testing
