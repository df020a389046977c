// What the rows of a sweep say together: means over folds, genes across cell types, the best run.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "mpira/train/metrics.hpp"

#include "train/sweep_rows.hpp"

namespace mpira::train {

template <typename Fn>
void SweepRows::for_held_out(store::FinishedRows const& rows, std::size_t series, Fn&& call) const {
    auto const row = rows.array<std::int32_t>("obsm/heldout_row");
    auto const predicted = rows.array<float>("obsm/heldout_predicted");
    auto const wanted = rows.array<float>("obsm/heldout_target");
    auto const scored = rows.array<std::uint8_t>("obsm/heldout_scored");
    for (std::size_t fold = 0; fold < plan_.folds.size(); ++fold) {
        auto const first = (series * plan_.folds.size() + fold) * most_held_out_;
        for (auto place = first; place < first + most_held_out_ && row[place] >= 0; ++place) {
            for (std::uint32_t output = 0; output < outputs_; ++output) {
                auto const at = place * outputs_ + output;
                call(GeneEntry{.gene = {static_cast<std::uint32_t>(row[place]), output},
                               .predicted = predicted[at],
                               .target = wanted[at]},
                     scored[at]);
            }
        }
    }
}

GeneFigures SweepRows::across_cell_types(store::FinishedRows const& rows, std::size_t series) const {
    std::vector<GeneEntry> entries;
    for_held_out(rows, series, [&](GeneEntry const& entry, std::uint8_t scored) {
        if (scored != 0) entries.push_back(entry);
    });
    return figures_across_cell_types(genes_, std::move(entries));
}

void SweepRows::summarise_cell_types(store::FinishedRows& rows, SweepSummary& summary) const {
    if (holds_out_cell_types_) {
        for (auto const* const name : kBaselineFigures) {
            auto const x = rows.array<double>(fmt::format("obsm/{}", name));
            for (auto const set : used_sets()) {
                auto const spread = spread_over(plan_, x, set);
                auto const put = [&](char const* what, std::vector<double> const& values) {
                    auto const path = summary_path(set, fmt::format("{}_{}", name, what));
                    std::ranges::copy(values, rows.fixed_array<double>(path).begin());
                };
                put("mean", spread.mean);
                put("sd", spread.sd);
                if (set != FoldSet::all) continue;
                (name == kBaselineFigures[0] ? summary.training_mean : summary.beside_training_mean) = spread;
            }
        }
    }
    if (by_cell_type_) summary.by_cell_type = by_cell_type_->summarise(rows);
    if (genes_.empty()) return;
    for (std::size_t series = 0; series < plan_.series(); ++series) {
        auto const figures = across_cell_types(rows, series);
        write_gene_figures(rows, series, figures);
        summary.across_cell_types.push_back(figures);
    }
}

Score SweepRows::pooled(store::FinishedRows const& rows, std::size_t series) const {
    std::vector<float> predicted;
    std::vector<float> target;
    std::vector<std::uint8_t> all_scored;
    for_held_out(rows, series, [&](GeneEntry const& entry, std::uint8_t scored) {
        predicted.push_back(entry.predicted);
        target.push_back(entry.target);
        all_scored.push_back(scored);
    });
    return score_entries(predicted, target, all_scored, poisson_nll(predicted, target));
}

SweepSummary SweepRows::summarise(store::FinishedRows& rows) const {
    auto const x = rows.array<double>("X");
    auto const spread_of = [&](FoldSet set) {
        auto spread = spread_over(plan_, x, set);
        std::ranges::copy(spread.mean, rows.fixed_array<double>(summary_path(set, "mean")).begin());
        std::ranges::copy(spread.sd, rows.fixed_array<double>(summary_path(set, "sd")).begin());
        return spread;
    };
    SweepSummary summary;
    summary.all = spread_of(FoldSet::all);
    if (used_sets().size() > 1) {
        summary.recipe = spread_of(FoldSet::recipe);
        summary.other = spread_of(FoldSet::other);
    }
    auto const pools = rows.fixed_array<double>("uns/summary/pooled");
    for (std::size_t series = 0; series < plan_.series(); ++series) {
        summary.pooled.push_back(pooled(rows, series));
        auto const figures = figures_of(summary.pooled.back(), kUndefined);
        std::ranges::copy(figures, pools.begin() + static_cast<std::ptrdiff_t>(series * kFigures.size()));
    }
    summarise_cell_types(rows, summary);
    summary.best = best_run_of(plan_, x);
    rows.fixed_array<std::int64_t>("uns/summary/best_run")[0] =
        summary.best ? static_cast<std::int64_t>(summary.best->run) : -1;
    return summary;
}

}  // namespace mpira::train
