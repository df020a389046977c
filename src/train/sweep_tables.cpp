#include "train/sweep_tables.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "mpira/base/error.hpp"

namespace mpira::train {

namespace {

constexpr std::array<char const*, 5> kCurveFigures{"loss", "pearson", "spearman", "r2", "auroc"};

std::array<double, kCurveFigures.size()> curve_figures(Score const& score) {
    return {score.loss, score.pearson, score.spearman, score.r2, score.auroc};
}

bool is_in(SweepPlan const& plan, std::size_t fold, FoldSet set) {
    return set == FoldSet::all || plan.is_recipe_fold[fold] == (set == FoldSet::recipe);
}

}  // namespace

std::array<double, kFigures.size()> figures_of(Score const& score, double validation_loss) {
    return {score.loss,        score.pearson,      score.spearman, score.r2,       score.auroc,
            score.pearson_all, score.spearman_all, score.r2_all,   validation_loss};
}

std::vector<std::string> curve_columns() {
    std::vector<std::string> columns{"train_loss", "lr"};
    for (char const* const figure : kCurveFigures) columns.push_back(std::string("validation_") + figure);
    // Recorded when asked for, to be drawn; no epoch was chosen by them.
    for (char const* const figure : kCurveFigures) {
        columns.push_back(std::string("test_never_used_for_selection_") + figure);
    }
    return columns;
}

void write_curves(std::span<EpochRecord const> history, std::span<float> out) {
    std::size_t const width = 2 + 2 * kCurveFigures.size();
    ensure(history.size() * width <= out.size(), "more epochs than the curves have room for");
    std::fill(out.begin(), out.end(), std::numeric_limits<float>::quiet_NaN());
    for (std::size_t e = 0; e < history.size(); ++e) {
        auto const row = out.subspan(e * width, width);
        row[0] = static_cast<float>(history[e].train_loss);
        row[1] = static_cast<float>(history[e].lr);
        std::size_t at = 2;
        for (auto const* score : {&history[e].validation, &history[e].test_curve}) {
            if (*score) {
                auto const figures = curve_figures(**score);
                std::transform(figures.begin(), figures.end(), row.begin() + static_cast<std::ptrdiff_t>(at),
                               [](double figure) { return static_cast<float>(figure); });
            }
            at += kCurveFigures.size();
        }
    }
}

Spread spread_over(SweepPlan const& plan, std::span<double const> x, FoldSet set, std::size_t width) {
    auto const folds = plan.folds.size();
    ensure(x.size() == plan.runs.size() * width, "figures of another sweep");
    Spread spread{.mean = std::vector<double>(plan.series() * width, kUndefined),
                  .sd = std::vector<double>(plan.series() * width, kUndefined),
                  .folds = std::vector<std::size_t>(plan.series() * width, 0)};
    for (std::size_t series = 0; series < plan.series(); ++series) {
        for (std::size_t figure = 0; figure < width; ++figure) {
            std::vector<double> values;
            for (std::size_t fold = 0; fold < folds; ++fold) {
                auto const value = x[(series * folds + fold) * width + figure];
                if (is_in(plan, fold, set) && std::isfinite(value)) values.push_back(value);
            }
            spread.folds[series * width + figure] = values.size();
            if (values.empty()) continue;
            double mean = 0;
            for (auto const value : values) mean += value;
            mean /= static_cast<double>(values.size());
            spread.mean[series * width + figure] = mean;
            if (values.size() < 2) continue;
            double squares = 0;
            for (auto const value : values) squares += (value - mean) * (value - mean);
            spread.sd[series * width + figure] = std::sqrt(squares / static_cast<double>(values.size() - 1));
        }
    }
    return spread;
}

std::optional<BestRun> best_run_of(SweepPlan const& plan, std::span<double const> x) {
    ensure(x.size() == plan.series() * plan.folds.size() * kFigures.size(), "figures of another sweep");
    auto const loss_of = [&](std::size_t run) { return x[run * kFigures.size() + kValidationLoss]; };
    auto const runs = plan.seeds.size() * plan.folds.size();  // of a setting
    std::optional<BestRun> best;
    for (std::size_t setting = 0; setting < plan.settings.size(); ++setting) {
        BestRun mine{.run = setting * runs, .mean_validation_loss = 0};
        for (auto run = setting * runs; run < (setting + 1) * runs; ++run) {
            mine.mean_validation_loss += loss_of(run) / static_cast<double>(runs);
            if (loss_of(run) < loss_of(mine.run)) mine.run = run;
        }
        if (!std::isfinite(mine.mean_validation_loss)) continue;
        if (!best || mine.mean_validation_loss < best->mean_validation_loss) best = mine;
    }
    return best;
}

std::string summary_path(FoldSet set, std::string_view what) {
    return fmt::format("uns/summary/{}/{}", kFoldSets[static_cast<std::size_t>(set)], what);
}

}  // namespace mpira::train
