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
#include "mpira/model/get.hpp"
#include "mpira/train/adamw.hpp"
#include "mpira/train/lr_schedule.hpp"
#include "mpira/train/table.hpp"
#include "mpira/train/window_plan.hpp"

namespace mpira::train {

/// How to train. Everything but the rank count decides the weights (up to float noise between rank counts).
struct Recipe {
    std::uint64_t epochs = 100;
    std::uint64_t batch = 256;       ///< windows a step, over all ranks
    std::uint64_t micro_batch = 32;  ///< windows a forward pass: more are accumulated
    double lr = 1e-4;
    double min_lr = 1e-6;
    double warmup_fraction = 0.1;  ///< of all steps
    double weight_decay = 0.05;
    AdamWOptions adamw{};
    double input_dropout = 0;
    double clip_gradient = 0;  ///< largest L2 norm of the whole gradient; 0: no clipping
    std::uint64_t seed = 0;
};

/// Figures of a set of places. Pearson and AUROC are over the scored entries, NaN where they are not defined
/// (AUROC: unless all targets are 0 or 1).
struct Score {
    double loss = 0;
    double pearson = 0;
    double auroc = 0;
    std::uint64_t entries = 0;  ///< scored
};

/// A line of the training log.
struct EpochRecord {
    std::uint64_t epoch = 0;  ///< finished epochs
    std::uint64_t step = 0;   ///< finished steps
    double lr = 0;            ///< of the last step
    double train_loss = 0;    ///< mean over the epoch's entries, each before its own step's update
    double seconds = 0;
    std::optional<Score> validation;
};
[[nodiscard]] nlohmann::json to_json(EpochRecord const& record);
[[nodiscard]] nlohmann::json to_json(Score const& score);

enum class Outcome { finished, stopped };

/// Where a trainer leaves what it needs to go on.
struct CheckpointPolicy {
    std::filesystem::path file;  ///< empty: none
    /// What must be the same for a checkpoint to be taken up: settings and hashes of the inputs.
    nlohmann::json identity = nlohmann::json::object();
    double every_s = 30;  ///< written at the first end of an epoch that comes this long after the last one
};

/// Trains a GET data-parallel over the ranks of a communicator.
///
/// A step takes one global batch of windows, the same for every rank count: a rank computes the loss of its
/// part, scaled by the entries of the whole batch, and the gradients are summed; so the sum is the gradient
/// of the mean over the global batch, with ranks that have nothing to do adding zeros. All random numbers are
/// named by (seed, epoch), or (seed, step, sample in the global batch). On the same number of ranks a run
/// that was stopped and taken up gives the same bits as one that was not.
///
/// Loss: Poisson over all entries (spec/get.md 1.4). With validation runs, the weights of the epoch with the
/// least validation loss are kept; without, those of the last.
///
/// Owner. Threads: one at a time. Everything is [collective] but the getters.
class Trainer {
public:
    /// `model` is trained in place and must have an expression or an accessibility head. The table must
    /// outlive the trainer.
    Trainer(comm::CommView comm, model::Get model, TrainingTable const& table, WindowPlan plan,
            std::vector<genome::PlaceRange> validation_runs, Recipe const& recipe,
            CheckpointPolicy checkpoint = {});
    ~Trainer();
    Trainer(Trainer const&) = delete;
    Trainer& operator=(Trainer const&) = delete;

    /// Takes up the checkpoint, if there is one; false otherwise. A usage error on every rank when it is
    /// broken or belongs to other settings (it names the first that differs).
    bool resume();

    /// Trains until the last epoch is done, or until `stop_requested` was true on any rank: then the present
    /// step is finished, the checkpoint written, and Outcome::stopped returned. `on_epoch` is called after
    /// each epoch, on every rank.
    Outcome run(std::function<bool()> const& stop_requested = {},
                std::function<void(EpochRecord const&)> const& on_epoch = {});

    /// Predictions for the places of `runs` in chunks of the window (scoring_chunks), by the kept weights:
    /// (places, outputs), 0 outside the runs.
    [[nodiscard]] std::vector<float> predict(std::span<genome::PlaceRange const> runs);
    [[nodiscard]] Score score(std::span<float const> predictions,
                              std::span<genome::PlaceRange const> runs) const;

    /// The kept weights: best epoch with validation, else the present ones.
    [[nodiscard]] model::Get const& kept() const noexcept;
    [[nodiscard]] std::uint64_t kept_epoch() const noexcept;
    [[nodiscard]] std::vector<EpochRecord> const& history() const noexcept;
    [[nodiscard]] std::uint64_t total_steps() const noexcept;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace mpira::train
