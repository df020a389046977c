#include "mpira/genome/windows.hpp"

#include <algorithm>
#include <deque>
#include <limits>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

namespace mpira::genome {
namespace {

std::size_t chrom_index(std::span<std::string const> names, std::string_view chrom, std::string_view what) {
    auto const found = std::ranges::find(names, chrom);
    if (found == names.end()) {
        fail_usage(fmt::format("{}: the table of regions has no chromosome '{}'{}", what, chrom,
                               text::chromosome_hint(chrom, names)));
    }
    return static_cast<std::size_t>(found - names.begin());
}

bool excluded_at(std::span<std::uint8_t const> excluded, std::uint32_t row) {
    return !excluded.empty() && excluded[row] != 0;
}

void check_shapes(RegionColumns const& regions, std::span<std::uint32_t const> chosen,
                  std::span<std::uint8_t const> flags) {
    ensure(regions.start.size() == regions.size() && regions.end.size() == regions.size(),
           "columns of regions differ in length");
    ensure(flags.empty() || flags.size() == regions.size(), "one flag a row is needed");
    ensure(chosen.empty() || chosen.back() < regions.size(), "a chosen row is beyond the table");
    ensure(std::ranges::adjacent_find(chosen, std::greater_equal<>()) == chosen.end(),
           "chosen rows must ascend");
}

}  // namespace

HeldOutInterval parse_held_out(std::string_view text, std::string_view where) {
    auto const refuse = [&]() {
        fail_usage(fmt::format("{}: '{}' is no interval; write chrom:start-end (0-based, half-open) or chrom",
                               where, text));
    };
    std::string_view const all = text::trim(text);
    std::size_t const colon = all.rfind(':');
    if (all.empty() || colon == 0) {
        refuse();
    }
    if (colon == std::string_view::npos) {
        return {std::string(all), 0, HeldOutInterval::kWhole};
    }
    auto const ends = text::split(all.substr(colon + 1), '-');
    auto const start = ends.size() == 2 ? text::to_integer(ends[0]) : std::nullopt;
    auto const end = ends.size() == 2 ? text::to_integer(ends[1]) : std::nullopt;
    if (!start || !end || *start < 0 || *end <= *start) {
        refuse();
    }
    return {std::string(all.substr(0, colon)), *start, *end};
}

std::vector<HeldOutInterval> parse_held_out(std::span<std::string const> texts, std::string_view where) {
    std::vector<HeldOutInterval> intervals;
    intervals.reserve(texts.size());
    for (auto const& text : texts) {
        intervals.push_back(parse_held_out(text, where));
    }
    return intervals;
}

std::string to_text(HeldOutInterval const& interval) {
    return interval.end == HeldOutInterval::kWhole
               ? interval.chrom
               : fmt::format("{}:{}-{}", interval.chrom, interval.start, interval.end);
}

std::vector<std::uint8_t> held_out_rows(RegionColumns const& regions,
                                        std::span<HeldOutInterval const> intervals, Belongs belongs) {
    check_shapes(regions, {}, {});
    // Of each chromosome, apart and ascending: a fold file may have thousands.
    struct Piece {
        std::int64_t start, end;
    };
    std::vector<std::vector<Piece>> pieces(regions.chrom_names.size());
    for (auto const& interval : intervals) {
        auto const chrom = chrom_index(regions.chrom_names, interval.chrom, "held-out interval");
        std::int64_t const end =
            interval.end == HeldOutInterval::kWhole ? std::numeric_limits<std::int64_t>::max() : interval.end;
        if (interval.start < end) pieces[chrom].push_back({interval.start, end});
    }
    for (auto& of_chrom : pieces) {
        std::ranges::sort(of_chrom, {}, &Piece::start);
        std::size_t kept = 0;
        for (auto const& piece : of_chrom) {
            if (kept > 0 && piece.start <= of_chrom[kept - 1].end) {
                of_chrom[kept - 1].end = std::max(of_chrom[kept - 1].end, piece.end);
            } else {
                of_chrom[kept++] = piece;
            }
        }
        of_chrom.resize(kept);
    }
    std::vector<std::uint8_t> flags(regions.size(), 0);
    for (std::size_t row = 0; row < regions.size(); ++row) {
        auto const& of_chrom = pieces[static_cast<std::size_t>(regions.chrom[row])];
        std::int64_t const centre = (regions.start[row] + regions.end[row]) / 2;
        std::int64_t const first = belongs == Belongs::centre ? centre : regions.start[row];
        std::int64_t const last = belongs == Belongs::centre ? centre : regions.end[row] - 1;
        // The first piece that ends behind `first` is the only one that may matter.
        auto const piece = std::ranges::upper_bound(of_chrom, first, {}, &Piece::end);
        if (piece != of_chrom.end() && piece->start <= last) flags[row] = 1;
    }
    return flags;
}

bool overlaps_any(std::span<HeldOutInterval const> intervals, std::string_view chrom, std::int64_t start,
                  std::int64_t end) {
    return std::ranges::any_of(intervals, [&](HeldOutInterval const& interval) {
        return interval.chrom == chrom && end > interval.start &&
               (interval.end == HeldOutInterval::kWhole || start < interval.end);
    });
}

std::vector<PlaceRange> segments(RegionColumns const& regions, std::span<std::uint32_t const> chosen,
                                 std::span<std::uint8_t const> excluded, std::uint64_t least) {
    check_shapes(regions, chosen, excluded);
    std::vector<PlaceRange> found;
    std::uint64_t first = 0;
    auto const close = [&](std::uint64_t end) {
        if (end > first && end - first >= least) {
            found.push_back({first, end});
        }
    };
    for (std::uint64_t place = 0; place < chosen.size(); ++place) {
        // A held-out region cuts also where it is no chosen one: nothing of a held-out block may be spanned.
        bool cut = excluded_at(excluded, chosen[place]);
        if (place > 0) {
            std::uint32_t const before = chosen[place - 1];
            cut = cut || regions.chrom[before] != regions.chrom[chosen[place]];
            for (std::uint32_t row = before + 1; !cut && !excluded.empty() && row < chosen[place]; ++row) {
                cut = excluded[row] != 0;
            }
        }
        if (cut) {
            close(place);
            first = excluded_at(excluded, chosen[place]) ? place + 1 : place;
        }
    }
    close(chosen.size());
    return found;
}

std::vector<std::uint32_t> window_starts(RegionColumns const& regions, std::span<std::uint32_t const> chosen,
                                         PlaceRange range, WindowRules const& rules) {
    ensure(range.first <= range.end && range.end <= chosen.size(),
           "a range of places beyond the chosen rows");
    ensure(rules.regions > 0, "a window has at least one region");
    std::vector<std::uint32_t> starts;
    if (range.size() < rules.regions) {
        return starts;
    }
    ensure(regions.chrom[chosen[range.first]] == regions.chrom[chosen[range.end - 1]],
           "a range of places crosses a chromosome");
    // Regions may contain each other, so the last end is the maximum over the window: kept in a falling
    // queue.
    std::deque<std::uint64_t> ends;
    for (std::uint64_t place = range.first; place < range.end; ++place) {
        while (!ends.empty() && regions.end[chosen[ends.back()]] <= regions.end[chosen[place]]) {
            ends.pop_back();
        }
        ends.push_back(place);
        if (place + 1 < range.first + rules.regions) {
            continue;
        }
        std::uint64_t const start = place + 1 - rules.regions;
        if (ends.front() < start) {
            ends.pop_front();
        }
        if (regions.end[chosen[ends.front()]] - regions.start[chosen[start]] <= rules.max_span_bp) {
            starts.push_back(static_cast<std::uint32_t>(start));
        }
    }
    return starts;
}

Sites::Sites(RegionColumns const& regions, std::vector<std::uint32_t> chosen, WindowRules const& rules,
             SiteFilter const& filter)
    : chosen_(std::move(chosen)), rules_(rules) {
    require(rules.regions > 0 && rules.focus < rules.regions,
            fmt::format("the focus ({}) must lie in the window of {} regions (0 to {})", rules.focus,
                        rules.regions, rules.regions - 1));
    check_shapes(regions, chosen_, filter.excluded);
    check_shapes(regions, chosen_, filter.site_class);
    require(
        filter.classes.empty() || !filter.site_class.empty(),
        "sites are to be of one class, but the table of regions has no promoter flags; run `mpira features` "
        "with regions.promoters, or drop the restriction");
    std::vector<std::uint8_t> wanted_chrom(regions.chrom_names.size(), filter.chroms.empty() ? 1 : 0);
    for (auto const& chrom : filter.chroms) {
        wanted_chrom[chrom_index(regions.chrom_names, chrom, "sites")] = 1;
    }

    std::uint64_t windows = 0;
    std::uint64_t met_held_out = 0;
    std::uint64_t filtered = 0;
    for (auto const& run : segments(regions, chosen_, {})) {
        windows += window_starts(regions, chosen_, run, rules).size();
    }
    for (auto const& run : segments(regions, chosen_, filter.excluded, rules.regions)) {
        for (std::uint32_t const start : window_starts(regions, chosen_, run, rules)) {
            std::uint32_t const focus = chosen_[start + rules.focus];
            bool const chrom_fits = wanted_chrom[static_cast<std::size_t>(regions.chrom[focus])] != 0;
            bool const class_fits =
                filter.classes.empty() ||
                std::ranges::find(filter.classes, filter.site_class[focus]) != filter.classes.end();
            if (chrom_fits && class_fits) {
                starts_.push_back(start);
            } else {
                ++filtered;
            }
        }
    }
    met_held_out = windows - filtered - starts_.size();
    description_ = fmt::format(
        "{} sites: {} regions, {} without a complete window of {} on one chromosome within {} bp, {} whose "
        "window "
        "meets a held-out region, {} on other chromosomes or of another class",
        starts_.size(), chosen_.size(), chosen_.size() - windows, rules.regions, rules.max_span_bp,
        met_held_out, filtered);
    require(!starts_.empty(),
            fmt::format("no site is left: {}. Take smaller windows or fewer restrictions", description_));
}

std::string_view name_of(WindowEnd end) {
    switch (end) {
        case WindowEnd::complete:
            return "complete";
        case WindowEnd::shifted:
            return "shifted";
        case WindowEnd::short_:
            return "short";
    }
    return "unknown";
}

FocusedWindows::FocusedWindows(RegionColumns const& regions, std::vector<std::uint32_t> chosen,
                               WindowRules const& rules)
    : chosen_(std::move(chosen)), rules_(rules), chromosomes_(segments(regions, chosen_, {})) {
    require(rules.regions > 0 && rules.focus < rules.regions,
            fmt::format("the focus ({}) must lie in the window of {} regions (0 to {})", rules.focus,
                        rules.regions, rules.regions - 1));
}

std::optional<std::uint32_t> FocusedWindows::place_of(std::uint32_t row) const {
    auto const found = std::ranges::lower_bound(chosen_, row);
    if (found == chosen_.end() || *found != row) return std::nullopt;
    return static_cast<std::uint32_t>(found - chosen_.begin());
}

FocusedWindow FocusedWindows::around(RegionColumns const& regions, std::uint32_t place) const {
    ensure(place < chosen_.size(), "FocusedWindows: a place beyond the chosen rows");
    auto const run = *std::ranges::upper_bound(chromosomes_, std::uint64_t{place}, {}, &PlaceRange::end);
    auto const size = std::min(rules_.regions, run.size());
    // Where the window would begin, kept on the chromosome.
    auto const wanted = place >= run.first + rules_.focus ? place - rules_.focus : run.first;
    auto const first = std::min(wanted, run.end - size);
    FocusedWindow window{.first = static_cast<std::uint32_t>(first),
                         .size = static_cast<std::uint32_t>(size),
                         .focus = static_cast<std::uint32_t>(place - first)};
    if (size < rules_.regions)
        window.end = WindowEnd::short_;
    else if (window.focus != rules_.focus)
        window.end = WindowEnd::shifted;
    std::int64_t last_end = 0;
    for (auto at = first; at < first + size; ++at) last_end = std::max(last_end, regions.end[chosen_[at]]);
    window.span_bp = last_end - regions.start[chosen_[first]];
    return window;
}

}  // namespace mpira::genome
