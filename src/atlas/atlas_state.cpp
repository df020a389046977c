#include "atlas/atlas_state.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

#include <fmt/format.h>

#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

#include "atlas/scan_record.hpp"

namespace mpira::atlas {
namespace {

using store::AnnDataReader;
using store::MappedArray;

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

void Atlas::State::refuse(std::string_view key, std::string const& what) const {
    fail_usage(fmt::format("{}: {}: {}", file.string(), key, what));
}

std::string Atlas::State::label(std::uint64_t row) const {
    auto const on = static_cast<std::size_t>(chrom[row]);
    return fmt::format("{}:{}-{}", chrom_names[on], start.values()[row], end.values()[row]);
}

void Atlas::State::read() {
    AnnDataReader const reader(file);
    read_regions(reader);
    std::uint64_t const rows = chrom.size();
    check_order();

    feature_names = reader.index("var");
    features = reader.array<float>("X");
    if (features.shape().size() != 2 || features.shape()[0] != rows ||
        features.shape()[1] != feature_names.size()) {
        refuse("X", fmt::format("its shape is ({}); ({}, {}) was expected", fmt::join(features.shape(), ", "),
                                rows, feature_names.size()));
    }
    read_columns(reader, "obsm/accessibility", "uns/cell_types", rows, cell_types, accessibility);
    read_columns(reader, "obsm/expression", "uns/expression", rows, expression_names, expression);
    read_columns(reader, "varm/scale", "uns/scale_sets", feature_names.size(), scale_sets, scale);
    check_values(features, "X", feature_names, true);
    check_values(accessibility, "obsm/accessibility", cell_types, true);
    check_values(expression, "obsm/expression", expression_names, true);
    check_values(scale, "varm/scale", scale_sets, false);
    check_scales();
    origin = read_feature_origin(reader, feature_names);
    provenance = reader.json("uns");
    provenance.erase("scan");
    hash = content();
}

void Atlas::State::read_regions(AnnDataReader const& reader) {
    for (std::string const key : {"uns/assembly", "uns/chrom_names", "uns/scan", "uns/scale_sets",
                                  "obs/chrom", "obs/start", "obs/end", "varm/scale", "X"}) {
        if (!reader.contains(key)) {
            refuse(key, "missing; an atlas is a file that `mpira features` or `mpira import` wrote");
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
            refuse("obs/done", fmt::format("only {} of {} regions are computed; run the same command again, "
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
    for (auto const& [key, flags] :
         {std::pair{"obs/promoter", &promoter}, std::pair{"obs/promoter_plus", &promoter_plus},
          std::pair{"obs/promoter_minus", &promoter_minus}}) {
        if (!reader.contains(key)) continue;
        for (auto const flag : reader.integers(key)) flags->push_back(flag != 0 ? 1 : 0);
        if (flags->size() != chrom.size()) {
            refuse(key, fmt::format("{} values for {} regions", flags->size(), rows));
        }
    }
    if (promoter_plus.empty() != promoter_minus.empty()) {
        refuse(promoter_plus.empty() ? "obs/promoter_plus" : "obs/promoter_minus",
               "missing: promoters are told of both strands or of neither");
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
    hasher.add(origin.hash);
    hasher.add(std::as_bytes(std::span(chrom)));
    hasher.add(std::as_bytes(start.values())).add(std::as_bytes(end.values()));
    for (auto const* const flags : {&promoter, &promoter_plus, &promoter_minus}) {
        hasher.add(std::as_bytes(std::span(*flags)));
    }
    for (auto const* matrix : {&features, &accessibility, &expression, &scale}) {
        hasher.add(std::as_bytes(matrix->values()));
    }
    return hasher.hex();
}

}  // namespace mpira::atlas
