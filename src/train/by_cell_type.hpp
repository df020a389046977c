#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "mpira/store/job.hpp"
#include "mpira/train/sweep.hpp"

#include "train/sweep_tables.hpp"

namespace mpira::train {

/// Figures of each run in each cell type apart, where runs hold out several: obsm/by_cell_type (runs, cell
/// types of the atlas, figures), NaN where a run holds out nothing of a cell type; their mean and sd over
/// folds, and those of a cell type's entries of all folds as one set, in uns/summary.
class ByCellType {
public:
    ByCellType(SweepPlan const& plan, std::vector<FoldSet> sets, std::size_t cell_types)
        : plan_(plan), sets_(std::move(sets)), cell_types_(cell_types) {}

    void add_arrays(store::ResultLayout& layout) const;
    /// Of a row whose held-out arrays are written.
    void take(store::UnitRows& rows) const;
    /// Into the fixed arrays. Returns mean and sd over all folds: (series, cell types, figures).
    Spread summarise(store::FinishedRows& rows) const;

private:
    [[nodiscard]] std::size_t width() const { return cell_types_ * kFigures.size(); }

    SweepPlan const& plan_;
    std::vector<FoldSet> sets_;  // that means are over
    std::size_t cell_types_;
};

}  // namespace mpira::train
