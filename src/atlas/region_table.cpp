#include "mpira/atlas/region_table.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/mapped_text.hpp"
#include "mpira/base/name_index.hpp"
#include "mpira/base/text.hpp"

namespace mpira::atlas {
namespace {

using Fields = std::vector<std::string_view>;
/// The row that a line's key columns name.
using FindRow = std::function<std::optional<std::uint32_t>(Fields const&)>;

FindRow by_place(genome::ChromSizes const& chroms, std::span<genome::Region const> regions) {
    return [&chroms, regions](Fields const& fields) -> std::optional<std::uint32_t> {
        auto const chrom = chroms.find(fields[0]);
        auto const start = text::to_integer(fields[1]);
        auto const end = text::to_integer(fields[2]);
        if (!chrom || !start || !end) return std::nullopt;
        genome::Region const region{*chrom, *start, *end};
        auto const at = std::ranges::lower_bound(regions, region);
        if (at == regions.end() || *at != region) return std::nullopt;
        return static_cast<std::uint32_t>(at - regions.begin());
    };
}

bool starts_with_place(Fields const& header) {
    return header.size() >= 3 && (header[0] == "chrom" || header[0] == "#chrom") && header[1] == "start" &&
           header[2] == "end";
}

}  // namespace

struct RegionTable::State {
    std::optional<MappedText> text;
    std::size_t keys = 1;  ///< columns that say which region
    std::vector<std::string> columns;
    std::vector<double> largest;       ///< by column
    std::vector<std::uint64_t> lines;  ///< by region: offset in the text
    std::string hash;

    [[nodiscard]] Fields fields(std::uint64_t offset) const {
        return text::split(text->line(static_cast<std::size_t>(offset)), '\t');
    }
    [[nodiscard]] std::size_t read_header();
    void read_line(std::size_t at, FindRow const& find_row, std::string const& example);
};

/// Takes the first line that isn't empty; returns where the next one begins.
std::size_t RegionTable::State::read_header() {
    std::size_t at = 0;
    while (at < text->size() && text::trim(text->line(at)).empty()) at = text->after(at);
    if (at == text->size())
        fail_usage(fmt::format("{}: empty; a header was expected", text->file().string()));
    auto const header = fields(at);
    keys = starts_with_place(header) ? 3 : 1;
    columns.assign(header.begin() + static_cast<std::ptrdiff_t>(std::min(keys, header.size())), header.end());
    if (columns.empty()) {
        text->refuse(at,
                     "the header names no column of numbers; a table has the region (its name, or chrom, "
                     "start and end) and a column for each cell type, separated by tabs");
    }
    auto sorted = columns;
    std::ranges::sort(sorted);
    if (auto const twice = std::ranges::adjacent_find(sorted); twice != sorted.end())
        text->refuse(at, fmt::format("'{}' is named twice", *twice));
    if (sorted.front().empty()) text->refuse(at, "a column without a name");
    largest.assign(columns.size(), 0);
    return text->after(at);
}

void RegionTable::State::read_line(std::size_t at, FindRow const& find_row, std::string const& example) {
    auto const values = fields(at);
    if (values.size() != columns.size() + keys) {
        text->refuse(at, fmt::format("{} fields; the header has {}", values.size(), columns.size() + keys));
    }
    auto const called =
        fmt::format("{}", fmt::join(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(keys), " "));
    auto const row = find_row(values);
    if (!row)
        text->refuse(at,
                     fmt::format("'{}' is none of the regions (they are called like '{}')", called, example));
    if (lines[*row] != std::numeric_limits<std::uint64_t>::max())
        text->refuse(at, fmt::format("region '{}' was given before", called));
    lines[*row] = at;
    for (std::size_t i = 0; i < columns.size(); ++i) {
        auto const field = values[keys + i];
        auto const value = text::to_number(field);
        if (!value || *value < 0 || *value > static_cast<double>(std::numeric_limits<float>::max()))
            text->refuse(at, fmt::format("'{}' for {} must be a number >= 0", field, columns[i]));
        largest[i] = std::max(largest[i], *value);
    }
}

RegionTable::RegionTable() : state_(std::make_unique<State>()) {}
RegionTable::RegionTable(std::unique_ptr<State> state) : state_(std::move(state)) {}
RegionTable::RegionTable(RegionTable&&) noexcept = default;
RegionTable& RegionTable::operator=(RegionTable&&) noexcept = default;
RegionTable::~RegionTable() = default;

RegionTable RegionTable::read(std::filesystem::path const& table, genome::ChromSizes const& chroms,
                              std::span<genome::Region const> regions, std::span<std::string const> names) {
    ensure(!regions.empty() && (names.empty() || names.size() == regions.size()),
           "regions, and one name each or none, are needed");
    auto state = std::make_unique<State>();
    state->text.emplace(table);
    constexpr auto kMissing = std::numeric_limits<std::uint64_t>::max();
    state->lines.assign(regions.size(), kMissing);
    std::size_t const first_line = state->read_header();

    auto const label = [&](std::uint32_t row) {
        return names.empty() ? chroms.label(regions[row]) : names[row];
    };
    bool const places = state->keys == 3;
    std::optional<NameIndex> index;
    if (!places) index.emplace(static_cast<std::uint32_t>(regions.size()), label);
    FindRow const find_row =
        places ? by_place(chroms, regions) : [&](Fields const& fields) { return index->find(fields[0]); };
    auto const example =
        places ? fmt::format("{} {} {}", chroms.name(regions[0].chrom), regions[0].start, regions[0].end)
               : label(0);
    auto const& text = *state->text;
    for (std::size_t at = first_line; at < text.size(); at = text.after(at)) {
        if (!text::trim(text.line(at)).empty()) state->read_line(at, find_row, example);
    }
    if (auto const missing = std::ranges::find(state->lines, kMissing); missing != state->lines.end()) {
        fail_usage(fmt::format("{}: no line for region '{}'; write 0 where there is nothing", table.string(),
                               label(static_cast<std::uint32_t>(missing - state->lines.begin()))));
    }
    state->hash = hash_file(table);
    return RegionTable(std::move(state));
}

std::vector<std::string> const& RegionTable::columns() const noexcept {
    return state_->columns;
}
std::vector<double> const& RegionTable::largest() const noexcept {
    return state_->largest;
}
std::string const& RegionTable::content_hash() const noexcept {
    return state_->hash;
}

void RegionTable::read_rows(std::uint64_t first, std::span<float> out) const {
    auto const width = state_->columns.size();
    for (std::size_t i = 0; width > 0 && i < out.size() / width; ++i) {
        auto const fields = state_->fields(state_->lines[static_cast<std::size_t>(first) + i]);
        for (std::size_t column = 0; column < width; ++column)
            out[i * width + column] = static_cast<float>(*text::to_number(fields[state_->keys + column]));
    }
}

}  // namespace mpira::atlas
