#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mpira/genome/regions.hpp"

namespace mpira::atlas {

/// One bit a region: 1 where it shares at least one base with an interval. Both sorted; `regions` in any
/// overlap, `intervals` too.
std::vector<bool> overlap_flags(std::span<genome::Region const> regions,
                                std::span<genome::Region const> intervals);

/// The least that counts as accessible in a cell type, on a scale that is said.
struct AccessibilityFloor {
    enum class Scale : std::uint8_t {
        value,  ///< as the atlas has it: of a table, of peaks 0 or 1, of counts log / largest
        log,    ///< of counts: log10(per * count / total + 1)
        cpm     ///< of counts: 1e6 * count / total
    };
    Scale scale = Scale::value;
    double least = 0;
};

/// How accessible regions are in cell types, as files of users say it: a peak file a cell type, a table, or
/// counts. Kept small: one bit a region and peak file, 8 bytes a region of a table; files stay mapped.
///
/// Owner, move-only. Threads: reading is free for all.
class Accessibility {
public:
    /// No cell types.
    Accessibility();
    /// One "name=path.bed" a cell type: 1 where the region overlaps one of its peaks by >= 1 bp, else 0.
    /// Throws Origin::usage naming `where` (the setting) and the culprit: an item without '=', a name used
    /// twice, a file read_bed refuses, a cell type without an accessible region.
    static Accessibility from_beds(std::span<std::string const> items, genome::ChromSizes const& chroms,
                                   std::span<genome::Region const> regions, std::string_view where);
    /// A RegionTable whose columns are cell types. Throws as RegionTable::read, and where a cell type has no
    /// accessible region.
    static Accessibility from_table(std::filesystem::path const& table, genome::ChromSizes const& chroms,
                                    std::span<genome::Region const> regions,
                                    std::span<std::string const> names);
    /// A file of `mpira counts` of these regions: log10(per * count / total + 1), divided by the largest
    /// value of its cell type, as published checkpoints expect (spec/get.md 2.1; per = 1e5). Throws
    /// Origin::usage, naming the file: another kind of file, one that is unfinished, of other regions, or
    /// damaged; a cell type without a count.
    static Accessibility from_counts(std::filesystem::path const& file, genome::ChromSizes const& chroms,
                                     std::span<genome::Region const> regions, double per);
    Accessibility(Accessibility&&) noexcept;
    Accessibility& operator=(Accessibility&&) noexcept;
    ~Accessibility();

    /// From now on values below the floor read as 0; one that equals it stays. Throws Origin::usage, naming
    /// `where`, without cell types, for peak files, for a scale that only counts have, and where the largest
    /// value of a cell type lies below.
    void set_floor(AccessibilityFloor const& floor, std::string_view where);

    [[nodiscard]] std::vector<std::string> const& cell_types() const noexcept;
    /// Values of regions [first, first + out.size() / cell types), (regions, cell types) row-major.
    void read(std::uint64_t first, std::span<float> out) const;
    /// Names the content of the files.
    [[nodiscard]] std::string const& content_hash() const noexcept;

private:
    struct State;
    explicit Accessibility(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace mpira::atlas
