#include "mpira/atlas/accessibility.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/base/mapped_file.hpp"
#include "mpira/base/text.hpp"

namespace mpira::atlas {
namespace {

void refuse_twice(std::vector<std::string> const& names, std::string_view where) {
    auto sorted = names;
    std::ranges::sort(sorted);
    if (auto const twice = std::ranges::adjacent_find(sorted); twice != sorted.end()) {
        fail_usage(fmt::format("{}: cell type '{}' is named twice", where, *twice));
    }
}

}  // namespace

std::vector<bool> overlap_flags(std::span<genome::Region const> regions,
                                std::span<genome::Region const> intervals) {
    // The furthest end of any interval up to here, on its chromosome: with it, one look back is enough
    // although intervals may contain each other.
    std::vector<std::int64_t> furthest(intervals.size());
    for (std::size_t i = 0; i < intervals.size(); ++i) {
        bool const same = i > 0 && intervals[i - 1].chrom == intervals[i].chrom;
        furthest[i] = same ? std::max(furthest[i - 1], intervals[i].end) : intervals[i].end;
    }
    std::vector<bool> flags(regions.size());
    for (std::size_t row = 0; row < regions.size(); ++row) {
        auto const& region = regions[row];
        auto const after = std::ranges::lower_bound(
            intervals, std::pair(region.chrom, region.end), {},
            [](genome::Region const& interval) { return std::pair(interval.chrom, interval.start); });
        if (after != intervals.begin()) {
            auto const before = static_cast<std::size_t>(after - intervals.begin()) - 1;
            flags[row] = intervals[before].chrom == region.chrom && furthest[before] > region.start;
        }
    }
    return flags;
}

struct Accessibility::State {
    std::vector<std::string> cell_types;
    std::string hash;
    std::vector<std::vector<bool>> flags;  // by cell type, from peak files
    std::optional<MappedFile> table;
    std::vector<std::uint64_t> lines;  // by region: offset in the table

    [[nodiscard]] std::string_view text() const {
        auto const bytes = table->bytes();
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bytes of a text file
        return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
    }
    [[nodiscard]] std::vector<std::string_view> fields(std::uint64_t offset) const {
        auto const all = text();
        auto line = all.substr(offset, all.find('\n', offset) - offset);
        if (line.ends_with('\r')) {
            line.remove_suffix(1);
        }
        return text::split(line, '\t');
    }
};

Accessibility::Accessibility() : state_(std::make_unique<State>()) {}
Accessibility::Accessibility(std::unique_ptr<State> state) : state_(std::move(state)) {}
Accessibility::Accessibility(Accessibility&&) noexcept = default;
Accessibility& Accessibility::operator=(Accessibility&&) noexcept = default;
Accessibility::~Accessibility() = default;

Accessibility Accessibility::from_beds(std::span<std::string const> items, genome::ChromSizes const& chroms,
                                       std::span<genome::Region const> regions, std::string_view where) {
    auto state = std::make_unique<State>();
    ContentHash hash;
    for (auto const& item : items) {
        std::size_t const equals = item.find('=');
        if (equals == std::string::npos || equals == 0 || equals + 1 == item.size()) {
            fail_usage(fmt::format("{}: '{}': write name=path.bed", where, item));
        }
        auto const& name = state->cell_types.emplace_back(item.substr(0, equals));
        std::filesystem::path const path = item.substr(equals + 1);
        auto const bed = genome::read_bed(path, chroms);
        auto const& flags = state->flags.emplace_back(overlap_flags(regions, bed.regions));
        auto const accessible = std::ranges::count(flags, true);
        if (accessible == 0) {
            fail_usage(fmt::format("{}: no region overlaps a peak of '{}' ({}); is it of the same assembly?",
                                   where, name, path.string()));
        }
        log::info("{}: {} of {} regions overlap its {} peaks", name, accessible, regions.size(),
                  bed.regions.size());
        hash.add(name).add(hash_file(path));
    }
    refuse_twice(state->cell_types, where);
    state->hash = hash.hex();
    return Accessibility(std::move(state));
}

Accessibility Accessibility::from_table(std::filesystem::path const& table, genome::ChromSizes const& chroms,
                                        std::span<genome::Region const> regions,
                                        std::span<std::string const> names) {
    ensure(names.empty() || names.size() == regions.size(), "one name a region is needed");
    auto state = std::make_unique<State>();
    state->table.emplace(table);
    auto const all = state->text();
    auto const label = [&](std::size_t row) {
        return names.empty() ? chroms.label(regions[row]) : names[row];
    };

    // Regions by the hash of their name: 16 bytes a region, and only while opening.
    std::vector<std::pair<std::uint64_t, std::uint32_t>> by_hash(regions.size());
    for (std::uint32_t row = 0; row < by_hash.size(); ++row) {
        by_hash[row] = {std::hash<std::string>{}(label(row)), row};
    }
    std::ranges::sort(by_hash);
    auto const find_row = [&](std::string_view name) -> std::optional<std::uint32_t> {
        std::uint64_t const key = std::hash<std::string_view>{}(name);
        auto at = std::ranges::lower_bound(by_hash, key, {}, &std::pair<std::uint64_t, std::uint32_t>::first);
        for (; at != by_hash.end() && at->first == key; ++at) {
            if (label(at->second) == name) {
                return at->second;
            }
        }
        return std::nullopt;
    };

    constexpr auto kMissing = std::numeric_limits<std::uint64_t>::max();
    state->lines.assign(regions.size(), kMissing);
    std::vector<bool> accessible;
    std::size_t number = 0;
    for (std::size_t at = 0, next = 0; at < all.size(); at = next) {
        next = std::min(all.find('\n', at), all.size() - 1) + 1;
        ++number;
        auto const refuse = [&](std::string const& what) {
            fail_usage(fmt::format("{}, line {}: {}", table.string(), number, what));
        };
        auto const fields = state->fields(at);
        if (fields.size() == 1 && text::trim(fields[0]).empty()) {
            continue;
        }
        if (state->cell_types.empty()) {
            state->cell_types.assign(fields.begin() + 1, fields.end());
            if (state->cell_types.empty()) {
                refuse(
                    "the header names no cell type; a table has a region column and one a cell type, tab "
                    "separated");
            }
            refuse_twice(state->cell_types, table.string());
            accessible.resize(state->cell_types.size());
            continue;
        }
        if (fields.size() != state->cell_types.size() + 1) {
            refuse(fmt::format("{} fields; the header has {}", fields.size(), state->cell_types.size() + 1));
        }
        auto const row = find_row(fields[0]);
        if (!row) {
            refuse(
                fmt::format("'{}' is none of the regions (they are called like '{}')", fields[0], label(0)));
        }
        if (state->lines[*row] != kMissing) {
            refuse(fmt::format("region '{}' was given before", fields[0]));
        }
        state->lines[*row] = at;
        for (std::size_t i = 1; i < fields.size(); ++i) {
            auto const value = text::to_number(fields[i]);
            if (!value || *value < 0 || *value > std::numeric_limits<float>::max()) {
                refuse(fmt::format("'{}' for {} must be a number >= 0", fields[i], state->cell_types[i - 1]));
            }
            accessible[i - 1] = accessible[i - 1] || *value > 0;
        }
    }
    if (auto const missing = std::ranges::find(state->lines, kMissing); missing != state->lines.end()) {
        fail_usage(fmt::format("{}: no line for region '{}'", table.string(),
                               label(static_cast<std::size_t>(missing - state->lines.begin()))));
    }
    if (auto const closed = std::ranges::find(accessible, false); closed != accessible.end()) {
        fail_usage(fmt::format("{}: no region is accessible in '{}'", table.string(),
                               state->cell_types[static_cast<std::size_t>(closed - accessible.begin())]));
    }
    state->hash = hash_file(table);
    return Accessibility(std::move(state));
}

std::vector<std::string> const& Accessibility::cell_types() const noexcept {
    return state_->cell_types;
}
std::string const& Accessibility::content_hash() const noexcept {
    return state_->hash;
}

void Accessibility::read(std::uint64_t first, std::span<float> out) const {
    auto const types = state_->cell_types.size();
    for (std::size_t i = 0; types > 0 && i < out.size() / types; ++i) {
        auto const row = static_cast<std::size_t>(first) + i;
        if (state_->table) {
            auto const fields = state_->fields(state_->lines[row]);
            for (std::size_t type = 0; type < types; ++type) {
                out[i * types + type] = static_cast<float>(*text::to_number(fields[type + 1]));
            }
        } else {
            for (std::size_t type = 0; type < types; ++type) {
                out[i * types + type] = state_->flags[type][row] ? 1.0F : 0.0F;
            }
        }
    }
}

}  // namespace mpira::atlas
