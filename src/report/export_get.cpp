// An atlas as the data set that GET's own programs read (spec/get.md 2.2).
#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "mpira/atlas/atlas.hpp"
#include "mpira/atlas/expression_names.hpp"
#include "mpira/base/error.hpp"
#include "mpira/report/export.hpp"
#include "mpira/store/anndata_reader.hpp"
#include "mpira/store/zarr.hpp"

namespace mpira::report {
namespace {

constexpr std::uint64_t kChunkRows = 1000;  // as gcell's

/// Names become those of arrays, and '/' would make groups of them.
std::string array_name(std::string name) {
    std::ranges::replace(name, '/', '_');
    return name;
}

void require_array_names(std::vector<std::string> const& names, std::filesystem::path const& file) {
    std::set<std::string> taken;
    for (auto const& name : names) {
        auto const array = array_name(name);
        require(!array.empty() && !array.starts_with('.'),
                fmt::format("{}: '{}' can't be the name of a folder, which arrays of zarr are", file.string(),
                            name));
        require(taken.insert(array).second,
                fmt::format("{}: two cell types would be called '{}'", file.string(), array));
    }
}

/// The names before .plus and .minus.
std::vector<std::string> expressed_of(atlas::Atlas const& atlas) {
    auto const& columns = atlas.expression_names();
    std::vector<std::string> names;
    auto const has = [&](std::string const& column) {
        return std::ranges::find(columns, column) != columns.end();
    };
    for (auto const& column : columns) {
        std::string name(atlas::cell_type_of(column));
        // Both strands together, of CAGE: GET keeps none, and whoever wants it can add them.
        if (column == atlas::sum_column(name) && has(atlas::strand_column(name, '+'))) continue;
        auto const strand = atlas::strand_of(column);
        require(strand && has(atlas::strand_column(name, atlas::other_strand(*strand))),
                fmt::format("{}: its expression '{}' is of no pair NAME.plus and NAME.minus, as GET keeps it",
                            atlas.file().string(), column));
        if (*strand == '+') names.push_back(std::move(name));
    }
    return names;
}

void write_genes(store::AnnDataReader const& reader, store::ZarrFolder& folder) {
    if (!reader.contains("uns/promoters/row")) return;
    auto const rows = reader.integers("uns/promoters/row");
    auto index = folder.rows(
        {"gene_idx_info_index", store::Type::i64, {rows.size()}, std::max<std::uint64_t>(1, rows.size())});
    index.add(std::span<std::int64_t const>(rows));
    index.finish();
    folder.strings("gene_idx_info_name", reader.strings("uns/promoters/gene_name"));
    folder.strings("gene_idx_info_strand", reader.strings("uns/promoters/strand"));
}

}  // namespace

std::uint64_t export_get(std::filesystem::path const& file, std::filesystem::path const& output,
                         bool overwrite) {
    auto const atlas = atlas::Atlas::open(file);
    auto const rows = atlas.region_count();
    auto const expressed = expressed_of(atlas);
    require_array_names(atlas.cell_types(), file);
    require_array_names(expressed, file);

    store::ZarrFolder folder(output, overwrite);
    auto const write = [&](std::string path, store::Type type, std::vector<std::uint64_t> shape,
                           auto values) {
        auto array = folder.rows({std::move(path), type, std::move(shape), std::min(kChunkRows, rows)});
        array.add(values);
        array.finish();
    };
    write("data", store::Type::f32, {rows, atlas.feature_count()}, atlas.features());
    std::vector<std::string> peaks;
    for (std::uint64_t row = 0; row < rows; ++row) peaks.push_back(atlas.region_label(row));
    folder.strings("peak_names", peaks);
    folder.strings("motif_names", atlas.feature_names());
    for (auto const& name : atlas.cell_types()) {
        auto const values = atlas.accessibility(name);
        write("atpm/" + array_name(name), store::Type::f32, {rows}, std::span<float const>(values));
    }
    std::vector<std::uint8_t> starts;
    if (!atlas.promoter().empty() && !atlas.promoter_on('+').empty())
        for (std::uint64_t row = 0; row < rows; ++row)
            for (char const strand : {'+', '-'}) starts.push_back(atlas.promoter_on(strand)[row]);
    for (auto const& name : expressed) {
        for (auto const& [group, strand] :
             {std::pair{"expression_positive/", '+'}, std::pair{"expression_negative/", '-'}}) {
            auto const values = atlas.expression(atlas::strand_column(name, strand));
            write(group + array_name(name), store::Type::f32, {rows}, std::span<float const>(values));
        }
        if (!starts.empty())
            write("tss/" + array_name(name), store::Type::u8, {rows, 2},
                  std::span<std::uint8_t const>(starts));
    }
    write_genes(store::AnnDataReader(file), folder);
    folder.place();
    return rows;
}

}  // namespace mpira::report
