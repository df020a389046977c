#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

namespace mpira::train {

/// The files of a run whose output is W.safetensors.
struct RunFiles {
    explicit RunFiles(std::filesystem::path const& output);
    std::filesystem::path weights;      ///< W.safetensors, written last
    std::filesystem::path metrics;      ///< W.metrics.jsonl, a line an epoch
    std::filesystem::path predictions;  ///< W.heldout.tsv
    std::filesystem::path checkpoint;   ///< W.checkpoint.safetensors, while it is unfinished
};

/// How far a run of `mpira train` is, from its files alone: no MPI, no Torch, and a run that goes on is not
/// disturbed.
struct RunStatus {
    RunFiles files;
    bool finished = false;                 ///< the weights are there
    std::string network;                   ///< of finished ones, "GET"
    bool trained_here = true;              ///< else weights that no run here has left: of folds, converted
    std::uint64_t epochs_done = 0;         ///< by the metrics
    std::optional<std::uint64_t> epochs;   ///< that the run shall have; known from its metrics or checkpoint
    std::optional<std::uint64_t> saved;    ///< the epoch a resume goes on after; nothing without a checkpoint
    nlohmann::json last;                   ///< the metrics' last line, null before the first epoch
    std::optional<double> last_written_s;  ///< how long ago metrics or checkpoint were written
    bool running = false;                  ///< a run is writing them now, as far as the file system tells
};

/// Of a run named by any of its files: W.safetensors (there or not yet), W.checkpoint.safetensors or
/// W.metrics.jsonl. Nothing when there are none of these, or the name is none of theirs. Errors:
/// Origin::usage for weights or a checkpoint that can't be read.
std::optional<RunStatus> run_status(std::filesystem::path const& file);

}  // namespace mpira::train
