#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <nlohmann/json.hpp>

#include "mpira/comm/communicator.hpp"
#include "mpira/model/network.hpp"
#include "mpira/train/adamw.hpp"
#include "mpira/train/lr_schedule.hpp"
#include "mpira/train/recipe.hpp"
#include "mpira/train/record.hpp"
#include "mpira/train/table.hpp"
#include "mpira/train/window_plan.hpp"

namespace mpira::train {

enum class Outcome { finished, stopped };

/// Where a trainer leaves what it needs to go on.
struct CheckpointPolicy {
    std::filesystem::path file;  ///< empty: none
    /// What must be the same for a checkpoint to be taken up: settings and hashes of the inputs.
    nlohmann::json identity = nlohmann::json::object();
    double every_s = 30;  ///< written at the first end of an epoch that comes this long after the last one
};

/// Trains a network data-parallel over the ranks of a communicator.
///
/// A step takes one global batch of windows, the same for every rank count: a rank computes the loss of its
/// part, scaled by the entries of the whole batch, and the gradients are summed; so the sum is the gradient
/// of the mean over the global batch, with ranks that have nothing to do adding zeros. All random numbers are
/// named by (seed, epoch), or (seed, step, sample in the global batch). On the same number of ranks a run
/// that was stopped and taken up gives the same bits as one that was not.
///
/// The loss is the stage's (objective.hpp), by the network's head. With validation runs, the weights of the
/// epoch with the least validation loss are kept; without, those of the last. With ema_decay they are the
/// running means.
///
/// A rank that fails by itself in its part of a step (out of memory, a batch that can't be read) still takes
/// part in the sum, which tells the others: run() then throws on all ranks alike (CollectiveError), and the
/// last checkpoint stands. Only a failure of the sums themselves leaves the ranks apart.
///
/// Owner. Threads: one at a time. Everything is [collective] but the getters.
class Trainer {
public:
    /// `model` is trained in place; its head must fit the table's targets. The table must outlive the
    /// trainer.
    Trainer(comm::CommView comm, std::unique_ptr<model::Network> model, TrainingTable const& table,
            WindowPlan plan, std::vector<genome::PlaceRange> validation_runs, Recipe const& recipe,
            CheckpointPolicy checkpoint = {});
    ~Trainer();
    Trainer(Trainer const&) = delete;
    Trainer& operator=(Trainer const&) = delete;

    /// Scores these runs after every epoch too (EpochRecord::test_curve). Nothing is chosen by it. Local.
    void record_test_curve(std::vector<genome::PlaceRange> test_runs);

    /// Takes up the checkpoint, if there is one; false otherwise. A usage error on every rank when it is
    /// broken or belongs to other settings (it names the first that differs), or when the ranks find
    /// different ones (the file must lie where all of them see it); the trainer is of no use then.
    bool resume();

    /// Trains until the last epoch is done or patience has run out, or until `stop_requested` was true on any
    /// rank: then the present step is finished, the checkpoint written, and Outcome::stopped returned.
    /// `on_epoch` is called after each epoch, on every rank.
    Outcome run(std::function<bool()> const& stop_requested = {},
                std::function<void(EpochRecord const&)> const& on_epoch = {});

    /// Predictions for the places of `runs`, in their order, in chunks of the window (scoring_chunks), by the
    /// kept weights: (places of the runs, outputs).
    [[nodiscard]] std::vector<float> predict(std::span<genome::PlaceRange const> runs);
    /// Figures of such predictions. Local.
    [[nodiscard]] Score score(std::span<float const> predictions,
                              std::span<genome::PlaceRange const> runs) const;

    /// Figures of the kept weights; in masked pretraining over the masked regions of fixed masks.
    [[nodiscard]] Score evaluate(std::span<genome::PlaceRange const> runs);

    /// The kept weights: best epoch with validation, else the present ones.
    [[nodiscard]] model::Network const& kept() const noexcept;
    [[nodiscard]] std::uint64_t kept_epoch() const noexcept;
    [[nodiscard]] std::vector<EpochRecord> const& history() const noexcept;
    [[nodiscard]] std::uint64_t total_steps() const noexcept;
    [[nodiscard]] bool ended_early() const noexcept;  ///< patience ran out

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace mpira::train
