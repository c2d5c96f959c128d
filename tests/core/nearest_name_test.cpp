// "Did you mean": which name is near, and which is not.
#include "core/options.h"

#include <gtest/gtest.h>

namespace regatta {
namespace {

const std::vector<std::string> kNames = {"learning_rate", "epochs", "seed", "momentum", "heads"};

TEST(NearestName, FindsSlipsOfTheFinger) {
  EXPECT_EQ(nearest_name("learning_rat", kNames), "learning_rate");
  EXPECT_EQ(nearest_name("learnign_rate", kNames), "learning_rate");
  EXPECT_EQ(nearest_name("epoch", kNames), "epochs");
  EXPECT_EQ(nearest_name("sede", kNames), "seed");
  EXPECT_EQ(nearest_name("Learning-Rate", kNames), "learning_rate");
}

TEST(NearestName, SaysNothingWhereNothingIsNear) {
  EXPECT_EQ(nearest_name("xyzzy", kNames), "");
  EXPECT_EQ(nearest_name("", kNames), "");
  EXPECT_EQ(nearest_name("a", {"b"}), "");
  EXPECT_EQ(nearest_name("anything", {}), "");
  EXPECT_EQ(nearest_name(std::string(1 << 20, 'a'), kNames), "");
}

TEST(NearestName, TakesTheNearestAndOfEquallyNearTheFirst) {
  EXPECT_EQ(nearest_name("abcdx", {"abzzz", "abcde"}), "abcde");
  EXPECT_EQ(nearest_name("abcx", {"abcd", "abce"}), "abcd");
}

}  // namespace
}  // namespace regatta
