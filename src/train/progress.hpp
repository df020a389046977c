#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "mpira/train/record.hpp"

namespace mpira::train {

/// How far a training has come: what a checkpoint says besides its tensors. The random numbers need no state:
/// they are named by these counters.
struct Progress {
    std::uint64_t epoch = 0;  ///< finished
    std::uint64_t step = 0;   ///< finished, over all epochs
    std::uint64_t step_in_epoch = 0;
    double epoch_loss = 0;     ///< sum over the entries of the epoch's steps so far
    double epoch_entries = 0;  ///< and their number
    double last_lr = 0;
    std::optional<double> best_loss;  ///< least validation loss so far
    std::uint64_t best_epoch = 0;
    std::vector<EpochRecord> history;
};

[[nodiscard]] nlohmann::json to_json(Progress const& progress);
/// A usage error naming the file when the JSON is another's.
[[nodiscard]] Progress progress_of(nlohmann::json const& json, std::filesystem::path const& file);

}  // namespace mpira::train
