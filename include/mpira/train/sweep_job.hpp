#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "mpira/base/settings.hpp"
#include "mpira/comm/communicator.hpp"
#include "mpira/store/job.hpp"

namespace mpira::train {

/// A sweep as a campaign: a unit is a training run, a row of the result.
///
/// What is in the file: obs, the runs (fold, setting, seed, overrides, what a base saw, kept_epoch, regions);
/// X, held-out figures (runs, metrics; var names them), expression over entries with a TSS on that strand,
/// "_all" over all entries; obsm/curves (runs, epochs, columns named in uns/curve_columns), NaN after a run's
/// last epoch; obsm/heldout_{row,predicted,target,scored}: each held-out region once, padded with row -1;
/// heldout_training_mean, training_mean and beside_training_mean, where cell types are held out: the mean of
/// the cell types that were trained on for the same region and output, its figures, and the model's on the
/// same entries; by_cell_type (runs, cell types of the atlas, figures), where a run holds out several;
/// uns/across_cell_types: Pearson, Spearman and R2 of each gene (row, output) over the cell types it is held
/// out in, where these are three or more; obsm/weights (runs, numbers; names, shapes and offsets in
/// uns/weights); uns/summary: mean, sd and pooled figures of each series over its folds, of each cell type
/// too where by_cell_type is. Beside it: FILE.weights/RUN.safetensors and tables "fold, file" that lentimpra
/// takes; FILE.checkpoints while the sweep is unfinished.
///
/// The ranks of a group hold equal jobs; rank 0 of each, the leader, gives its job to run_campaign with the
/// other leaders, whose run() takes the group along; the others follow(). A run that fails on a rank in its
/// own part (inputs, memory, a loss that is not finite, a checkpoint) fails on all ranks of its group alike,
/// and is that unit's failure. Where a rank can't reach the sum that the others wait in (a device that is
/// gone, MPI itself), it ends the whole job with its message and the run's name, and the next start goes on
/// from the checkpoints.
///
/// Owner. Threads: one, always the same.
class SweepJob final : public store::Job {
public:
    /// Reads the atlas and checks every run, locally: usage errors name the key. `group` must outlive the
    /// job. `device`: CUDA ordinal of this rank, -1: the CPU. `result` is the campaign's file.
    SweepJob(Settings const& settings, comm::CommView group, int device, std::filesystem::path result);
    ~SweepJob() override;

    [[nodiscard]] store::ResultLayout const& layout() const override;
    [[nodiscard]] store::ResultTables tables() const override;
    [[nodiscard]] double relative_cost(std::uint64_t unit) const override;
    void run(std::uint64_t unit, store::UnitRows& rows, std::stop_token stop) override;
    /// The whole group trains a few steps of a run or two, measured_fit_seconds (fit_cost.hpp). [collective]
    std::optional<double> measured_seconds_per_cost() override;
    void finish(store::FinishedRows& rows) override;
    [[nodiscard]] std::string describe() const override;

    /// A rank that doesn't lead: trains with its group until dismiss(). Heeds SIGUSR1, SIGTERM and SIGINT:
    /// the run is stopped with a checkpoint, and the leader stops the campaign.
    /// `hooks` are told each unit this rank is at, its end, and, with the signals still caught, that it
    /// leaves.
    struct FollowHooks {
        std::function<void(std::uint64_t)> begin = [](std::uint64_t /*unit*/) {};
        std::function<void()> end = [] {};
        std::function<void()> leave = [] {};
    };
    void follow(FollowHooks const& hooks);
    /// The leader, after its campaign: ends the others' follow().
    void dismiss();
    /// For a sweep whose result is made anew: forgets what unfinished runs have left, and moves the weights
    /// beside an earlier one away (aside_name).
    static void begin_anew(std::filesystem::path const& result);
    /// Writes weights files of finished runs that are no longer there from obsm/weights: the same tensors,
    /// their cards without the figures, which the result has. One rank, after its campaign.
    void restore_weights();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace mpira::train
