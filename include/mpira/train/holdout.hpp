#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "mpira/genome/windows.hpp"

namespace mpira::train {

/// A part of the genome that is held out together, under a name.
struct Fold {
    std::string name;
    std::vector<genome::HeldOutInterval> intervals;
};

/// Reads a table of folds: fold, chromosome, start and end (0-based, half-open), separated by tabs; further
/// columns and # lines are skipped, a fold may have several lines. Folds come in order of first appearance.
/// Usage errors name the line; an empty table, and intervals that overlap, are refused.
[[nodiscard]] std::vector<Fold> read_folds(std::filesystem::path const& file);

/// The position of the fold of that name; a usage error with the nearest name otherwise.
[[nodiscard]] std::size_t find_fold(std::span<Fold const> folds, std::string const& name,
                                    std::string const& where);

/// What a place (a position among the chosen rows, genome/windows.hpp) is for. `edge`: it overlaps a held-out
/// interval, or lies within the margin, without having its centre in one: neither trained on nor scored.
enum class Use : std::uint8_t { train, validation, test, edge };

/// What is kept from training, by where it lies on the genome and never by row label.
struct Holdout {
    std::vector<genome::HeldOutInterval> test;
    std::vector<genome::HeldOutInterval> validation;  ///< empty: no validation set
    std::int64_t margin_bp = 0;  ///< regions nearer than this to a held-out interval are `edge`
};

/// The use of every chosen row, one a place: test or validation when the region's centre, floor((start +
/// end) / 2), lies in an interval of that set; edge; or train.
///
/// Usage errors: an unknown chromosome, a set given without any region in it, a region in both sets, nothing
/// left to train on.
[[nodiscard]] std::vector<Use> assign_uses(genome::RegionColumns const& regions,
                                           std::span<std::uint32_t const> chosen, Holdout const& holdout);

/// The maximal runs of consecutive places of one use on one chromosome: what a window of that use may not
/// leave.
[[nodiscard]] std::vector<genome::PlaceRange> runs_of(genome::RegionColumns const& regions,
                                                      std::span<std::uint32_t const> chosen,
                                                      std::span<Use const> uses, Use use);

}  // namespace mpira::train
