#include "jobs/network_matrix.hpp"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include <fmt/format.h>

#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

#include "jobs/output_rows.hpp"

namespace mpira::jobs {
namespace {

/// Of a value for each row of obs, those of the rows of the matrix: all, or the first row of each gene.
template <typename T>
std::vector<T> of_rows(store::AnnDataReader const& reader, std::vector<T> all, bool genes,
                       std::uint64_t rows) {
    std::string const file = reader.file().string();
    if (!genes) return all;
    auto const first = reader.integers("uns/gene_first_row");
    require(first.size() == rows,
            fmt::format("{}: uns/gene_first_row and gene_by_motif differ in length", file));
    std::vector<T> of_genes;
    of_genes.reserve(rows);
    for (auto const row : first) {
        require(row >= 0 && static_cast<std::uint64_t>(row) < all.size(),
                fmt::format("{}: uns/gene_first_row names row {}, there are {}", file, row, all.size()));
        of_genes.push_back(all[static_cast<std::size_t>(row)]);
    }
    return of_genes;
}

/// A column of obs for each row of the matrix.
std::vector<std::string> column_of(store::AnnDataReader const& reader, std::string const& column, bool genes,
                                   std::uint64_t rows) {
    std::string const file = reader.file().string();
    auto const path = "obs/" + column;
    require(reader.contains(path), fmt::format("{}: {} is missing: is it a result of mpira jacobian{}?", file,
                                               path, column == "cell_type" ? "" : " whose rows are genes"));
    return of_rows(reader, reader.strings(path), genes, rows);
}

}  // namespace

NetworkMatrix::NetworkMatrix(std::vector<std::string> const& files, std::string const& values,
                             std::vector<std::string> const& drop, std::string const& gene_column,
                             std::string const& output) {
    require(!files.empty(), "matrix.files: name at least one result of mpira jacobian");
    bool const genes = values == "genes";
    std::string const path = genes ? "uns/gene_by_motif" : "X";
    std::vector<std::string> all;
    ContentHash hash;
    std::unordered_map<std::string, std::string> file_of;      // by content
    std::unordered_map<std::string, std::uint32_t> number_of;  // of genes
    for (auto const& file : files) {
        store::AnnDataReader const reader{std::filesystem::path(file)};
        require(reader.contains(path),
                fmt::format("{}: {} is missing{}", file, path,
                            genes ? "; where rows are regions, set matrix.values = \"rows\"" : ""));
        bool const ours = reader.contains("uns/mpira/identity");
        require(!ours || reader.number("uns/mpira/finished") != 0,
                fmt::format("{}: its campaign is not finished; run it to its end first", file));
        auto const names = reader.index("var");
        if (all.empty()) all = names;
        require(names == all,
                fmt::format("{} and {} have other features: networks need the same motifs in the "
                            "same order",
                            files.front(), file));
        Part part{reader.array<float>(path), rows(), file};
        auto const& shape = part.values.shape();
        require(shape.size() == 2 && shape[0] > 0 && shape[1] == all.size(),
                fmt::format("{}: {} is not rows x {} features", file, path, all.size()));
        auto const cell_types = column_of(reader, "cell_type", genes, shape[0]);
        auto const is_chosen = of_rows(
            reader, rows_of_output(reader, output, "name one of them in matrix.output"), genes, shape[0]);
        require(cell_types.size() == shape[0] && is_chosen.size() == shape[0],
                fmt::format("{}: obs and {} differ in length", file, path));
        auto const names_of_genes = gene_column.empty() ? std::vector<std::string>()
                                                        : column_of(reader, gene_column, genes, shape[0]);
        for (std::uint64_t row = 0; row < shape[0]; ++row) {
            if (is_chosen[row] == 0) continue;
            auto found = std::ranges::find(cell_types_, cell_types[row]);
            if (found == cell_types_.end()) found = cell_types_.insert(cell_types_.end(), cell_types[row]);
            cell_type_of_.push_back(static_cast<std::uint32_t>(found - cell_types_.begin()));
            row_of_.push_back(row);
            if (gene_column.empty()) continue;
            auto const [known, is_new] =
                number_of.try_emplace(names_of_genes.at(row), static_cast<std::uint32_t>(genes_.size()));
            if (is_new) genes_.push_back(known->first);
            gene_of_.push_back(known->second);
        }
        require(rows() > part.first, fmt::format("{}: no row is of output '{}'", file, output));
        // The identity of a finished campaign of ours names its bytes.
        auto const content = ours ? reader.text("uns/mpira/identity") : hash_file(file);
        auto const [before, is_new] = file_of.emplace(content, file);
        require(is_new, fmt::format("matrix.files: {} and {} hold the same: each row would count twice",
                                    before->second, file));
        hash.add(content);
        parts_.push_back(std::move(part));
    }
    hash.add(values);
    content_hash_ = hash.hex();
    for (auto const& name : drop) {
        if (std::ranges::find(all, name) == all.end())
            fail_usage(fmt::format("matrix.drop: {} has no feature '{}'{}", files.front(), name,
                                   text::did_you_mean(name, all)));
    }
    for (std::uint32_t column = 0; column < all.size(); ++column) {
        if (std::ranges::find(drop, all[column]) != drop.end()) continue;
        features_.push_back(all[column]);
        columns_.push_back(column);
    }
    require(features_.size() >= 2, "matrix.drop: fewer than two features are left");
}

std::vector<std::uint64_t> NetworkMatrix::rows_of(std::uint32_t cell_type) const {
    std::vector<std::uint64_t> found;
    for (std::uint64_t row = 0; row < rows(); ++row)
        if (cell_type_of_[row] == cell_type) found.push_back(row);
    return found;
}

Eigen::MatrixXd NetworkMatrix::read(std::span<std::uint64_t const> rows,
                                    std::span<std::uint32_t const> features) const {
    Eigen::MatrixXd x(static_cast<Eigen::Index>(rows.size()), static_cast<Eigen::Index>(features.size()));
    for (std::size_t i = 0; i < rows.size(); ++i) {
        auto const part = std::prev(std::ranges::upper_bound(parts_, rows[i], {}, &Part::first));
        auto const values = part->values.row(row_of_[rows[i]]);
        for (std::size_t f = 0; f < features.size(); ++f) {
            float const value = values[columns_[features[f]]];
            if (!std::isfinite(value))
                fail_usage(fmt::format("{}: row {}, feature '{}' is not a finite number", part->file,
                                       row_of_[rows[i]], features_[features[f]]));
            x(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(f)) = static_cast<double>(value);
        }
    }
    return x;
}

void NetworkMatrix::keep(std::vector<std::uint32_t> const& features) {
    std::vector<std::string> names;
    std::vector<std::uint32_t> columns;
    for (auto const feature : features) {
        names.push_back(features_[feature]);
        columns.push_back(columns_[feature]);
    }
    features_ = std::move(names);
    columns_ = std::move(columns);
}

}  // namespace mpira::jobs
