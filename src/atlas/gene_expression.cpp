#include "mpira/atlas/gene_expression.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "mpira/atlas/cell_matrix.hpp"
#include "mpira/base/error.hpp"
#include "mpira/store/anndata_reader.hpp"

#include "atlas/anndata_matrix.hpp"

namespace mpira::atlas {
namespace {

bool is_hdf5(std::filesystem::path const& file) {
    constexpr std::string_view kSignature{"\x89HDF\r\n\x1a\n", 8};
    std::array<char, 8> head{};
    std::ifstream(file, std::ios::binary).read(head.data(), head.size());
    return std::string_view(head.data(), head.size()) == kSignature;
}

}  // namespace

genome::GeneTable read_gene_expression(std::filesystem::path const& file, ExpressionPlace const& place) {
    if (!is_hdf5(file)) return genome::GeneTable(file);
    auto const types = cell_types_of(file, place.cell_types);
    store::AnnDataReader const reader(file);
    require(reader.contains(place.values), fmt::format("{}: has no {}", file.string(), place.values));
    auto genes = reader.index(place.values.starts_with("raw/") ? "raw/var" : "var");

    constexpr std::size_t kLeftOut = static_cast<std::size_t>(-1);
    std::vector<std::string> columns;
    std::vector<std::size_t> column_of_row;
    for (auto const& type : types) {
        auto const found = std::ranges::find(columns, type);
        require(found == columns.end() || place.adds_rows,
                fmt::format("{}: several rows are of '{}'; only counts (expression.values) are added up",
                            file.string(), type));
        column_of_row.push_back(type.empty() ? kLeftOut : static_cast<std::size_t>(found - columns.begin()));
        if (!type.empty() && found == columns.end()) columns.push_back(type);
    }
    require(!columns.empty(), fmt::format("{}: no row has a cell type", file.string()));
    std::vector<double> values(genes.size() * columns.size(), 0);
    visit_matrix(
        reader, place.values, types.size(), genes.size(),
        [&](std::size_t row, std::size_t gene, double value) {
            if (!std::isfinite(value))
                fail_usage(fmt::format("{}: {}: the value of gene '{}' in row {} is not a finite number",
                                       file.string(), place.values, genes[gene], row + 1));
            if (column_of_row[row] != kLeftOut) values[gene * columns.size() + column_of_row[row]] += value;
        });
    return {file.string(), std::move(columns), std::move(genes), std::move(values)};
}

}  // namespace mpira::atlas
