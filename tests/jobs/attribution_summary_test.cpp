#include "jobs/attribution_summary.hpp"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mpira/base/error.hpp"
#include "mpira/base/float16.hpp"

namespace mpira::jobs {
namespace {

using testing::ElementsAre;

TEST(AttributionSummary, OverRegionsAndFeatures) {
    std::vector<float> const a{1,  -2, 3,   //
                               -4, 5,  0};  // 2 regions, 3 features
    std::vector<float> by_feature(3), by_region(2);
    auto const over = [&](Summary summary) {
        over_regions(summary, a, by_feature);
        over_features(summary, a, by_region);
    };
    over(Summary::sum);
    EXPECT_THAT(by_feature, ElementsAre(-3, 3, 3));
    EXPECT_THAT(by_region, ElementsAre(2, 1));
    over(Summary::mean);
    EXPECT_THAT(by_feature, ElementsAre(-1.5F, 1.5F, 1.5F));
    EXPECT_THAT(by_region, ElementsAre(2.0F / 3, 1.0F / 3));
    over(Summary::mean_abs);
    EXPECT_THAT(by_feature, ElementsAre(2.5F, 3.5F, 1.5F));
    EXPECT_THAT(by_region, ElementsAre(2, 3));
    over(Summary::l2);
    EXPECT_THAT(by_feature, ElementsAre(std::sqrt(17.0F), std::sqrt(29.0F), 3));
    EXPECT_THAT(by_region, ElementsAre(std::sqrt(14.0F), std::sqrt(41.0F)));
    std::vector<std::string> const names{"l2", "sum"};
    EXPECT_THAT(summaries_named(names, "x"), ElementsAre(Summary::l2, Summary::sum));
    std::vector<std::string> const wrong{"summ"};
    EXPECT_THROW(summaries_named(wrong, "x"), Error);
}

TEST(AttributionSummary, ScoresAreScaledByTheNearest) {
    std::vector<double> const scores{1, -2, 10, 4, 8};
    std::vector<std::int64_t> const centres{0, 100, 200, 300, 1000};
    auto const scaled = [&](std::uint64_t nearest, bool own, std::int64_t start) {
        auto copy = scores;
        scale_scores(copy, centres, start, 2, {nearest, own});
        return copy;
    };
    EXPECT_THAT(scaled(2, false, 200), ElementsAre(1.0 / 6, -2.0 / 6, 10.0 / 6, 4.0 / 6, 8.0 / 6));
    // By the distance to the start, not to its region's centre: 300 and 1000 stay out.
    EXPECT_THAT(scaled(2, false, 149), ElementsAre(1.0 / 3, -2.0 / 3, 10.0 / 3, 4.0 / 3, 8.0 / 3));
    EXPECT_THAT(scaled(3, true, 200), ElementsAre(1.0 / 16, -2.0 / 16, 10.0 / 16, 4.0 / 16, 8.0 / 16));
    EXPECT_THAT(scaled(100, false, 200), ElementsAre(1.0 / 15, -2.0 / 15, 10.0 / 15, 4.0 / 15, 8.0 / 15));
    EXPECT_EQ(scaled(0, false, 200), scores);
    std::vector<double> zeros{0, 3};
    scale_scores(zeros, std::vector<std::int64_t>{0, 5}, 5, 1, {});
    EXPECT_THAT(zeros, ElementsAre(0, 0));
}

TEST(AttributionSummary, GeneValues) {
    std::vector<float> const rows{1, -5, 3, 2, -4, 0};  // 3 rows of 2 values
    std::vector<float> const predicted{0.5F, 0.9F, 0.9F};
    auto const value = [&](std::string_view how) {
        std::vector<float> out(2);
        gene_value(gene_value_named(how), rows, predicted, out);
        return out;
    };
    EXPECT_THAT(value("mean"), ElementsAre(0, -1));
    EXPECT_THAT(value("sum"), ElementsAre(0, -3));
    EXPECT_THAT(value("max"), ElementsAre(3, 2));
    EXPECT_THAT(value("highest_predicted"), ElementsAre(3, 2));
}

TEST(AttributionSummary, Float16ScaleKeepsSmallGradients) {
    for (float const most : {3e-12F, 0.7F, 1.0F, 6e4F, 1e20F}) {
        std::vector<float> const values{most, -most / 4096, most / 3};
        auto const scale = float16_scale(values);
        EXPECT_GE(most / scale, 0x1p14F);
        EXPECT_LT(most / scale, 0x1p15F);
        EXPECT_NE(to_float16(values[1] / scale) & 0x7fff, 0);
        int exponent = 0;
        EXPECT_EQ(std::frexp(scale, &exponent), 0.5F);  // a power of two: no rounding of its own
    }
    EXPECT_EQ(float16_scale(std::vector<float>{0, 0}), 1);
    EXPECT_EQ(float16_scale(std::vector<float>{std::numeric_limits<float>::infinity()}), 1);
}

}  // namespace
}  // namespace mpira::jobs
