#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "mpira/genome/windows.hpp"

namespace mpira::train {

/// The training windows of every epoch: ranges of consecutive places (genome/windows.hpp).
///
/// Each run [a, z) is windowed by itself, so that no window crosses a chromosome or touches a held-out
/// region: an offset o in [0, R) is drawn per epoch and run, the starts are a + o, a + o + R, ... up to z -
/// R, and besides a and z - R (a start that comes up twice is taken once): spec/default-data.md 3. A run
/// shorter than R is one window by itself, shorter than the rest: attention takes any length, and no region
/// is lost. Windows that span more than `max_span_bp`, from the first start to the last end, are left out.
///
/// All of it, the order too, is a function of (seed, epoch): the same on every rank, for any number of ranks.
/// A value; keeps one bit a place.
class WindowPlan {
public:
    WindowPlan(genome::RegionColumns const& regions, std::span<std::uint32_t const> chosen,
               std::vector<genome::PlaceRange> runs, std::uint64_t window, std::int64_t max_span_bp);

    [[nodiscard]] std::vector<genome::PlaceRange> epoch(std::uint64_t seed, std::uint32_t epoch) const;
    /// Optimiser steps of an epoch: its windows over the global batch, rounded up (the last batch is short).
    [[nodiscard]] std::uint64_t steps(std::uint64_t seed, std::uint32_t epoch, std::uint64_t batch) const;

    [[nodiscard]] std::span<genome::PlaceRange const> runs() const noexcept { return runs_; }
    [[nodiscard]] std::uint64_t window() const noexcept { return window_; }

private:
    [[nodiscard]] std::vector<genome::PlaceRange> in_order(std::uint64_t seed, std::uint32_t epoch) const;
    std::vector<genome::PlaceRange> runs_;
    std::uint64_t window_;
    std::vector<bool> too_wide_;  // of the window that begins at this place
};

/// Chunks of `window` places that cover the runs; the last chunk of a run is aligned to its end, and what it
/// predicts replaces what an earlier chunk said. A shorter run is one chunk. Chunks may span any distance:
/// every held-out region gets its prediction.
[[nodiscard]] std::vector<genome::PlaceRange> scoring_chunks(std::span<genome::PlaceRange const> runs,
                                                             std::uint64_t window);

/// The part of a global batch (or any list of `total`) that rank `rank` of `size` takes: balanced,
/// contiguous, maybe empty. The parts of all ranks are disjoint and cover [0, total).
[[nodiscard]] genome::PlaceRange part_of(std::uint64_t total, int rank, int size);

}  // namespace mpira::train
