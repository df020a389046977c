#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include <nlohmann/json_fwd.hpp>

namespace mpira::train {

/// Figures of a set of places; NaN where they are not defined (AUROC: unless all targets are 0 or 1). Each
/// is over the scored entries (with a TSS on that strand, for expression); those called `all` are over all
/// entries, and NaN when all of them are scored.
struct Score {
    double loss = 0;  ///< over all entries
    double pearson = 0;
    double spearman = 0;
    double r2 = 0;  ///< 1 - SSE / SST
    double auroc = 0;
    std::uint64_t entries = 0;  ///< scored
    double pearson_all = 0;
    double spearman_all = 0;
    double r2_all = 0;
};

/// Loss apart, the figures of all entries, of which `scored` count (empty: all do). Equal lengths.
[[nodiscard]] Score score_entries(std::span<float const> predicted, std::span<float const> target,
                                  std::span<std::uint8_t const> scored, double loss);

/// A line of the training log.
struct EpochRecord {
    std::uint64_t epoch = 0;  ///< finished epochs
    std::uint64_t step = 0;   ///< finished steps
    double lr = 0;            ///< of the last step
    double train_loss = 0;    ///< mean over the epoch's entries, each before its own step's update
    double seconds = 0;
    double waited_s = 0;  ///< of those, how long this rank waited for windows to be read
    std::optional<Score> validation{};
    /// The test set after this epoch: for curves, never used to choose an epoch or to stop.
    std::optional<Score> test_curve{};
};

[[nodiscard]] nlohmann::json to_json(Score const& score);
[[nodiscard]] nlohmann::json to_json(EpochRecord const& record);
/// What to_json wrote; nlohmann's exceptions on anything else.
[[nodiscard]] Score score_of(nlohmann::json const& json);
[[nodiscard]] EpochRecord record_of(nlohmann::json const& json);

}  // namespace mpira::train
