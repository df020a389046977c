#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mpira/base/settings.hpp"
#include "mpira/comm/communicator.hpp"
#include "mpira/model/model_card.hpp"
#include "mpira/model/network.hpp"
#include "mpira/train/inputs.hpp"
#include "mpira/train/trainer.hpp"

namespace mpira::train {

/// What is known when training starts, or goes on.
struct FitStart {
    model::NetworkFacts network;
    std::uint64_t parameters = 0;  ///< of the network
    std::uint64_t trainable_parameters = 0;
    std::uint64_t train_regions = 0;
    std::uint64_t total_steps = 0;
    bool resumed = false;
    std::span<EpochRecord const> history;  ///< epochs done before
};

struct FitOptions {
    int device = -1;                   ///< CUDA ordinal of this rank, -1: CPU
    std::filesystem::path checkpoint;  ///< empty: none is written or taken up
    std::function<bool()> stop_requested;
    std::function<void(FitStart const&)> on_start;     ///< on every rank
    std::function<void(EpochRecord const&)> on_epoch;  ///< on every rank, after each epoch
};

/// What a training run has learned, on every rank.
struct Fit {
    bool ended_early = false;             ///< patience ran out
    Outcome outcome = Outcome::finished;  ///< stopped: the rest but history is empty
    std::vector<EpochRecord> history;
    std::uint64_t kept_epoch = 0;
    /// (places of the test runs, outputs), each at the focus of its window (focus.hpp); empty: nothing held
    /// out, or a masked head.
    std::vector<float> predicted;
    std::optional<Score> held_out;    ///< of the kept weights on the test runs
    std::optional<Score> validation;  ///< and on the validation runs
    std::unique_ptr<model::Network> kept;
    model::ModelCard card;  ///< with `training`: identity, kept epoch, epochs, held-out score
    std::string remark;     ///< a phrase for the log; empty: nothing
};

/// The card of a run's weights, with what `training` says of it beside its epochs and figures.
[[nodiscard]] model::ModelCard card_of_run(Settings const& settings, Inputs const& inputs,
                                           std::uint64_t kept_epoch);

/// One training run: from inputs (and a checkpoint, if there is one) to weights and held-out predictions.
/// Writes nothing but the checkpoint, which stays when it ends. [collective] over `comm`; the settings and
/// inputs are equal on all its ranks.
[[nodiscard]] Fit fit(comm::CommView comm, Settings const& settings, Inputs const& inputs,
                      FitOptions const& options);

}  // namespace mpira::train
