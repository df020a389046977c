#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "mpira/genome/regions.hpp"

namespace mpira::atlas {

/// Numbers about regions as a user's TSV says them: a column a cell type, a strand, a sample.
///
/// A header, then a line for every region, in any order. The first column is the region's name; or the header
/// begins "chrom <tab> start <tab> end" (0-based, half-open). Each further column is named by the header and
/// holds numbers >= 0. Kept are 8 bytes a region; the file stays mapped.
///
/// Owner, move-only. Threads: reading is free for all.
class RegionTable {
public:
    /// No columns.
    RegionTable();
    /// `regions` strictly increasing; `names` one each, or empty: they are called chrom:start-end. Throws
    /// Origin::usage naming file and line: a header without a column, or with one twice or nameless; fields
    /// missing or too many; no number, or one that is negative or beyond a float; a region that is unknown,
    /// given twice or missing.
    static RegionTable read(std::filesystem::path const& table, genome::ChromSizes const& chroms,
                            std::span<genome::Region const> regions, std::span<std::string const> names);
    RegionTable(RegionTable&&) noexcept;
    RegionTable& operator=(RegionTable&&) noexcept;
    ~RegionTable();

    [[nodiscard]] std::vector<std::string> const& columns() const noexcept;
    /// The largest value of each column.
    [[nodiscard]] std::vector<double> const& largest() const noexcept;
    /// Values of regions [first, first + out.size() / columns), (regions, columns) row-major.
    void read_rows(std::uint64_t first, std::span<float> out) const;
    /// Names the content of the file; empty without columns.
    [[nodiscard]] std::string const& content_hash() const noexcept;

private:
    struct State;
    explicit RegionTable(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace mpira::atlas
