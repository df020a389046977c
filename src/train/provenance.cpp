#include "mpira/train/provenance.hpp"

#include <algorithm>
#include <limits>
#include <tuple>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "mpira/base/error.hpp"

namespace mpira::train {

namespace {

using model::Interval;

constexpr SeenKind kKinds[] = {SeenKind::inputs, SeenKind::accessibility, SeenKind::expression};

auto key_of(SeenRecord const& record) {
    return std::tie(record.kind, record.cell_type, record.columns, record.assembly);
}

std::vector<Interval> joined(std::vector<Interval> intervals) {
    std::sort(intervals.begin(), intervals.end(), [](Interval const& a, Interval const& b) {
        return std::tie(a.chromosome, a.start, a.end) < std::tie(b.chromosome, b.start, b.end);
    });
    std::vector<Interval> out;
    for (auto& interval : intervals) {
        if (!out.empty() && out.back().chromosome == interval.chromosome &&
            interval.start <= out.back().end) {
            out.back().end = std::max(out.back().end, interval.end);
        } else {
            out.push_back(std::move(interval));
        }
    }
    return out;
}

std::string text_of(Interval const& interval) {
    return fmt::format("{}:{}-{}", interval.chromosome, interval.start, interval.end);
}

// The first interval that shares a base with the held-out ones; nullptr: none.
Interval const* first_inside(std::span<Interval const> intervals, HeldOutTarget const& target) {
    for (auto const& interval : intervals) {
        if (target.intervals.empty() ||
            genome::overlaps_any(target.intervals, interval.chromosome, interval.start, interval.end)) {
            return &interval;
        }
    }
    return nullptr;
}

bool contains(std::span<std::string const> names, std::string const& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_target(SeenRecord const& record, HeldOutTarget const& target) {
    if (record.kind != target.kind) return false;
    if (record.kind == SeenKind::inputs) return true;
    if (!record.cell_type.empty() && contains(target.cell_types, record.cell_type)) return true;
    return std::any_of(record.columns.begin(), record.columns.end(),
                       [&](std::string const& column) { return contains(target.columns, column); });
}

std::string what_of(SeenRecord const& record) {
    if (record.kind == SeenKind::inputs) return "the motif features";
    auto text = fmt::format("the {}", name_of(record.kind));
    if (!record.columns.empty()) text += fmt::format(" ({})", fmt::join(record.columns, ", "));
    if (!record.cell_type.empty()) text += fmt::format(" of {}", record.cell_type);
    return text;
}

}  // namespace

std::string_view name_of(SeenKind kind) {
    switch (kind) {
        case SeenKind::inputs:
            return "inputs";
        case SeenKind::accessibility:
            return "accessibility";
        case SeenKind::expression:
            return "expression";
    }
    return "unknown";
}

std::vector<SeenRecord> merged(std::vector<SeenRecord> records) {
    std::stable_sort(records.begin(), records.end(),
                     [](SeenRecord const& a, SeenRecord const& b) { return key_of(a) < key_of(b); });
    std::vector<SeenRecord> out;
    for (auto& record : records) {
        if (!out.empty() && key_of(out.back()) == key_of(record)) {
            auto& into = out.back().intervals;
            into.insert(into.end(), record.intervals.begin(), record.intervals.end());
        } else {
            out.push_back(std::move(record));
        }
    }
    for (auto& record : out) record.intervals = joined(std::move(record.intervals));
    return out;
}

nlohmann::json to_json(std::span<SeenRecord const> records) {
    auto json = nlohmann::json::array();
    for (auto const& record : records) {
        auto intervals = nlohmann::json::array();
        for (auto const& interval : record.intervals) {
            intervals.push_back({interval.chromosome, interval.start, interval.end});
        }
        json.push_back({{"kind", name_of(record.kind)},
                        {"cell_type", record.cell_type},
                        {"columns", record.columns},
                        {"assembly", record.assembly},
                        {"intervals", std::move(intervals)}});
    }
    return json;
}

std::vector<SeenRecord> seen_of(nlohmann::json const& json, std::string_view where) try {
    std::vector<SeenRecord> records;
    for (auto const& entry : json) {
        auto const name = entry.at("kind").get<std::string>();
        auto const* const kind = std::find_if(std::begin(kKinds), std::end(kKinds),
                                              [&](SeenKind k) { return name_of(k) == name; });
        require(kind != std::end(kKinds),
                fmt::format("{}: the record of what was seen has the unknown kind '{}'", where, name));
        SeenRecord record{.kind = *kind,
                          .cell_type = entry.at("cell_type"),
                          .columns = entry.at("columns"),
                          .assembly = entry.at("assembly"),
                          .intervals = {}};
        for (auto const& interval : entry.at("intervals")) {
            record.intervals.push_back({interval.at(0), interval.at(1), interval.at(2)});
        }
        records.push_back(std::move(record));
    }
    return records;
} catch (nlohmann::json::exception const& error) {
    fail_usage(fmt::format("{}: the record of what was seen can't be read ({})", where, error.what()));
}

std::vector<Interval> intervals_of(genome::RegionColumns const& regions, std::span<std::uint32_t const> rows,
                                   std::span<genome::PlaceRange const> runs) {
    std::vector<Interval> intervals;
    for (auto const [first, end] : runs) {
        auto furthest = std::numeric_limits<std::int64_t>::min();
        for (auto place = first; place < end; ++place) {
            furthest = std::max(furthest, regions.end[rows[place]]);
        }
        auto const row = rows[first];
        intervals.push_back({regions.chrom_names[static_cast<std::size_t>(regions.chrom[row])],
                             regions.start[row], furthest});
    }
    return joined(std::move(intervals));
}

std::vector<std::string> seen_by_base(std::span<SeenRecord const> seen, HeldOutTarget const& target,
                                      std::filesystem::path const& base) {
    std::vector<std::string> sentences;
    if (seen.empty()) {
        sentences.push_back(fmt::format("what {} was trained on is not recorded", base.string()));
    }
    for (auto const& record : seen) {
        if (record.assembly != target.assembly) {
            sentences.push_back(fmt::format("the base saw {} on {}, which can't be compared with {}",
                                            what_of(record), record.assembly, target.assembly));
            continue;
        }
        auto const* const inside = first_inside(record.intervals, target);
        if (inside == nullptr) continue;
        if (is_target(record, target)) {
            fail_usage(fmt::format(
                "{} has seen the held-out target: {} in {} were in its training or validation; a score there "
                "would mean nothing. Hold out something else, or start from weights that never saw it",
                base.string(), what_of(record), text_of(*inside)));
        }
        sentences.push_back(fmt::format("the base saw {} of held-out regions", what_of(record)));
    }
    return sentences;
}

}  // namespace mpira::train
