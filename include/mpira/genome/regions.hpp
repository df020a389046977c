#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace mpira::genome {

class Fasta;

/// Bases [start, end), 0-based half-open, of a chromosome named by its index in a ChromSizes. Ordered by
/// chromosome, start, end.
struct Region {
    std::int32_t chrom = 0;
    std::int64_t start = 0;
    std::int64_t end = 0;

    [[nodiscard]] constexpr std::int64_t length() const noexcept { return end - start; }
    [[nodiscard]] constexpr std::int64_t centre() const noexcept { return (start + end) / 2; }
    constexpr auto operator<=>(Region const&) const = default;
};

/// The chromosomes of an assembly, in the order that all tables follow. A value; threads: reading is free.
class ChromSizes {
public:
    /// Lines of name and length (further columns, as in a .fai, are ignored; # lines are comments). Refused
    /// by file and line: a missing or non-integer length, a length < 1, a name given twice.
    static ChromSizes read(std::filesystem::path const& file);
    static ChromSizes of(Fasta const& fasta);
    ChromSizes(std::vector<std::string> names, std::vector<std::int64_t> lengths);

    [[nodiscard]] std::size_t size() const noexcept { return names_.size(); }
    [[nodiscard]] std::span<std::string const> names() const noexcept { return names_; }
    [[nodiscard]] std::span<std::int64_t const> lengths() const noexcept { return lengths_; }
    [[nodiscard]] std::string const& name(std::int32_t chrom) const {
        return names_.at(static_cast<std::size_t>(chrom));
    }
    [[nodiscard]] std::int64_t length(std::int32_t chrom) const {
        return lengths_.at(static_cast<std::size_t>(chrom));
    }
    [[nodiscard]] std::optional<std::int32_t> find(std::string_view name) const;
    [[nodiscard]] std::int64_t total_length() const noexcept;

    /// "chr2R:100-600", 0-based half-open like the region itself.
    [[nodiscard]] std::string label(Region const& region) const;

private:
    std::vector<std::string> names_;
    std::vector<std::int64_t> lengths_;
    std::unordered_map<std::string, std::int32_t> index_;
};

/// What read_bed met, for the log.
struct BedReport {
    std::int64_t lines = 0;         ///< data lines read
    std::int64_t skipped = 0;       ///< comment, track, browser and empty lines
    std::int64_t out_of_order = 0;  ///< lines that stood before their predecessor's place
    std::int64_t duplicates = 0;    ///< lines merged into an earlier one with the same coordinates
    std::int64_t overlapping = 0;   ///< regions kept that overlap a region sorted before them
    [[nodiscard]] std::string describe() const;
};

/// A BED file in chrom.sizes order. Columns that the file does not have are empty vectors; the others have an
/// entry a region.
struct Bed {
    std::vector<Region> regions;        ///< increasing; strictly, unless they differ by summit
    std::vector<std::string> names;     ///< column 4
    std::vector<double> scores;         ///< column 5; "." is 0
    std::vector<char> strands;          ///< column 6: '+', '-' or '.'
    std::vector<double> signals;        ///< narrowPeak column 7
    std::vector<std::int64_t> summits;  ///< narrowPeak column 10: offset from start, -1: none
    BedReport report;
};

/// Which lines of one interval are one region.
enum class Duplicates : std::uint8_t {
    merge,            ///< all: rows of an atlas are told by their interval
    differ_by_summit  ///< those with one summit: a peak caller writes a line a summit
};

/// Reads BED3 to BED6 and narrowPeak (10 columns), plain or gzipped; of BED7-9 and BED12 the first six
/// columns are taken. Tabs separate, or blanks where a line has no tab.
///
/// Sorted in chrom.sizes order. Of lines with the same chromosome, start and end (on request: and summit) the
/// first in the file stays, with the highest score and signal of them and the strand '.' where they are on
/// different ones.
/// Overlapping regions are kept. Refused by file and line: fewer than three columns, a column count that
/// changes, unknown chromosomes (with the nearest known name), non-integers, start < 0, start >= end, an end
/// past the chromosome, a strand other than + - .; and a file without any region.
Bed read_bed(std::filesystem::path const& file, ChromSizes const& chroms,
             Duplicates duplicates = Duplicates::merge);

}  // namespace mpira::genome
