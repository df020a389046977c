#include "mpira/atlas/accessibility.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "mpira/atlas/region_table.hpp"
#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/store/anndata_reader.hpp"

#include "atlas/counts_file.hpp"

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

namespace {

/// Counts of (regions, cell types), and what turns them into accessibility.
struct CountMatrix {
    store::MappedArray<std::int32_t> counts;
    store::MappedArray<float> signal;  ///< instead, of bigWigs
    std::vector<double> per_count;     ///< by cell type: per / total
    std::vector<double> largest;       ///< by cell type: of log10(per * count / total + 1)

    double per = 0;

    [[nodiscard]] std::size_t size() const { return counts.values().size() + signal.values().size(); }
    [[nodiscard]] double at(std::size_t i) const {
        return signal.values().empty() ? double(counts.values()[i]) : double{signal.values()[i]};
    }
    [[nodiscard]] std::span<std::byte const> bytes() const {
        return signal.values().empty() ? std::as_bytes(counts.values()) : std::as_bytes(signal.values());
    }
    [[nodiscard]] float value(double count, std::size_t cell_type) const {
        return static_cast<float>(std::log10(per_count[cell_type] * count + 1) / largest[cell_type]);
    }
    /// The same on another scale.
    [[nodiscard]] double on(AccessibilityFloor::Scale scale, double count, std::size_t cell_type) const {
        switch (scale) {
            case AccessibilityFloor::Scale::cpm:
                return 1e6 * (per_count[cell_type] / per) * count;
            case AccessibilityFloor::Scale::log:
                return std::log10(per_count[cell_type] * count + 1);
            case AccessibilityFloor::Scale::value:
                break;
        }
        return double{value(count, cell_type)};
    }
};

}  // namespace

struct Accessibility::State {
    std::vector<std::string> cell_types;
    std::string hash;
    std::vector<std::vector<bool>> flags;  // by cell type, from peak files
    RegionTable table;                     // or a table
    std::optional<CountMatrix> counts;     // or counts
    AccessibilityFloor floor;

    void read(std::uint64_t first, std::span<float> out) const;
    /// By cell type, over all regions; nothing for peak files.
    [[nodiscard]] std::vector<double> largest(AccessibilityFloor::Scale scale) const;
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
    auto state = std::make_unique<State>();
    state->table = RegionTable::read(table, chroms, regions, names);
    state->cell_types = state->table.columns();
    state->hash = state->table.content_hash();
    auto const& largest = state->table.largest();
    if (auto const closed = std::ranges::find(largest, 0.0); closed != largest.end()) {
        fail_usage(fmt::format("{}: no region is accessible in '{}'", table.string(),
                               state->cell_types[static_cast<std::size_t>(closed - largest.begin())]));
    }
    return Accessibility(std::move(state));
}

Accessibility Accessibility::from_counts(std::filesystem::path const& file, genome::ChromSizes const& chroms,
                                         std::span<genome::Region const> regions, double per) {
    ensure(per > 0, "from_counts: nothing to scale to");
    store::AnnDataReader const reader(file);
    require_counts(reader, chroms, regions, /*five_prime_ends=*/false);
    auto state = std::make_unique<State>();
    state->cell_types = reader.index("var");
    auto& matrix = state->counts.emplace();
    bool const is_signal = reader.info("X").type == store::Type::f32;
    if (is_signal) {
        matrix.signal = reader.array<float>("X");
    } else {
        matrix.counts = reader.array<std::int32_t>("X");
    }
    matrix.per = per;
    auto const types = state->cell_types.size();
    auto const total = reader.numbers("uns/total"), largest = reader.numbers("uns/largest");
    require(matrix.size() == regions.size() * types && total.size() == types && largest.size() == types,
            fmt::format("{}: X, uns/total and uns/largest are of different sizes", file.string()));
    for (std::size_t type = 0; type < types; ++type) {
        require(total[type] > 0 && largest[type] > 0,
                fmt::format("{}: no region has a count in '{}'", file.string(), state->cell_types[type]));
        matrix.per_count.push_back(per / total[type]);
        matrix.largest.push_back(std::log10(matrix.per_count.back() * largest[type] + 1));
    }
    for (std::size_t i = 0; i < matrix.size(); ++i)
        if (!(matrix.at(i) >= 0 && matrix.at(i) <= largest[i % types]))
            fail_usage(fmt::format("{}: X: a count of {}, the largest is said to be {}", file.string(),
                                   matrix.at(i), largest[i % types]));
    ContentHash hash;
    for (auto const& name : state->cell_types) hash.add(name);
    hash.add(std::as_bytes(std::span(total))).add(matrix.bytes());
    state->hash = hash.hex();
    return Accessibility(std::move(state));
}

std::vector<std::string> const& Accessibility::cell_types() const noexcept {
    return state_->cell_types;
}
std::string const& Accessibility::content_hash() const noexcept {
    return state_->hash;
}

void Accessibility::State::read(std::uint64_t first, std::span<float> out) const {
    auto const types = cell_types.size();
    if (counts) {
        auto const offset = static_cast<std::size_t>(first) * types;
        for (std::size_t i = 0; i < out.size(); ++i) {
            auto const count = counts->at(offset + i);
            bool const stays = floor.least <= 0 || counts->on(floor.scale, count, i % types) >= floor.least;
            out[i] = stays ? counts->value(count, i % types) : 0.0F;
        }
        return;
    }
    if (flags.empty()) {
        table.read_rows(first, out);
        for (float& value : out)
            if (double{value} < floor.least) value = 0.0F;
        return;
    }
    for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] = flags[i % types][static_cast<std::size_t>(first) + i / types] ? 1.0F : 0.0F;
    }
}

void Accessibility::read(std::uint64_t first, std::span<float> out) const {
    state_->read(first, out);
}

void Accessibility::set_floor(AccessibilityFloor const& floor, std::string_view where) {
    bool const of_counts = floor.scale != AccessibilityFloor::Scale::value;
    require(!state_->cell_types.empty(),
            fmt::format("{}: there is no accessibility that could be cut; name accessibility.counts or "
                        "accessibility.table",
                        where));
    require(state_->flags.empty() || floor.least == 0,
            fmt::format("{}: peak files say 0 or 1: there is nothing to cut", where));
    require(!of_counts || state_->counts,
            fmt::format("{}: only accessibility.counts has this scale; write value", where));
    state_->floor = floor;
    // A limit of values is of their type: 0.7 is not below 0.7.
    if (!of_counts) state_->floor.least = double{static_cast<float>(floor.least)};
    auto const largest = state_->largest(floor.scale);
    for (std::size_t type = 0; type < largest.size(); ++type)
        require(largest[type] >= state_->floor.least,
                fmt::format("{}: no region of '{}' reaches {}, the largest is {:.4g}", where,
                            state_->cell_types[type], floor.least, largest[type]));
}

std::vector<double> Accessibility::State::largest(AccessibilityFloor::Scale scale) const {
    if (!counts) return table.largest();
    auto const types = cell_types.size();
    std::vector<double> found(types, 0);
    for (std::size_t i = 0; i < counts->size(); ++i)
        found[i % types] = std::max(found[i % types], counts->on(scale, counts->at(i), i % types));
    return found;
}

}  // namespace mpira::atlas
