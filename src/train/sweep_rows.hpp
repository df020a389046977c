#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mpira/atlas/atlas.hpp"
#include "mpira/base/settings.hpp"
#include "mpira/store/job.hpp"
#include "mpira/train/fit.hpp"
#include "mpira/train/inputs.hpp"
#include "mpira/train/record.hpp"
#include "mpira/train/sweep.hpp"

#include "train/by_cell_type.hpp"
#include "train/cell_type_figures.hpp"
#include "train/sweep_tables.hpp"

namespace mpira::train {

/// Figures of a sweep's series over their folds, and its best run.
struct SweepSummary {
    Spread all;
    std::optional<Spread> recipe;  ///< nothing without recipe folds
    std::optional<Spread> other;
    std::vector<Score> pooled;  ///< a series: all held-out entries of its folds as one set
    /// A series: per gene across its cell types; empty: no gene is held out in two.
    std::vector<GeneFigures> across_cell_types;
    /// Where cell types are held out: the mean of the training cell types, and the models on the same
    /// entries.
    std::optional<Spread> training_mean;
    std::optional<Spread> beside_training_mean;
    /// (series, cell types of the atlas, figures), where runs hold out several cell types.
    std::optional<Spread> by_cell_type;
    std::optional<BestRun>
        best;  ///< by validation loss, never by what is held out; nothing without validation
};

/// The result file of a sweep (sweep_job.hpp says what is in it): its layout and tables, a run's row, the
/// summary. Knows nothing of ranks, and trains nothing.
///
/// Threads: one.
class SweepRows {
public:
    /// Checks every run: nobody wants to learn of a wrong setting from the last one. Usage errors name the
    /// key. `plan` must outlive this.
    SweepRows(Settings const& settings, SweepPlan const& plan, std::shared_ptr<atlas::Atlas const> atlas);

    [[nodiscard]] store::ResultLayout const& layout() const noexcept { return layout_; }
    [[nodiscard]] store::ResultTables tables() const;
    [[nodiscard]] double relative_cost(std::uint64_t run) const { return facts_[run].cost; }
    /// Runs to measure costs with: the first of each setting whose network has another size, a few at most,
    /// and of each kind of estimator.
    [[nodiscard]] std::vector<std::size_t> runs_to_measure() const;

    /// What bases saw of what was held out, and in how many runs: a label for every figure.
    [[nodiscard]] std::vector<std::string> what_bases_saw() const;

    /// Those of the runs' inputs, each once.
    [[nodiscard]] std::vector<std::string> const& warnings() const noexcept { return warnings_; }

    /// What a finished run has learned, into its row.
    void take(std::size_t run, Inputs const& inputs, Fit const& learned, store::UnitRows& rows) const;
    [[nodiscard]] bool stores_weights() const {
        return most_weights_ > 0 && settings_.flag("folds.store_weights");
    }
    /// What take() left of a run's network in obsm/weights, into one of that shape.
    static void put_weights(std::span<float const> stored, model::Network const& network);
    /// Of all rows, into the file's fixed arrays too.
    [[nodiscard]] SweepSummary summarise(store::FinishedRows& rows) const;

private:
    /// A network's numbers in a row of obsm/weights.
    struct StoredWeights {
        std::vector<std::string> names;
        std::vector<std::string> shapes;  ///< "64,287"
        std::vector<std::int64_t> offsets;
        std::uint64_t count = 0;
    };
    /// What a run needs of the file, known before it is trained.
    struct RunFacts {
        std::uint64_t held_out = 0;  ///< places
        std::uint64_t trained = 0;
        double cost = 0;
        std::string base_saw;
    };

    [[nodiscard]] static StoredWeights stored_weights(model::Network const& network);
    void look_at_runs();
    void make_layout();
    [[nodiscard]] std::vector<FoldSet> used_sets() const;
    void take_held_out(Inputs const& inputs, Fit const& learned, store::UnitRows& rows) const;
    void take_training_means(Inputs const& inputs, Fit const& learned, store::UnitRows& rows) const;
    /// Calls call(entry, whether it counts) for every held-out entry of a series, by fold, place and output.
    template <typename Fn>
    void for_held_out(store::FinishedRows const& rows, std::size_t series, Fn&& call) const;
    [[nodiscard]] Score pooled(store::FinishedRows const& rows, std::size_t series) const;
    [[nodiscard]] GeneFigures across_cell_types(store::FinishedRows const& rows, std::size_t series) const;
    void summarise_cell_types(store::FinishedRows& rows, SweepSummary& summary) const;

    Settings settings_;
    SweepPlan const& plan_;
    std::shared_ptr<atlas::Atlas const> atlas_;
    std::vector<RunFacts> facts_;
    std::vector<StoredWeights> weights_;  ///< one a setting; count 0: an estimator
    std::vector<Gene> genes_;             ///< held out in kLeastCellTypes or more
    std::vector<std::string> warnings_;
    std::optional<ByCellType> by_cell_type_;  ///< where some run holds out several
    bool holds_out_cell_types_ = false;
    std::vector<std::string> output_names_;
    std::uint64_t outputs_ = 1;
    std::uint64_t most_held_out_ = 0;
    std::uint64_t most_epochs_ = 0;
    std::uint64_t most_weights_ = 0;
    std::string inputs_hash_;
    store::ResultLayout layout_;
};

}  // namespace mpira::train
