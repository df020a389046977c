#include "mpira/genome/regions.hpp"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"
#include "mpira/genome/fasta.hpp"

#include "genome/fields.hpp"
#include "genome/lines.hpp"

namespace mpira::genome {

ChromSizes::ChromSizes(std::vector<std::string> names, std::vector<std::int64_t> lengths)
    : names_(std::move(names)), lengths_(std::move(lengths)) {
    require(names_.size() == lengths_.size() && !names_.empty(),
            "chromosome sizes: as many names as lengths are needed, and at least one");
    for (std::size_t i = 0; i < names_.size(); ++i) {
        if (lengths_[i] < 1) {
            fail_usage(
                fmt::format("chromosome '{}': a length of {} bp is not possible", names_[i], lengths_[i]));
        }
        if (!index_.emplace(names_[i], static_cast<std::int32_t>(i)).second) {
            fail_usage(fmt::format("chromosome '{}' is there twice", names_[i]));
        }
    }
}

ChromSizes ChromSizes::of(Fasta const& fasta) {
    return {{fasta.names().begin(), fasta.names().end()}, {fasta.lengths().begin(), fasta.lengths().end()}};
}

std::optional<std::int32_t> ChromSizes::find(std::string_view name) const {
    auto const at = index_.find(std::string(name));
    return at == index_.end() ? std::nullopt : std::optional(at->second);
}

std::int64_t ChromSizes::total_length() const noexcept {
    return std::accumulate(lengths_.begin(), lengths_.end(), std::int64_t{0});
}

std::string ChromSizes::label(Region const& region) const {
    return fmt::format("{}:{}-{}", name(region.chrom), region.start, region.end);
}

namespace {

std::int64_t coordinate(Lines const& lines, std::string_view field, std::string_view which) {
    auto const value = text::to_integer(field);
    if (!value) lines.refuse(fmt::format("the {} '{}' is not an integer", which, field));
    return *value;
}

double number(Lines const& lines, std::string_view field, std::string_view which) {
    auto const value = text::to_number(field);
    if (!value) lines.refuse(fmt::format("the {} '{}' is not a number", which, field));
    return *value;
}

Region parse_region(Lines const& lines, std::vector<std::string_view> const& fields,
                    ChromSizes const& chroms) {
    auto const chrom = chroms.find(fields[0]);
    if (!chrom) {
        lines.refuse(
            fmt::format("unknown chromosome '{}'{}; it must be one of the {} in the chromosome "
                        "sizes: leave its lines out, or give sizes that have it",
                        fields[0], text::chromosome_hint(fields[0], chroms.names()), chroms.size()));
    }
    Region const region{*chrom, coordinate(lines, fields[1], "start"), coordinate(lines, fields[2], "end")};
    if (region.start < 0) lines.refuse(fmt::format("the start {} is below 0", region.start));
    if (region.start >= region.end) {
        lines.refuse(fmt::format("start {} is not below end {} (BED is 0-based, half-open)", region.start,
                                 region.end));
    }
    if (region.end > chroms.length(*chrom)) {
        lines.refuse(fmt::format("end {} is past the end of {}, which has {} bp; is it the same assembly?",
                                 region.end, fields[0], chroms.length(*chrom)));
    }
    return region;
}

/// The rows named by `order`, where the column has any.
template <typename Value>
void reorder(std::vector<Value>& column, std::vector<std::size_t> const& order) {
    if (column.empty()) return;
    std::vector<Value> sorted;
    sorted.reserve(order.size());
    for (std::size_t const row : order) sorted.push_back(std::move(column[row]));
    column = std::move(sorted);
}

void parse_columns(Lines const& lines, std::vector<std::string_view> const& fields, Region const& region,
                   Bed& bed) {
    if (fields.size() >= 4) bed.names.emplace_back(fields[3]);
    if (fields.size() >= 5) bed.scores.push_back(fields[4] == "." ? 0 : number(lines, fields[4], "score"));
    if (fields.size() >= 6) {
        if (fields[5] != "+" && fields[5] != "-" && fields[5] != ".") {
            lines.refuse(fmt::format("the strand '{}' is none of + - .", fields[5]));
        }
        bed.strands.push_back(fields[5][0]);
    }
    if (fields.size() == 10) {
        bed.signals.push_back(number(lines, fields[6], "signalValue"));
        std::int64_t const summit = coordinate(lines, fields[9], "peak (column 10)");
        if (summit < -1 || summit >= region.length()) {
            lines.refuse(
                fmt::format("the peak (column 10) {} is not inside the region's {} bp; -1 stands "
                            "for none",
                            summit, region.length()));
        }
        bed.summits.push_back(summit);
    }
}

/// Sorts, merges exact duplicates (the first line stays), counts.
void settle(Bed& bed, Duplicates duplicates) {
    auto& regions = bed.regions;
    bool const by_summit = duplicates == Duplicates::differ_by_summit && !bed.summits.empty();
    auto const key = [&](std::size_t row) {
        return std::pair(regions[row], by_summit ? bed.summits[row] : 0);
    };
    for (std::size_t i = 1; i < regions.size(); ++i) {
        if (regions[i] < regions[i - 1]) ++bed.report.out_of_order;
    }
    std::vector<std::size_t> order(regions.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, {}, key);
    for (std::size_t i = 1, first = 0; i < order.size(); ++i) {
        if (key(order[i]) != key(order[first])) {
            first = i;
            continue;
        }
        auto const kept = order[first], gone = order[i];
        if (!bed.strands.empty() && bed.strands[gone] != bed.strands[kept]) bed.strands[kept] = '.';
        for (auto* const values : {&bed.scores, &bed.signals})
            if (!values->empty()) (*values)[kept] = std::max((*values)[kept], (*values)[gone]);
    }
    auto const repeated = std::ranges::unique(order, {}, key);
    bed.report.duplicates = static_cast<std::int64_t>(repeated.size());
    order.erase(repeated.begin(), repeated.end());
    reorder(bed.regions, order);
    reorder(bed.names, order);
    reorder(bed.scores, order);
    reorder(bed.strands, order);
    reorder(bed.signals, order);
    reorder(bed.summits, order);
    Region reach{-1, 0, 0};  // the furthest end so far on this chromosome
    for (auto const& region : bed.regions) {
        if (region.chrom != reach.chrom) {
            reach = region;
            continue;
        }
        if (region.start < reach.end) ++bed.report.overlapping;
        reach.end = std::max(reach.end, region.end);
    }
}

}  // namespace

ChromSizes ChromSizes::read(std::filesystem::path const& file) {
    Lines lines(file);
    std::vector<std::string> names;
    std::vector<std::int64_t> lengths;
    std::unordered_map<std::string, std::int64_t> seen;
    std::vector<std::string_view> fields;
    while (lines.next()) {
        if (text::trim(lines.line()).empty() || lines.line().starts_with('#')) continue;
        split_fields(lines.line(), fields);
        if (fields.size() < 2) lines.refuse("a chromosome name and its length were expected");
        std::int64_t const length = coordinate(lines, fields[1], "length");
        if (length < 1) lines.refuse(fmt::format("a length of {} bp is not possible", length));
        auto const [at, is_new] = seen.emplace(fields[0], lines.number());
        if (!is_new) {
            lines.refuse(fmt::format("chromosome '{}' is already on line {}", fields[0], at->second));
        }
        names.emplace_back(fields[0]);
        lengths.push_back(length);
    }
    if (names.empty()) fail_usage(fmt::format("{}: holds no chromosome", file.string()));
    return {std::move(names), std::move(lengths)};
}

std::string BedReport::describe() const {
    return fmt::format(
        "{} regions read, {} lines out of order (sorted), {} exact duplicates merged, {} "
        "overlapping kept",
        lines, out_of_order, duplicates, overlapping);
}

Bed read_bed(std::filesystem::path const& file, ChromSizes const& chroms, Duplicates duplicates) {
    Lines lines(file);
    Bed bed;
    std::vector<std::string_view> fields;
    std::size_t columns = 0;
    std::int64_t first_line = 0;
    while (lines.next()) {
        auto const line = lines.line();
        if (is_bed_remark(line)) {
            ++bed.report.skipped;
            continue;
        }
        split_fields(line, fields);
        if (fields.size() < 3) {
            lines.refuse(fmt::format("chromosome, start and end were expected, {} found",
                                     text::counted(fields.size(), "column")));
        }
        if (columns == 0) {
            columns = fields.size();
            first_line = lines.number();
        }
        if (fields.size() != columns) {
            lines.refuse(fmt::format("{} columns, but line {} has {}", fields.size(), first_line, columns));
        }
        Region const region = parse_region(lines, fields, chroms);
        bed.regions.push_back(region);
        parse_columns(lines, fields, region, bed);
        ++bed.report.lines;
    }
    if (bed.regions.empty()) fail_usage(fmt::format("{}: holds no region", file.string()));
    settle(bed, duplicates);
    return bed;
}

}  // namespace mpira::genome
