#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "mpira/genome/windows.hpp"

namespace mpira::train {

/// What a trainer reads, by place (a position among the chosen rows): the input row of a model, and what it
/// should predict. Features stay where they are (the mapped atlas); the rest is a few bytes a place.
///
/// A value with a view of the features, which must outlive it. Threads: reading is free for all.
struct TrainingTable {
    std::span<float const> features;   ///< (rows, motifs) row-major, raw
    std::vector<float> scales;         ///< (motifs), > 0: input = min(1, raw / scale)
    std::vector<std::uint32_t> rows;   ///< the chosen rows, ascending: place -> row
    std::vector<float> accessibility;  ///< (places), the last input column; empty: 1
    std::uint64_t outputs = 1;
    std::vector<float> targets;  ///< (places, outputs)
    /// (places, outputs): entries that count in metrics (those with a promoter on that strand); empty: all.
    /// The loss is over all entries either way (spec/get.md 1.4).
    std::vector<std::uint8_t> scored;

    [[nodiscard]] std::uint64_t places() const noexcept { return rows.size(); }
    [[nodiscard]] std::uint64_t motifs() const noexcept { return scales.size(); }

    /// The inputs of a window: (count, motifs + 1) row-major.
    void read_inputs(genome::PlaceRange window, std::span<float> out) const;
    /// The targets of a window: (count, outputs) row-major, in place.
    [[nodiscard]] std::span<float const> targets_of(genome::PlaceRange window) const {
        return std::span(targets).subspan(window.first * outputs, window.size() * outputs);
    }
    /// Our error when the sizes do not fit together.
    void require_consistent() const;
};

}  // namespace mpira::train
