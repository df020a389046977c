#include "report/resampled_figures.hpp"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "mpira/base/philox.hpp"

namespace mpira::report {
namespace {

struct Rows {
    std::vector<double> score, measured;
    std::vector<std::uint8_t> positive;
    std::vector<std::uint32_t> locus;
};

/// Uniform noise on a common part, `copies` rows a locus that are the same.
Rows rows_of(std::uint32_t loci, std::uint32_t copies) {
    Rows rows;
    Draws draws(7, Stream::data, 0);
    for (std::uint32_t i = 0; i < loci; ++i) {
        double const common = draws.uniform(), score = common + draws.uniform(),
                     measured = common + draws.uniform();
        for (std::uint32_t copy = 0; copy < copies; ++copy) {
            rows.score.push_back(score);
            rows.measured.push_back(measured);
            rows.positive.push_back(measured > 1.2 ? 1 : 0);
            rows.locus.push_back(i);
        }
    }
    return rows;
}

Figures figures_of(Rows const& rows, std::uint64_t resamples) {
    return resampled_figures(rows.score, rows.measured, rows.positive, rows.locus, resamples, 3);
}

TEST(ResampledFigures, IntervalOfACorrelationIsFishers) {
    constexpr std::uint32_t kRows = 1000;
    auto const figures = figures_of(rows_of(kRows, 1), 4000);
    double const r = figures.pearson.value;
    EXPECT_NEAR(r, 0.5, 0.06);
    // Of sums of uniform numbers, whose tails are lighter than the normal's of the formula.
    double const half = 1.96 / std::sqrt(kRows - 3.0);
    EXPECT_NEAR(figures.pearson.low, std::tanh(std::atanh(r) - half), 0.01);
    EXPECT_NEAR(figures.pearson.high, std::tanh(std::atanh(r) + half), 0.01);
    EXPECT_LT(figures.auprc.low, figures.auprc.value);
    EXPECT_GT(figures.auprc.high, figures.auprc.value);
}

TEST(ResampledFigures, LociAreDrawnNotRows) {
    auto const one = figures_of(rows_of(40, 1), 500), five = figures_of(rows_of(40, 5), 500);
    EXPECT_EQ(five.elements, 200U);
    EXPECT_EQ(five.loci, 40U);
    for (auto const which : {&Figures::pearson, &Figures::spearman, &Figures::auprc}) {
        EXPECT_NEAR((one.*which).low, (five.*which).low, 1e-12);
        EXPECT_NEAR((one.*which).value, (five.*which).value, 1e-12);
        EXPECT_NEAR((one.*which).high, (five.*which).high, 1e-12);
    }
}

TEST(ResampledFigures, FewLociHaveNoInterval) {
    auto const few = figures_of(rows_of(kFewestLoci - 1, 20), 500),
               enough = figures_of(rows_of(kFewestLoci, 20), 500);
    EXPECT_FALSE(std::isnan(few.pearson.value));
    EXPECT_TRUE(std::isnan(few.pearson.low) && std::isnan(few.spearman.high) && std::isnan(few.auprc.low));
    EXPECT_LT(enough.pearson.low, enough.pearson.high);
}

}  // namespace
}  // namespace mpira::report
