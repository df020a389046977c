#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/bench_parts.hpp"

namespace mpira::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

SettingsSpeed speed(char const* settings, double to_default) {
    return {settings, {to_default, to_default, to_default}};
}

TEST(BusBandwidth, IsWhatNcclTestsCount) {
    EXPECT_DOUBLE_EQ(bus_bytes_per_s(2, 1e9, 0.5), 2e9);
    EXPECT_DOUBLE_EQ(bus_bytes_per_s(8, 1e9, 0.01), 175e9);  // 2 x 7/8
    EXPECT_DOUBLE_EQ(bus_bytes_per_s(1, 1e9, 0.5), 0);
}

TEST(Advice, IsTheFastestOfTheSettings) {
    EXPECT_THAT(advice_of({speed("model.products=blas", 1.2), speed("model.precision=bf16", 1.83)}),
                AllOf(HasSubstr("model.precision=bf16 is the fastest"), HasSubstr("1.83 times"),
                      HasSubstr("0.9999")));
    EXPECT_THAT(advice_of({speed("model.products=blas", 1.2), speed("model.precision=bf16", 0.3)}),
                AllOf(HasSubstr("model.products=blas is the fastest"), Not(HasSubstr("bf16"))));
}

TEST(Advice, StaysWithTheDefaultsWhereLittleIsGained) {
    for (auto const& others : {std::vector<SettingsSpeed>(), {speed("model.precision=bf16", 1.02)}})
        EXPECT_THAT(advice_of(others), HasSubstr("the defaults"));
}

}  // namespace
}  // namespace mpira::cli
