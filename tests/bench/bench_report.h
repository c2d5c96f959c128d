// What all reports of `regatta bench` promise.
#pragma once

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>

namespace regatta::test {

using Json = nlohmann::ordered_json;

inline void expect_header(const Json& report) {
  EXPECT_FALSE(report.at("machine").get<std::string>().empty());
  EXPECT_FALSE(report.at("commit").get<std::string>().empty());
  EXPECT_EQ(report.at("date").get<std::string>().size(),
            std::string("2026-01-01T00:00:00Z").size());
  EXPECT_GT(report.at("threads").get<int>(), 0);
}

inline void expect_spread(const Json& spread) {
  const double median = spread.at("median");
  EXPECT_GT(spread.at("minimum").get<double>(), 0);
  EXPECT_LE(spread.at("minimum").get<double>(), median);
  EXPECT_GE(spread.at("maximum").get<double>(), median);
}

/// The bound that applies lies between `compulsory` and `gather`; each percentage is its floor over
/// `seconds`.
inline void expect_percentages(const Json& floor, const Json& percent, double seconds) {
  const double compulsory = floor.at("compulsory"), applies = floor.at("applies");
  EXPECT_GT(compulsory, 0);
  EXPECT_GE(applies, compulsory);
  EXPECT_LE(applies, std::max(compulsory, floor.at("gather").get<double>()));
  EXPECT_EQ(applies, floor.at(floor.at("bound").get<std::string>()).get<double>());
  for (const char* name : {"compulsory", "gather", "applies"})
    EXPECT_NEAR(percent.at(name).get<double>(), 100 * floor.at(name).get<double>() / seconds, 1e-6);
  EXPECT_EQ(percent.at("blocked").is_null(), floor.at("blocked").is_null());
}

}  // namespace regatta::test
