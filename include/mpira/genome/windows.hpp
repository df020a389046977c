#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Windows of consecutive regions, and where in them a model may look. Pure functions of a table of regions.
///
/// Everything here counts in positions, never in row labels: a *row* is a position in the table (the atlas),
/// a *place* is a position among the chosen rows (those accessible in a cell type, say). Windows are runs of
/// consecutive places. The reference cut its windows with row labels after rows had been dropped, so that its
/// left-out chromosomes were trained on (spec/get.md 2.4); tests/genome/windows_test.cpp holds the property
/// that no window crosses a chromosome or meets a held-out region, also after rows were dropped.
///
/// Coordinates are 0-based and half-open, as in BED. Threads: everything is const or by value.
namespace mpira::genome {

/// The coordinates of a table of regions: sorted by (chrom, start, end). A view: the table owns the memory.
struct RegionColumns {
    std::span<std::string const> chrom_names;
    std::span<std::int32_t const> chrom;  ///< index into chrom_names
    std::span<std::int64_t const> start;
    std::span<std::int64_t const> end;

    [[nodiscard]] std::uint64_t size() const noexcept { return chrom.size(); }
};

/// A piece of the genome that a model never sees: [start, end) of a chromosome, or all of it.
struct HeldOutInterval {
    static constexpr std::int64_t kWhole = -1;
    std::string chrom;
    std::int64_t start = 0;
    std::int64_t end = kWhole;

    friend bool operator==(HeldOutInterval const&, HeldOutInterval const&) = default;
};

/// "chr2R:1000000-2000000" (0-based, half-open) or "chr2R". Throws Origin::usage on anything else; `where`
/// begins the message ("config.toml: folds.test").
HeldOutInterval parse_held_out(std::string_view text, std::string_view where);
std::vector<HeldOutInterval> parse_held_out(std::span<std::string const> texts, std::string_view where);
/// The text parse_held_out takes.
std::string to_text(HeldOutInterval const& interval);

/// When a region is in an interval. `centre`: floor((start + end) / 2) lies in it, so that every region is in
/// exactly one of the blocks that tile a genome (which fold tests it). `overlap`: one base is enough, so that
/// nothing of the interval is seen (what training and insertion sites leave out).
enum class Belongs : std::uint8_t { centre, overlap };

/// One flag a row: 1 where the region is in one of the intervals. A chromosome that the table doesn't have is
/// a usage error naming it (a typo would silently hold nothing out).
std::vector<std::uint8_t> held_out_rows(RegionColumns const& regions,
                                        std::span<HeldOutInterval const> intervals, Belongs belongs);

/// Whether the interval [start, end) of `chrom` shares a base with one of the intervals: may this element be
/// predicted by a model with that held-out set?
bool overlaps_any(std::span<HeldOutInterval const> intervals, std::string_view chrom, std::int64_t start,
                  std::int64_t end);

/// Shape of a window.
struct WindowRules {
    std::uint64_t regions = 200;           ///< R, regions a window
    std::uint64_t focus = 100;             ///< position in the window of the region that is predicted, < R
    std::int64_t max_span_bp = 5'000'000;  ///< from the first start to the last end
};

/// Places [first, end).
struct PlaceRange {
    std::uint64_t first = 0;
    std::uint64_t end = 0;

    [[nodiscard]] std::uint64_t size() const noexcept { return end - first; }
    friend bool operator==(PlaceRange const&, PlaceRange const&) = default;
};

/// The maximal runs of consecutive places on one chromosome without an excluded region: what training cuts
/// its windows from, left and right of a held-out block separately. `chosen`: ascending rows; `excluded`: one
/// flag a row, or empty. An excluded row between two chosen ones ends a run also when it is not chosen
/// itself. Runs shorter than `least` regions are left out.
std::vector<PlaceRange> segments(RegionColumns const& regions, std::span<std::uint32_t const> chosen,
                                 std::span<std::uint8_t const> excluded, std::uint64_t least = 1);

/// All first places of windows of R regions inside [range.first, range.end) that span at most max_span_bp;
/// ascending. The range must lie on one chromosome.
std::vector<std::uint32_t> window_starts(RegionColumns const& regions, std::span<std::uint32_t const> chosen,
                                         PlaceRange range, WindowRules const& rules);

/// Which windows are sites. Empty: no restriction.
struct SiteFilter {
    std::vector<std::string> chroms{};           ///< only foci on these
    std::span<std::uint8_t const> excluded{};    ///< one flag a row: a window may not contain such a region
    std::span<std::uint8_t const> site_class{};  ///< one value a row (0 distal, 1 promoter)
    std::vector<std::uint8_t> classes{};         ///< only foci whose class is one of these
};

/// Every region that has a complete window around it: the places where an element may be inserted, a gene be
/// read. Site s has its focus at place start(s) + rules.focus.
///
/// Owns 4 bytes a site; `chosen` is copied (4 bytes a row), the columns are only read while building.
class Sites {
public:
    /// Throws Origin::usage when no site is left, saying what took how many away, when rules.focus >= R, or
    /// when a chromosome of the filter isn't in the table.
    Sites(RegionColumns const& regions, std::vector<std::uint32_t> chosen, WindowRules const& rules,
          SiteFilter const& filter);

    [[nodiscard]] std::uint64_t size() const noexcept { return starts_.size(); }
    [[nodiscard]] WindowRules const& rules() const noexcept { return rules_; }
    /// First place of the window of site s.
    [[nodiscard]] std::uint32_t start(std::uint64_t site) const { return starts_[site]; }
    /// The R rows of the window of site s, ascending; the focus is rows(s)[rules().focus].
    [[nodiscard]] std::span<std::uint32_t const> rows(std::uint64_t site) const {
        return std::span(chosen_).subspan(starts_[site], rules_.regions);
    }
    [[nodiscard]] std::uint32_t focus_row(std::uint64_t site) const {
        return chosen_[starts_[site] + rules_.focus];
    }
    [[nodiscard]] std::span<std::uint32_t const> chosen() const noexcept { return chosen_; }
    /// "4,153 sites: 4,203 regions, 50 without a complete window, 0 ..." for the log.
    [[nodiscard]] std::string const& describe() const noexcept { return description_; }

private:
    std::vector<std::uint32_t> chosen_;
    std::vector<std::uint32_t> starts_;
    WindowRules rules_;
    std::string description_;
};

/// What a window around a place met at the ends of its chromosome.
enum class WindowEnd : std::uint8_t {
    complete,  ///< R regions with the focus where the rules want it
    shifted,   ///< would leave the chromosome: moved inward, the focus lies at its true index
    short_,    ///< the chromosome has fewer than R regions: all of them
};
std::string_view name_of(WindowEnd end);  ///< "complete", "shifted", "short"

/// The window in which one region is read: places [first, first + size), the region at index `focus`.
struct FocusedWindow {
    std::uint32_t first = 0;
    std::uint32_t size = 0;
    std::uint32_t focus = 0;
    WindowEnd end = WindowEnd::complete;
    std::int64_t span_bp = 0;  ///< from the first start to the last end

    friend bool operator==(FocusedWindow const&, FocusedWindow const&) = default;
};

/// One window a region, also near the ends of a chromosome: the network has no positional code, so the focus
/// may lie anywhere, but it has no key mask, so nothing is ever padded.
///
/// Where rules.regions around a place would leave the chromosome (its chosen places), the window is moved
/// inward; on a chromosome with fewer places it holds all of them. Owns a copy of
/// `chosen`.
class FocusedWindows {
public:
    /// `chosen`: ascending rows. Throws Origin::usage when rules.focus >= rules.regions.
    FocusedWindows(RegionColumns const& regions, std::vector<std::uint32_t> chosen, WindowRules const& rules);

    [[nodiscard]] WindowRules const& rules() const noexcept { return rules_; }
    [[nodiscard]] std::span<std::uint32_t const> chosen() const noexcept { return chosen_; }
    /// The place of a row, or nothing when it isn't chosen.
    [[nodiscard]] std::optional<std::uint32_t> place_of(std::uint32_t row) const;
    /// The window around a place. Whether its span_bp fits rules().max_span_bp is the caller's to ask.
    [[nodiscard]] FocusedWindow around(RegionColumns const& regions, std::uint32_t place) const;

private:
    std::vector<std::uint32_t> chosen_;
    WindowRules rules_;
    std::vector<PlaceRange> chromosomes_;  ///< runs of places, ascending
};

}  // namespace mpira::genome
