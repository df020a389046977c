// The parts of a sweep that need no training: focus windows, groups of ranks, figures.
#include "mpira/train/sweep.hpp"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "mpira/train/focus.hpp"
#include "mpira/train/metrics.hpp"
#include "mpira/train/record.hpp"

#include "train/sweep_tables.hpp"

namespace mpira::train {
namespace {

using genome::PlaceRange;

TEST(FocusWindows, EveryPlaceOnceAtItsTrueIndexAndNeverOutsideItsRun) {
    std::vector<PlaceRange> const runs{{0, 3}, {10, 30}, {40, 48}};
    constexpr std::uint64_t kWindow = 8;
    auto const windows = focus_windows(runs, kWindow);
    std::size_t at = 0;
    for (auto const& run : runs) {
        for (auto place = run.first; place < run.end; ++place, ++at) {
            auto const& [window, focus] = windows.at(at);
            EXPECT_EQ(window.first + focus, place);
            EXPECT_GE(window.first, run.first);
            EXPECT_LE(window.end, run.end);
            EXPECT_EQ(window.size(), std::min(kWindow, run.size()));
        }
    }
    EXPECT_EQ(at, windows.size());
    EXPECT_EQ(windows[3 + 9].focus, kWindow / 2);   // place 19: as much on both sides
    EXPECT_EQ(windows[3].focus, 0U);                // place 10: shifted inward
    EXPECT_EQ(windows[3 + 19].focus, kWindow - 1);  // place 29
}

TEST(Groups, LieOnOneNodeWhereTheyFit) {
    EXPECT_EQ(cut_into_groups({0, 0, 0, 0}, 2), (std::vector{0, 0, 1, 1}));
    EXPECT_EQ(cut_into_groups({0, 4, 0, 4}, 2), (std::vector{0, 1, 0, 1}));  // ranks dealt round the nodes
    // Three ranks a node, two a group: a group on each node, and one of the ranks left.
    EXPECT_EQ(cut_into_groups({0, 0, 0, 3, 3, 3}, 2), (std::vector{0, 0, 1, 2, 2, 1}));
    EXPECT_EQ(cut_into_groups({0, 1, 2, 3}, 4), (std::vector{0, 0, 0, 0}));
}

TEST(Figures, ScoredEntriesApartFromAll) {
    std::vector<float> const predicted{0.1F, 0.4F, 0.4F, 0.9F, 5.0F};
    std::vector<float> const target{0, 1, 2, 3, 0};
    std::vector<std::uint8_t> const scored{1, 1, 1, 1, 0};
    auto const score = score_entries(predicted, target, scored, 0.5);
    // Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4.
    EXPECT_NEAR(score.spearman, 4.5 / std::sqrt(4.5 * 5), 1e-12);
    // SSE 0.01 + 0.36 + 2.56 + 4.41, SST 5.
    EXPECT_NEAR(score.r2, 1 - 7.34 / 5, 1e-6);
    EXPECT_EQ(score.entries, 4U);
    EXPECT_LT(score.pearson_all, score.pearson);
    auto const all = score_entries(predicted, target, {}, 0.5);
    EXPECT_DOUBLE_EQ(all.pearson, score.pearson_all);
    EXPECT_TRUE(std::isnan(all.pearson_all));
    std::vector<float> const constant(5, 1.0F);
    EXPECT_TRUE(std::isnan(spearman(constant, target)));
    EXPECT_TRUE(std::isnan(r2(target, constant)));
}

// Three settings x two seeds x two folds, the second fold harder to validate on.
TEST(BestRun, IsOfTheSettingWithTheLeastMeanOverFoldsAndSeeds) {
    SweepPlan plan;
    plan.folds = {"a", "b"};
    plan.settings = {"first", "second", "third"};
    plan.seeds = {0, 1};
    auto const best_of = [&](std::vector<double> const& losses) {
        std::vector<double> x(losses.size() * kFigures.size(), 0.0);
        for (std::size_t run = 0; run < losses.size(); ++run) {
            x[run * kFigures.size() + kValidationLoss] = losses[run];
        }
        return best_run_of(plan, x);
    };
    // The least loss of all is the first setting's, on the easy fold.
    auto const best = best_of({0.1, 0.9, 0.2, 0.8, 0.3, 0.5, 0.2, 0.6, 0.3, 0.7, 0.3, 0.7});
    ASSERT_TRUE(best);
    EXPECT_EQ(best->run, 6U);
    EXPECT_NEAR(best->mean_validation_loss, 0.4, 1e-12);
    // A setting with a run that has no loss doesn't count.
    auto const whole = best_of({0.1, 0.9, 0.2, 0.8, 0.3, 0.5, 0.2, NAN, 0.4, 0.7, 0.3, 0.7});
    ASSERT_TRUE(whole);
    EXPECT_EQ(whole->run, 0U);
    EXPECT_FALSE(best_of(std::vector<double>(12, NAN)));
}

}  // namespace
}  // namespace mpira::train
