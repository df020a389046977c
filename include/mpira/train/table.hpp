#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "mpira/genome/windows.hpp"

namespace mpira::train {

/// What the places of a cell type may be used for. Augmentation is training once more, on regions that the
/// cell type has already (input.cutoffs).
enum class Purpose : std::uint8_t { all, training, scoring, augmentation };

/// The places of one cell type in a table. A cell type may be there several times: for training without some
/// regions (holdout.motifs, and once for each of input.cutoffs), and for scoring with all.
struct CellTypePlaces {
    std::string name;
    genome::PlaceRange places;
    Purpose purpose = Purpose::all;
};

/// What a trainer reads, by place: the input row of a model, and what it should predict. A place is a region
/// in a cell type: the cell types follow each other, in each the chosen rows ascend, so a window of
/// consecutive places inside one cell type is a window of its open regions. Features stay where they are (the
/// mapped atlas, one copy a node); the rest is a few bytes a place.
///
/// A value with a view of the features, which must outlive it. Threads: reading is free for all.
struct TrainingTable {
    std::span<float const> features;  ///< (rows, motifs) row-major, raw
    /// (cell types, motifs), > 0: input = min(1, raw / scale). Infinity: the column is left out (0).
    std::vector<float> scales;
    std::vector<CellTypePlaces> cell_types;  ///< empty: one that has all places
    std::vector<std::uint32_t> rows;         ///< place -> row; ascending in each cell type
    std::vector<float> accessibility;        ///< (places), the last input column, at most 1; empty: 1
    std::uint64_t outputs = 1;               ///< of the network
    std::vector<float> targets;              ///< (places, outputs); empty in masked pretraining
    /// (places, outputs): entries that count in metrics (those with a promoter on that strand); empty: all.
    /// The loss is over all entries either way (spec/get.md 1.4).
    std::vector<std::uint8_t> scored;

    [[nodiscard]] std::uint64_t places() const noexcept { return rows.size(); }
    [[nodiscard]] std::uint64_t motifs() const noexcept {
        return scales.size() / (cell_types.empty() ? 1 : cell_types.size());
    }
    [[nodiscard]] std::uint64_t cell_type_of(std::uint64_t place) const;  ///< index into scales

    /// The inputs of a window: (count, motifs + 1) row-major.
    void read_inputs(genome::PlaceRange window, std::span<float> out) const;
    /// The same before the features are scaled, which is then done on the device.
    void read_raw(genome::PlaceRange window, std::span<float> out) const;
    /// The targets of a window: (count, outputs) row-major, in place.
    [[nodiscard]] std::span<float const> targets_of(genome::PlaceRange window) const {
        return std::span(targets).subspan(window.first * outputs, window.size() * outputs);
    }
    /// Our error when the sizes do not fit together.
    void require_consistent() const;
};

/// Permutes the targets among the scored entries of each output and cell type, by Philox (seed): what is
/// learned from such labels is nothing, so a held-out correlation other than 0 is a leak.
void permute_labels(TrainingTable& table, std::uint64_t seed);

}  // namespace mpira::train
