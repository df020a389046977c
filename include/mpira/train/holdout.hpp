#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mpira/genome/windows.hpp"
#include "mpira/train/table.hpp"

namespace mpira::train {

/// What a place (a position among the chosen rows, genome/windows.hpp) is for. `edge`: used for nothing. It
/// overlaps a held-out interval, or lies within the margin, without having its centre in one; or it is held
/// out by its interval or cell type without being in the set that is scored; or it is in no set at all.
enum class Use : std::uint8_t { train, validation, test, edge };

/// What is kept from training, by where it lies on the genome (never by row label) and by cell type.
///
/// A set is given by intervals, by cell types, or by both. With both, it is what lies in the intervals in
/// those cell types; nothing is trained on in the intervals in any cell type, nor anywhere in those cell
/// types. A place that is in neither is trained on; where a training set is given, only if it lies in that,
/// too.
struct Holdout {
    std::vector<genome::HeldOutInterval> test;
    std::vector<genome::HeldOutInterval> validation;
    std::int64_t margin_bp = 0;  ///< regions nearer than this to a held-out interval are `edge`
    std::vector<std::string> test_cell_types{};
    std::vector<std::string> validation_cell_types{};
    std::vector<genome::HeldOutInterval> train{};  ///< empty: everywhere
    std::vector<std::string> train_cell_types{};   ///< empty: all
    /// Chromosomes of a fold file that the table of regions lacks, left out of the sets; for the log.
    std::vector<std::string> unknown_chroms{};

    [[nodiscard]] bool has_test() const { return !test.empty() || !test_cell_types.empty(); }
    [[nodiscard]] bool has_validation() const {
        return !validation.empty() || !validation_cell_types.empty();
    }
};

/// A part of the genome that is held out together, under a name.
struct Fold {
    std::string name;
    std::vector<genome::HeldOutInterval> intervals;  ///< the test set
    /// All that a fold file says (fold_file.hpp), the test set again. A table leaves the rest to
    /// validation.mode.
    std::optional<Holdout> file{};
};

/// Reads folds: a table, a fold file (JSON, fold_file.hpp), or a folder of these.
///
/// A table has fold, chromosome, start and end (0-based, half-open), separated by tabs; further columns and #
/// lines are skipped, a fold may have several lines. Folds come in order of first appearance. A fold file is
/// one fold, called as the file without its ending; those of a folder (its *.json) come in the order of their
/// names, numbers in them by value. Usage errors name the line or key; an empty table or folder, and
/// intervals of a table that overlap, are refused.
[[nodiscard]] std::vector<Fold> read_folds(std::filesystem::path const& place);

/// The position of the fold of that name; a usage error with the nearest name otherwise. Of a single fold, ""
/// is a name as well.
[[nodiscard]] std::size_t find_fold(std::span<Fold const> folds, std::string const& name,
                                    std::string const& where);

/// The use of every chosen row of one cell type, one a place: test or validation when the region's centre,
/// floor((start + end) / 2), lies in an interval of that set; edge; or train, when the centre lies in an
/// interval of the training set or there is none.
///
/// Usage errors: an unknown chromosome, a set given without any region in it, a region in both sets, nothing
/// left to train on.
[[nodiscard]] std::vector<Use> assign_uses(genome::RegionColumns const& regions,
                                           std::span<std::uint32_t const> chosen, Holdout const& holdout);

/// The places of all cell types: `rows` and `cell_types` as in TrainingTable (table.hpp).
struct PlaceSplit {
    std::vector<Use> uses;  ///< one a place
    /// Maximal runs of consecutive places of that use in one cell type on one chromosome: what a window may
    /// not leave.
    std::vector<genome::PlaceRange> train, validation, test;
};

/// assign_uses and runs_of for every cell type. Usage errors as assign_uses, over all cell types together;
/// and a cell type of a set that `cell_types` doesn't have.
[[nodiscard]] PlaceSplit split_places(genome::RegionColumns const& regions,
                                      std::span<std::uint32_t const> rows,
                                      std::span<CellTypePlaces const> cell_types, Holdout const& holdout);

/// The maximal runs of consecutive places of one use on one chromosome: what a window of that use may not
/// leave.
[[nodiscard]] std::vector<genome::PlaceRange> runs_of(genome::RegionColumns const& regions,
                                                      std::span<std::uint32_t const> chosen,
                                                      std::span<Use const> uses, Use use);

}  // namespace mpira::train
