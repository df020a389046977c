#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace mpira::genome {

/// Numbers about genes, as a user's TSV says them: a header, then a line a gene with its id or name first.
///
/// A value. Threads: reading is free for all.
class GeneTable {
public:
    /// Plain or gzipped; empty lines are skipped. `columns`: the header's names of those kept, in any order,
    /// others may hold anything; empty: all but the first. Refused, Origin::usage, by file and line: no
    /// header, a column that is missing (with the nearest name), nameless or there twice, another number of
    /// fields than the header has, a value that isn't a finite number, a gene without name or given twice.
    explicit GeneTable(std::filesystem::path const& file, std::span<std::string const> columns = {});

    /// From another source: `values` are (genes, columns). Refused: a column or gene without a name or there
    /// twice, naming `source`.
    GeneTable(std::string const& source, std::vector<std::string> columns, std::vector<std::string> genes,
              std::vector<double> values);

    [[nodiscard]] std::vector<std::string> const& columns() const noexcept { return columns_; }
    [[nodiscard]] std::vector<std::string> const& genes() const noexcept { return genes_; }
    [[nodiscard]] std::optional<std::size_t> find(std::string_view gene) const;
    /// A value a column.
    [[nodiscard]] std::span<double const> row(std::size_t index) const {
        return std::span(values_).subspan(index * columns_.size(), columns_.size());
    }
    /// The same by name; empty for a gene that isn't there.
    [[nodiscard]] std::span<double const> of(std::string_view gene) const;

private:
    std::vector<std::string> columns_;
    std::vector<std::string> genes_;  ///< in the file's order
    std::unordered_map<std::string, std::size_t> rows_;
    std::vector<double> values_;  ///< (genes, columns)
};

}  // namespace mpira::genome
