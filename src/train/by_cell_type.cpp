#include "train/by_cell_type.hpp"

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "mpira/train/metrics.hpp"
#include "mpira/train/record.hpp"

namespace mpira::train {

namespace {

using store::Type;

constexpr char const* kOfRuns = "obsm/by_cell_type";
constexpr char const* kPooled = "uns/summary/by_cell_type_pooled";

std::string our_summary_path(FoldSet set, char const* what) {
    return summary_path(set, fmt::format("by_cell_type_{}", what));
}

/// Held-out entries of each cell type, added place by place.
class Entries {
public:
    explicit Entries(std::size_t cell_types) : of_(cell_types) {}

    void add(std::int32_t cell_type, std::span<float const> predicted, std::span<float const> target,
             std::span<std::uint8_t const> scored) {
        auto& mine = of_.at(static_cast<std::size_t>(cell_type));
        mine.predicted.insert(mine.predicted.end(), predicted.begin(), predicted.end());
        mine.target.insert(mine.target.end(), target.begin(), target.end());
        mine.scored.insert(mine.scored.end(), scored.begin(), scored.end());
    }
    /// (cell types, figures)
    void write_figures(std::span<double> out) const {
        std::ranges::fill(out, kUndefined);
        for (std::size_t i = 0; i < of_.size(); ++i) {
            auto const& [predicted, target, scored] = of_[i];
            if (target.empty()) continue;
            auto const score = score_entries(predicted, target, scored, poisson_nll(predicted, target));
            std::ranges::copy(figures_of(score, kUndefined),
                              out.subspan(i * kFigures.size(), kFigures.size()).begin());
        }
    }

private:
    struct OfOne {
        std::vector<float> predicted;
        std::vector<float> target;
        std::vector<std::uint8_t> scored;
    };
    std::vector<OfOne> of_;
};

/// The places of `runs` rows of the held-out arrays; a row ends at its padding.
template <typename Rows>
void add_places(Rows& rows, std::size_t first_run, std::size_t runs, std::size_t all_runs, Entries& entries) {
    auto const cell_type = rows.template array<std::int32_t>("obsm/heldout_cell_type");
    auto const predicted = rows.template array<float>("obsm/heldout_predicted");
    auto const target = rows.template array<float>("obsm/heldout_target");
    auto const scored = rows.template array<std::uint8_t>("obsm/heldout_scored");
    auto const places = cell_type.size() / all_runs;
    auto const outputs = predicted.size() / cell_type.size();
    for (auto run = first_run; run < first_run + runs; ++run) {
        for (auto place = run * places; place < (run + 1) * places && cell_type[place] >= 0; ++place) {
            entries.add(cell_type[place], predicted.subspan(place * outputs, outputs),
                        target.subspan(place * outputs, outputs), scored.subspan(place * outputs, outputs));
        }
    }
}

}  // namespace

void ByCellType::add_arrays(store::ResultLayout& layout) const {
    layout.row_arrays.push_back({kOfRuns, Type::f64, {cell_types_, kFigures.size()}});
    std::vector<std::uint64_t> const shape{plan_.series(), cell_types_, kFigures.size()};
    for (auto const set : sets_) {
        for (char const* const what : {"mean", "sd"}) {
            layout.fixed_arrays.push_back({our_summary_path(set, what), Type::f64, shape, {}});
        }
    }
    layout.fixed_arrays.push_back({kPooled, Type::f64, shape, {}});
}

void ByCellType::take(store::UnitRows& rows) const {
    Entries entries(cell_types_);
    add_places(rows, 0, 1, 1, entries);
    entries.write_figures(rows.array<double>(kOfRuns));
}

Spread ByCellType::summarise(store::FinishedRows& rows) const {
    auto const x = rows.array<double>(kOfRuns);
    Spread all;
    for (auto const set : sets_) {
        auto spread = spread_over(plan_, x, set, width());
        std::ranges::copy(spread.mean, rows.fixed_array<double>(our_summary_path(set, "mean")).begin());
        std::ranges::copy(spread.sd, rows.fixed_array<double>(our_summary_path(set, "sd")).begin());
        if (set == FoldSet::all) all = std::move(spread);
    }
    auto const pooled = rows.fixed_array<double>(kPooled);
    auto const folds = plan_.folds.size();
    for (std::size_t series = 0; series < plan_.series(); ++series) {
        Entries entries(cell_types_);
        add_places(rows, series * folds, folds, plan_.runs.size(), entries);
        entries.write_figures(pooled.subspan(series * width(), width()));
    }
    return all;
}

}  // namespace mpira::train
