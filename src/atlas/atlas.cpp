#include "mpira/atlas/atlas.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"
#include "mpira/store/anndata_reader.hpp"

#include "atlas/scan_record.hpp"

namespace mpira::atlas {
namespace {

using store::AnnDataReader;
using store::MappedArray;

std::size_t position_of(std::string_view name, std::vector<std::string> const& names, std::string_view what,
                        std::filesystem::path const& file) {
    auto const found = std::ranges::find(names, name);
    if (found == names.end()) {
        fail_usage(fmt::format(
            "{}: no {} '{}'{}; it has {}", file.string(), what, name, text::did_you_mean(name, names),
            names.empty() ? std::string("none") : fmt::format("{}", fmt::join(names, ", "))));
    }
    return static_cast<std::size_t>(found - names.begin());
}

std::vector<float> column(MappedArray<float> const& matrix, std::size_t at) {
    auto const width = static_cast<std::size_t>(matrix.shape()[1]);
    auto const values = matrix.values();
    std::vector<float> picked(static_cast<std::size_t>(matrix.shape()[0]));
    for (std::size_t row = 0; row < picked.size(); ++row) {
        picked[row] = values[row * width + at];
    }
    return picked;
}

/// Whether every value is a number in [0, max]: false for NaN, infinities and negative ones. Without
/// branches, so that a gigabyte is passed at the speed of memory.
bool all_sound(std::span<float const> values) {
    bool sound = true;
    for (float const value : values) {
        sound = sound & (value >= 0) & (value <= std::numeric_limits<float>::max());
    }
    return sound;
}

}  // namespace

struct Atlas::State {
    std::filesystem::path file;
    std::string assembly;
    std::vector<std::string> chrom_names;
    std::vector<std::int32_t> chrom;
    MappedArray<std::int64_t> start;
    MappedArray<std::int64_t> end;
    std::vector<std::uint8_t> promoter;
    std::vector<std::string> feature_names;
    MappedArray<float> features;
    std::vector<std::string> cell_types;
    MappedArray<float> accessibility;
    std::vector<std::string> expression_names;
    MappedArray<float> expression;
    std::vector<std::string> scale_sets;
    MappedArray<float> scale;
    genome::ScanModel scan;
    nlohmann::json provenance;
    std::string hash;

    [[noreturn]] void refuse(std::string_view key, std::string const& what) const {
        fail_usage(fmt::format("{}: {}: {}", file.string(), key, what));
    }
    [[nodiscard]] std::string label(std::uint64_t row) const {
        auto const on = static_cast<std::size_t>(chrom[row]);
        return fmt::format("{}:{}-{}", chrom_names[on], start.values()[row], end.values()[row]);
    }

    void read_regions(AnnDataReader const& reader);
    void check_order() const;
    void read_columns(AnnDataReader const& reader, std::string const& path, std::string const& names_key,
                      std::uint64_t rows, std::vector<std::string>& names, MappedArray<float>& matrix) const;
    void check_values(MappedArray<float> const& matrix, std::string_view key,
                      std::vector<std::string> const& columns, bool rows_are_regions) const;
    void check_scales() const;
    [[nodiscard]] std::string content() const;
};

void Atlas::State::read_regions(AnnDataReader const& reader) {
    for (std::string const key : {"uns/assembly", "uns/chrom_names", "uns/scan", "uns/scale_sets",
                                  "obs/chrom", "obs/start", "obs/end", "varm/scale", "X"}) {
        if (!reader.contains(key)) {
            refuse(key, "missing; an atlas is a file that `mpira features` wrote");
        }
    }
    // Not reader.rows(), which reads the names of all regions to count them.
    auto const shape = reader.info("X").shape;
    if (shape.size() != 2 || shape[0] == 0 || shape[1] == 0) {
        refuse("X",
               fmt::format("its shape is ({}); (regions, features) was expected", fmt::join(shape, ", ")));
    }
    std::uint64_t const rows = shape[0];
    if (rows >= std::numeric_limits<std::uint32_t>::max()) {
        refuse("X", "more than 2^32 regions");
    }
    if (reader.contains("obs/done")) {
        auto const done = reader.integers("obs/done");
        auto const finished = static_cast<std::size_t>(std::ranges::count(done, 1));
        if (finished != done.size()) {
            refuse("obs/done",
                   fmt::format("only {} of {} regions are computed; run the same `mpira features` again, "
                               "it goes on where it stopped",
                               finished, done.size()));
        }
    }
    assembly = reader.text("uns/assembly");
    chrom_names = reader.strings("uns/chrom_names");

    auto const chroms = reader.categories("obs/chrom");
    std::vector<std::int32_t> place(chroms.categories.size());
    for (std::size_t i = 0; i < place.size(); ++i) {
        auto const found = std::ranges::find(chrom_names, chroms.categories[i]);
        if (found == chrom_names.end()) {
            refuse("obs/chrom",
                   fmt::format("chromosome '{}' is not in uns/chrom_names{}", chroms.categories[i],
                               text::did_you_mean(chroms.categories[i], chrom_names)));
        }
        place[i] = static_cast<std::int32_t>(found - chrom_names.begin());
    }
    chrom.resize(static_cast<std::size_t>(rows));
    if (chroms.codes.size() != chrom.size()) {
        refuse("obs/chrom", fmt::format("{} values for {} regions", chroms.codes.size(), rows));
    }
    for (std::size_t row = 0; row < chrom.size(); ++row) {
        if (chroms.codes[row] < 0 || static_cast<std::size_t>(chroms.codes[row]) >= place.size()) {
            refuse("obs/chrom", fmt::format("row {} has no chromosome", row));
        }
        chrom[row] = place[static_cast<std::size_t>(chroms.codes[row])];
    }
    start = reader.array<std::int64_t>("obs/start");
    end = reader.array<std::int64_t>("obs/end");
    for (auto const& [key, values] : {std::pair{"obs/start", &start}, std::pair{"obs/end", &end}}) {
        if (values->shape().size() != 1 || values->values().size() != chrom.size()) {
            refuse(key, fmt::format("one value a region is needed ({})", rows));
        }
    }
    if (reader.contains("obs/promoter")) {
        for (auto const flag : reader.integers("obs/promoter")) {
            promoter.push_back(flag != 0 ? 1 : 0);
        }
        if (promoter.size() != chrom.size()) {
            refuse("obs/promoter", fmt::format("{} values for {} regions", promoter.size(), rows));
        }
    }
}

/// A mis-sorted table gave random results in a released tutorial of the reference (spec/get.md 2.1).
void Atlas::State::check_order() const {
    for (std::size_t row = 0; row < chrom.size(); ++row) {
        std::int64_t const from = start.values()[row];
        std::int64_t const to = end.values()[row];
        if (from < 0 || to <= from) {
            refuse("obs",
                   fmt::format("row {} ({}) is no region: it needs 0 <= start < end", row, label(row)));
        }
        if (row > 0 && std::tuple(chrom[row], from, to) <
                           std::tuple(chrom[row - 1], start.values()[row - 1], end.values()[row - 1])) {
            refuse(
                "obs",
                fmt::format("row {} ({}) stands after row {} ({}): regions must be sorted by chromosome (in "
                            "the order of uns/chrom_names), start and end",
                            row, label(row), row - 1, label(row - 1)));
        }
    }
}

void Atlas::State::read_columns(AnnDataReader const& reader, std::string const& path,
                                std::string const& names_key, std::uint64_t rows,
                                std::vector<std::string>& names, MappedArray<float>& matrix) const {
    if (!reader.contains(path)) {
        return;
    }
    if (!reader.contains(names_key)) {
        refuse(names_key, fmt::format("missing: the names of the columns of {}", path));
    }
    names = reader.strings(names_key);
    matrix = reader.array<float>(path);
    auto const shape = matrix.shape();
    if (shape.size() != 2 || shape[0] != rows || shape[1] != names.size()) {
        refuse(path, fmt::format("its shape is ({}); ({}, {}) was expected, one column for each of {}",
                                 fmt::join(shape, ", "), rows, names.size(), names_key));
    }
    auto sorted = names;
    std::ranges::sort(sorted);
    if (auto const twice = std::ranges::adjacent_find(sorted); twice != sorted.end()) {
        refuse(names_key, fmt::format("'{}' is named twice", *twice));
    }
}

void Atlas::State::check_values(MappedArray<float> const& matrix, std::string_view key,
                                std::vector<std::string> const& columns, bool rows_are_regions) const {
    if (all_sound(matrix.values())) {
        return;
    }
    auto const values = matrix.values();
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (!(values[i] >= 0) || std::isinf(values[i])) {
            std::size_t const row = i / columns.size();
            refuse(key, fmt::format("{} in row {} ({}), column '{}'; values must be finite and not negative",
                                    values[i], row, rows_are_regions ? label(row) : feature_names[row],
                                    columns[i % columns.size()]));
        }
    }
}

void Atlas::State::check_scales() const {
    for (std::size_t i = 0; i < scale.values().size(); ++i) {
        if (!(scale.values()[i] > 0)) {
            refuse("varm/scale",
                   fmt::format("{} for feature '{}' in '{}'; scales are positive. Was `mpira features` "
                               "interrupted at its end? Run it again",
                               scale.values()[i], feature_names[i / scale_sets.size()],
                               scale_sets[i % scale_sets.size()]));
        }
    }
}

std::string Atlas::State::content() const {
    ContentHash hasher;
    hasher.add(assembly);
    auto const add_names = [&](std::vector<std::string> const& names) {
        hasher.add(fmt::format("{}", names.size()));
        for (auto const& name : names) {
            hasher.add(name);
        }
    };
    add_names(chrom_names);
    add_names(feature_names);
    add_names(cell_types);
    add_names(expression_names);
    add_names(scale_sets);
    hasher.add(scan.hash());
    hasher.add(std::as_bytes(std::span(chrom)));
    hasher.add(std::as_bytes(start.values())).add(std::as_bytes(end.values()));
    hasher.add(std::as_bytes(std::span(promoter)));
    for (auto const* matrix : {&features, &accessibility, &expression, &scale}) {
        hasher.add(std::as_bytes(matrix->values()));
    }
    return hasher.hex();
}

Atlas::Atlas(std::unique_ptr<State> state) : state_(std::move(state)) {}
Atlas::Atlas(Atlas&&) noexcept = default;
Atlas& Atlas::operator=(Atlas&&) noexcept = default;
Atlas::~Atlas() = default;

Atlas Atlas::open(std::filesystem::path const& file) {
    AnnDataReader const reader(file);
    auto state = std::make_unique<State>();
    auto& atlas = *state;
    atlas.file = file;
    atlas.read_regions(reader);
    std::uint64_t const rows = atlas.chrom.size();
    atlas.check_order();

    atlas.feature_names = reader.index("var");
    atlas.features = reader.array<float>("X");
    if (atlas.features.shape().size() != 2 || atlas.features.shape()[0] != rows ||
        atlas.features.shape()[1] != atlas.feature_names.size()) {
        atlas.refuse("X",
                     fmt::format("its shape is ({}); ({}, {}) was expected",
                                 fmt::join(atlas.features.shape(), ", "), rows, atlas.feature_names.size()));
    }
    atlas.read_columns(reader, "obsm/accessibility", "uns/cell_types", rows, atlas.cell_types,
                       atlas.accessibility);
    atlas.read_columns(reader, "obsm/expression", "uns/expression", rows, atlas.expression_names,
                       atlas.expression);
    atlas.read_columns(reader, "varm/scale", "uns/scale_sets", atlas.feature_names.size(), atlas.scale_sets,
                       atlas.scale);
    atlas.check_values(atlas.features, "X", atlas.feature_names, true);
    atlas.check_values(atlas.accessibility, "obsm/accessibility", atlas.cell_types, true);
    atlas.check_values(atlas.expression, "obsm/expression", atlas.expression_names, true);
    atlas.check_values(atlas.scale, "varm/scale", atlas.scale_sets, false);
    atlas.check_scales();
    atlas.scan = read_scan_record(reader, atlas.feature_names);
    atlas.provenance = reader.json("uns");
    atlas.provenance.erase("scan");
    atlas.hash = atlas.content();
    return Atlas(std::move(state));
}

std::filesystem::path const& Atlas::file() const noexcept {
    return state_->file;
}
std::string const& Atlas::assembly() const noexcept {
    return state_->assembly;
}
std::uint64_t Atlas::region_count() const noexcept {
    return state_->chrom.size();
}
std::uint64_t Atlas::feature_count() const noexcept {
    return state_->feature_names.size();
}
std::vector<std::string> const& Atlas::feature_names() const noexcept {
    return state_->feature_names;
}

genome::RegionColumns Atlas::regions() const noexcept {
    return {state_->chrom_names, state_->chrom, state_->start.values(), state_->end.values()};
}

std::string Atlas::region_label(std::uint64_t row) const {
    ensure(row < region_count(), "a row beyond the atlas");
    return state_->label(row);
}

std::vector<std::string> Atlas::region_names() const {
    return AnnDataReader(state_->file).index("obs");
}

std::span<std::uint8_t const> Atlas::promoter() const noexcept {
    return state_->promoter;
}

std::span<float const> Atlas::features() const noexcept {
    return state_->features.values();
}

std::span<float const> Atlas::features(std::uint64_t row) const noexcept {
    return features().subspan(static_cast<std::size_t>(row * feature_count()),
                              static_cast<std::size_t>(feature_count()));
}

std::vector<std::string> const& Atlas::cell_types() const noexcept {
    return state_->cell_types;
}

bool Atlas::has_cell_type(std::string_view name) const noexcept {
    return std::ranges::find(state_->cell_types, name) != state_->cell_types.end();
}

std::vector<float> Atlas::accessibility(std::string_view cell_type) const {
    return column(state_->accessibility,
                  position_of(cell_type, state_->cell_types, "cell type", state_->file));
}

std::vector<std::string> const& Atlas::expression_names() const noexcept {
    return state_->expression_names;
}

std::vector<float> Atlas::expression(std::string_view name) const {
    return column(state_->expression,
                  position_of(name, state_->expression_names, "expression column", state_->file));
}

std::vector<std::string> const& Atlas::scale_sets() const noexcept {
    return state_->scale_sets;
}

std::vector<float> Atlas::scale(std::string_view scale_set) const {
    return column(state_->scale, position_of(scale_set, state_->scale_sets, "scale set", state_->file));
}

std::vector<std::uint32_t> Atlas::all_rows() const {
    std::vector<std::uint32_t> rows(state_->chrom.size());
    std::iota(rows.begin(), rows.end(), 0U);
    return rows;
}

std::vector<std::uint32_t> Atlas::accessible_rows(std::string_view cell_type) const {
    auto const signal = accessibility(cell_type);
    std::vector<std::uint32_t> rows;
    for (std::uint32_t row = 0; row < signal.size(); ++row) {
        if (signal[row] > 0) {
            rows.push_back(row);
        }
    }
    return rows;
}

void Atlas::scaled_features(std::span<float const> scale, std::span<std::uint32_t const> rows,
                            std::span<float> out) const {
    auto const width = static_cast<std::size_t>(feature_count());
    ensure(scale.size() == width && out.size() == rows.size() * width, "scaled_features: shapes differ");
    for (std::size_t i = 0; i < rows.size(); ++i) {
        scale_features(features(rows[i]), scale, out.subspan(i * width, width));
    }
}

genome::ScanModel const& Atlas::scan_model() const noexcept {
    return state_->scan;
}

std::uint64_t Atlas::scan_length_bp() const noexcept {
    return static_cast<std::uint64_t>(state_->scan.scan_length);
}

std::string const& Atlas::content_hash() const noexcept {
    return state_->hash;
}
nlohmann::json const& Atlas::provenance() const noexcept {
    return state_->provenance;
}

std::string Atlas::describe() const {
    std::string line = fmt::format("{}: {} regions x {} features of {}", state_->file.string(),
                                   region_count(), feature_count(), state_->assembly);
    if (state_->cell_types.size() > 8) {
        line += fmt::format(", {} cell types", state_->cell_types.size());
    } else if (!state_->cell_types.empty()) {
        line += fmt::format(", cell types {}", fmt::join(state_->cell_types, ", "));
    }
    if (!state_->expression_names.empty()) {
        line += fmt::format(", {} expression columns", state_->expression_names.size());
    }
    return line;
}

void scale_features(std::span<float const> raw, std::span<float const> scale, std::span<float> out) {
    for (std::size_t i = 0; i < raw.size(); ++i) {
        out[i] = std::min(1.0F, raw[i] / scale[i]);
    }
}

}  // namespace mpira::atlas
