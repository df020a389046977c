#include "mpira/schedule/progress.hpp"

#include <gtest/gtest.h>

namespace mpira::schedule {
namespace {

TEST(Progress, SaysWhatPeopleAskFor) {
    ProgressReport report{.units = 201393, .done = 12034, .rows = 51100, .seconds = 10, .left_s = 7800};
    EXPECT_EQ(to_line(report), "12,034 of 201,393 units (6.0 %), 5,110 rows/s, 2 h 10 min left");
    report.set_aside = 3;
    report.left_s = -1;
    EXPECT_EQ(to_line(report), "12,034 of 201,393 units (6.0 %), 5,110 rows/s, 3 set aside");
}

TEST(Progress, KeepsSmallNumbersAndSlowRatesReadable) {
    ProgressReport const report{
        .units = 999, .done = 7, .rows = 5, .seconds = 20, .left_s = -1, .ranks = 1, .last = false};
    EXPECT_EQ(to_line(report), "7 of 999 units (0.7 %), 0.25 rows/s");
}

TEST(Progress, NoUnitsAreAllUnits) {
    EXPECT_EQ(to_line({}), "0 of 0 units (100.0 %)");
}

}  // namespace
}  // namespace mpira::schedule
