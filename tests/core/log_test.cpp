// Which lines come out, on which stream, and how Error and REGATTA_CHECK word themselves.
#include "core/log.h"

#include "core/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace regatta {
namespace {

TEST(Log, ResultsGoToStandardOutputAndTheLogToStandardError) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  log::result("accuracy {}", 0.5);
  log::info("reading {}", "x");
  log::warn("slow");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "accuracy 0.5\n");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "reading x\nwarning: slow\n");
}

TEST(Log, OtherRanksWarnWithTheirNumberAndSayNothingElse) {
  log::set_rank(2, 4);
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  log::result("accuracy");
  log::info("reading");
  log::warn("slow");
  log::error("broken");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "warning: rank 2: slow\nerror: rank 2: broken\n");
  log::set_rank(0, 1);
}

TEST(Error, CarriesItsExitCodeAndMessage) {
  try {
    fail(ExitCode::kStorage, "{}: disk full", "/a");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kStorage);
    EXPECT_STREQ(error.what(), "/a: disk full");
  }
}

TEST(Check, NamesTheConditionTheFileAndTheNote) {
  const int count = 3;
  EXPECT_NO_THROW(REGATTA_CHECK(count == 3));
  try {
    REGATTA_CHECK(count == 4, "count is {}", count);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kInternal);
    EXPECT_THAT(error.what(), testing::HasSubstr("count == 4 does not hold"));
    EXPECT_THAT(error.what(), testing::HasSubstr("log_test.cpp"));
    EXPECT_THAT(error.what(), testing::HasSubstr("count is 3"));
  }
}

}  // namespace
}  // namespace regatta
