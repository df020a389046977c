#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "mpira/comm/communicator.hpp"
#include "mpira/model/network.hpp"
#include "mpira/train/gradient_engine.hpp"
#include "mpira/train/recipe.hpp"
#include "mpira/train/record.hpp"
#include "mpira/train/table.hpp"

#include "batches.hpp"

namespace mpira::train {

/// A forward pass of a batch.
[[nodiscard]] at::Tensor forward(model::Network const& network, Batch const& batch,
                                 std::optional<model::TrainingDraws> const& draws,
                                 Arithmetic const& arithmetic);

/// Lengths of windows, as GradientEngine asks for them.
[[nodiscard]] std::vector<std::uint64_t> lengths_of(std::span<genome::PlaceRange const> windows);

/// Figures of predictions for the places of `runs`, in their order.
[[nodiscard]] Score score_places(TrainingTable const& table, std::span<float const> predicted,
                                 std::span<genome::PlaceRange const> runs);

/// What a scorer works with; views, all of which outlive it.
struct ScorerParts {
    comm::CommView comm;
    TrainingTable const& table;
    Objective const& objective;
    BatchReader const& reader;
    GradientEngine const& engine;
    std::uint64_t window = 0;  ///< regions
    std::uint64_t seed = 0;
    Arithmetic arithmetic;
};

/// Predicts and scores sets of places with a network, the chunks shared out over the ranks. Threads: one at a
/// time.
class Scorer {
public:
    explicit Scorer(ScorerParts const& parts) : parts_(parts) {}

    /// Each place is predicted by the last chunk that covers it: the entries of the runs, in their order.
    /// [collective]
    [[nodiscard]] std::vector<float> predict(model::Network const& with,
                                             std::span<genome::PlaceRange const> runs) const;
    /// Figures of such predictions.
    [[nodiscard]] Score score(std::span<float const> predicted,
                              std::span<genome::PlaceRange const> runs) const;
    /// predict() and score(); in masked pretraining over the masked regions of masks that are the same in
    /// every epoch. [collective]
    [[nodiscard]] Score evaluate(model::Network const& with, std::span<genome::PlaceRange const> runs) const;

private:
    [[nodiscard]] Score evaluate_masked(model::Network const& with,
                                        std::span<genome::PlaceRange const> runs) const;
    void for_my_passes(std::span<genome::PlaceRange const> chunks,
                       std::function<void(Pass const&)> const& call) const;
    ScorerParts parts_;
};

}  // namespace mpira::train
