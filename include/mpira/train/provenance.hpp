#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "mpira/genome/windows.hpp"
#include "mpira/model/model_card.hpp"

/// What weights have learned from, through every parent: the record by which a held-out figure is believed or
/// refused.
namespace mpira::train {

/// What was read of a region.
enum class SeenKind : std::uint8_t {
    inputs,         ///< its motif features: the same in all cell types
    accessibility,  ///< whether or how much it is accessible in a cell type: as input, as target, or as the
                    ///< choice of rows
    expression      ///< its expression in a cell type
};
std::string_view name_of(SeenKind kind);

/// One kind of value, in one cell type, on some intervals of one assembly. Validation counts as seen: the
/// epoch was chosen by it.
struct SeenRecord {
    SeenKind kind = SeenKind::inputs;
    std::string cell_type;             ///< empty for inputs, and for expression without one
    std::vector<std::string> columns;  ///< of expression
    std::string assembly;
    std::vector<model::Interval> intervals;  ///< sorted, disjoint
    bool operator==(SeenRecord const&) const = default;
};

/// Records of equal kind, cell type, columns and assembly become one.
[[nodiscard]] std::vector<SeenRecord> merged(std::vector<SeenRecord> records);

[[nodiscard]] nlohmann::json to_json(std::span<SeenRecord const> records);
/// Throws Origin::usage naming `where` on anything but what to_json writes.
[[nodiscard]] std::vector<SeenRecord> seen_of(nlohmann::json const& json, std::string_view where);

/// Runs of places (holdout.hpp) as intervals: from the first start to the last end of each, joined where they
/// meet.
[[nodiscard]] std::vector<model::Interval> intervals_of(genome::RegionColumns const& regions,
                                                        std::span<std::uint32_t const> rows,
                                                        std::span<genome::PlaceRange const> runs);

/// What a run holds out and predicts.
struct HeldOutTarget {
    SeenKind kind = SeenKind::expression;
    std::vector<std::string> cell_types;  ///< that are scored
    std::vector<std::string> columns;     ///< of expression
    std::string assembly;
    std::vector<genome::HeldOutInterval> intervals;  ///< empty: the whole genome (cell types are held out)
};

/// Sentences about what a base saw of the held-out part, for the log, the card and every table of figures;
/// empty: nothing. Throws Origin::usage, naming `base`, the cell type and an interval, when it saw the target
/// itself there: the same kind of value in a scored cell type (or a column of the same name).
[[nodiscard]] std::vector<std::string> seen_by_base(std::span<SeenRecord const> seen,
                                                    HeldOutTarget const& target,
                                                    std::filesystem::path const& base);

}  // namespace mpira::train
