#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "mpira/base/settings.hpp"
#include "mpira/comm/communicator.hpp"

namespace mpira::train {

/// What `mpira train` is told besides its settings.
struct RunOptions {
    std::filesystem::path output;  ///< the weights, .safetensors
    bool fresh = false;            ///< start over: an unfinished run's checkpoint is thrown away
    bool overwrite = false;        ///< with fresh: finished weights are renamed to .old
    int device = -1;               ///< CUDA ordinal of this rank, -1: CPU
    std::function<bool()> stop_requested;
};

/// One training run from settings to files; returns the exit code: 0 done, 3 stopped (run again to resume).
/// [collective]
///
/// Beside W.safetensors (weights and model card, written last): W.metrics.jsonl, a line an epoch;
/// W.heldout.tsv, predictions and targets of every held-out region; W.checkpoint.safetensors while it is
/// unfinished. One run at a time writes them: another is refused by name. Finished weights of the same
/// settings and inputs are left as they are (0); others are refused unless `fresh` and `overwrite`.
int run_train(comm::CommView comm, Settings const& settings, RunOptions const& options);

}  // namespace mpira::train
