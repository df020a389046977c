#include "jobs/enhancer_scores.hpp"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mpira/base/error.hpp"

#include "jobs/sparse_row.hpp"

namespace mpira::jobs {
namespace {

using testing::ElementsAre;

double area(std::vector<double> const& scores, std::vector<std::uint8_t> const& positive) {
    return average_precision(scores, positive);
}

TEST(EnhancerScores, AveragePrecision) {
    // Worked by hand: recall gained times precision, from the highest score down.
    EXPECT_DOUBLE_EQ(area({0.9, 0.8, 0.7, 0.6}, {1, 0, 1, 0}), 0.5 * 1 + 0.5 * 2 / 3);
    EXPECT_DOUBLE_EQ(area({0.6, 0.8, 0.9, 0.7}, {0, 0, 1, 1}), 0.5 * 1 + 0.5 * 2 / 3);
    EXPECT_DOUBLE_EQ(area({3, 2, 1}, {0, 0, 1}), 1.0 / 3);
    EXPECT_DOUBLE_EQ(area({3, 2, 1}, {1, 1, 1}), 1);
    EXPECT_TRUE(std::isnan(area({3, 2, 1}, {0, 0, 0})));
    EXPECT_TRUE(std::isnan(area({}, {})));
    EXPECT_THROW(area({std::numeric_limits<double>::quiet_NaN()}, {1}), Error);
}

TEST(EnhancerScores, PairsOfOneScoreAreOneStep) {
    // All the same: the prevalence, in whatever order they stand.
    EXPECT_DOUBLE_EQ(area({1, 1, 1, 1}, {1, 0, 0, 0}), 0.25);
    EXPECT_DOUBLE_EQ(area({1, 1, 1, 1}, {0, 0, 0, 1}), 0.25);
    EXPECT_DOUBLE_EQ(area({0.0, -0.0, 1}, {1, 0, 1}), 0.5 * 1 + 0.5 * 2 / 3);
    auto const least = -std::numeric_limits<double>::infinity();
    EXPECT_DOUBLE_EQ(area({2, least, least}, {0, 1, 0}), 1.0 / 3);
}

TEST(EnhancerScores, ContactFallsWithDistance) {
    PowerLaw const law;
    // numpy: exp(5.9594510043736655 - 1.024238616787792 * log(d + 1))
    EXPECT_NEAR(contact(law, 0), 0.06301440070086411, 1e-15);
    EXPECT_EQ(contact(law, 0), contact(law, 5000));
    EXPECT_NEAR(contact(law, 100'000), 0.0029306176052719336, 1e-16);
    EXPECT_LT(contact(law, 5001), contact(law, 5000));
}

TEST(SparseRow, IsFilledUpWithOtherColumns) {
    auto const row = sparse_row(std::vector<std::uint32_t>{2, 3, 7}, 5);
    EXPECT_THAT(row.columns, ElementsAre(0, 1, 2, 3, 7));
    EXPECT_THAT(row.entries, ElementsAre(2U, 3U, 4U));
    EXPECT_THAT(sparse_row(std::vector<std::uint32_t>{0, 1}, 4).columns, ElementsAre(0, 1, 2, 3));
    EXPECT_THAT(sparse_row(std::vector<std::uint32_t>{5}, 1).columns, ElementsAre(5));
    EXPECT_THAT(sparse_row({}, 2).columns, ElementsAre(0, 1));
    EXPECT_THROW(static_cast<void>(sparse_row(std::vector<std::uint32_t>{1, 2}, 1)), Error);
}

}  // namespace
}  // namespace mpira::jobs
