#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <Eigen/Core>

/// Expression of a factor beside that of its targets, over cell types (row 51 of spec/systems.md). Threads:
/// reading is free for all.
namespace mpira::jobs {

/// Expression of genes in some cell types, as given.
class ExpressionTable {
public:
    /// TSV with a header: a first column with names of genes, and a column for each cell type, in any order;
    /// further columns are ignored. Refused by file and line: a cell type without a column (with the nearest
    /// name), a column given twice, another number of fields than the header has, a value that isn't a finite
    /// number, a gene given twice.
    ExpressionTable(std::filesystem::path const& file, std::span<std::string const> cell_types);

    /// A value a cell type; empty for a gene that isn't there.
    [[nodiscard]] std::span<double const> of(std::string_view gene) const;

private:
    std::unordered_map<std::string, std::vector<double>> values_;
};

/// Correlations over cell types; not a number where one side doesn't vary.
struct Correlations {
    double pearson = 0;
    double spearman = 0;
};
Correlations correlations(std::span<double const> one, std::span<double const> other);

}  // namespace mpira::jobs
