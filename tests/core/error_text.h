// What a call that has to fail says.
#pragma once

#include "core/error.h"

#include <gtest/gtest.h>

#include <string>

namespace regatta::test {

/// The text of the Error that `body` throws, which has to have `code`; empty where it throws none.
template <class Body>
std::string error_text(ExitCode code, const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    return error.what();
  }
  return {};
}

}  // namespace regatta::test
