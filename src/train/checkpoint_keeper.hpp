#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include "mpira/comm/communicator.hpp"
#include "mpira/train/checkpoint.hpp"
#include "mpira/train/trainer.hpp"

#include "progress.hpp"

namespace mpira::train {

/// The checkpoint file of a training on several ranks: rank 0 writes it, every rank reads it itself. Where no
/// file is named nothing is written or found. All calls are [collective].
class CheckpointKeeper {
public:
    CheckpointKeeper(comm::CommView comm, CheckpointPolicy policy);

    /// Whether the last save is long enough ago. Rank 0's clock decides for all.
    [[nodiscard]] bool is_due() const;

    /// `tensors` names what is written; it is asked on rank 0 only.
    void save(std::function<NamedTensors()> const& tensors, Progress const& now);

    /// Fills the tensors; nothing where there is no checkpoint. A usage error where the ranks don't find the
    /// same one: on a disk of its own a node may have none, or another one.
    [[nodiscard]] std::optional<Progress> load(std::function<NamedTensors()> const& tensors);

private:
    using Clock = std::chrono::steady_clock;

    void require_same(std::optional<FoundCheckpoint> const& found) const;

    comm::CommView comm_;
    CheckpointPolicy policy_;
    bool present_is_broken_ = false;  ///< the file: the previous one was taken up
    Clock::time_point last_save_ = Clock::now();
};

}  // namespace mpira::train
