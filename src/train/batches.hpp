#pragma once

#include <future>
#include <optional>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "mpira/train/gradient_engine.hpp"
#include "mpira/train/objective.hpp"
#include "mpira/train/table.hpp"

namespace mpira::train {

/// A batch on the host: what is read and drawn there.
struct HostBatch {
    at::Tensor raw;        ///< (B, R, motifs + 1): raw features, then the accessibility column
    at::Tensor cell_type;  ///< (B) int64, row of the scales; undefined with one cell type
    at::Tensor targets;    ///< as Batch
    at::Tensor mask;
};

/// Reads windows from a table and brings them to a device, where they are scaled. Views of table and
/// objective. Threads: const, free for all.
class BatchReader {
public:
    BatchReader(TrainingTable const& table, Objective const& objective, at::Device device);

    /// Windows of one length. `name` names the random numbers of the first of them, the others follow.
    [[nodiscard]] HostBatch read(std::span<genome::PlaceRange const> windows, SampleName name) const;
    /// The same for scoring, where a window's mask is named by its first place.
    [[nodiscard]] HostBatch read_to_score(std::span<genome::PlaceRange const> windows,
                                          std::uint64_t seed) const;
    /// Takes the host tensors: on the CPU they are scaled in place.
    [[nodiscard]] Batch to_device(HostBatch const& host) const;

private:
    template <typename NameOf>
    [[nodiscard]] HostBatch read_named(std::span<genome::PlaceRange const> windows, NameOf name_of) const;
    TrainingTable const& table_;
    Objective const& objective_;
    at::Device device_;
    at::Tensor scales_;  // (cell types, 1, motifs + 1), 1 for the accessibility column
};

/// What a rank computes of a step, read.
struct StepBatches {
    std::vector<genome::PlaceRange> windows;  ///< the global batch
    std::vector<Pass> passes;                 ///< this rank's
    std::vector<HostBatch> batches;           ///< one a pass
};

/// Reads a step on a thread of its own while the former one is computed, so that a device waits for neither
/// disk nor gathering. One step is read ahead. Threads: one at a time; the engine is only asked by the
/// caller.
class ReadAhead {
public:
    explicit ReadAhead(BatchReader const& reader) : reader_(reader) {}

    void start(std::vector<genome::PlaceRange> windows, std::vector<Pass> passes, std::uint64_t seed,
               std::uint32_t step);
    [[nodiscard]] bool started() const noexcept { return next_.valid(); }
    /// What start() was told to read, once; what its thread threw.
    [[nodiscard]] StepBatches take() { return next_.get(); }
    /// Forgets what was started.
    void clear();

private:
    BatchReader const& reader_;
    std::future<StepBatches> next_;
};

}  // namespace mpira::train
