#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mpira/report/export.hpp"
#include "mpira/store/anndata_reader.hpp"
#include "mpira/store/result_rows.hpp"

namespace mpira::report {

/// A column of obs.
struct ObsColumn {
    std::string name;
    std::variant<store::Categories, std::vector<std::string>, std::vector<std::int64_t>, std::vector<double>>
        values;
    bool is_single = false;  ///< doubles that were stored as f32 (or f16)

    [[nodiscard]] bool is_number() const { return values.index() > 1; }
    [[nodiscard]] double number(std::uint64_t row) const;
    /// As a table has it; a text is not quoted.
    [[nodiscard]] std::string text(std::uint64_t row) const;
};

/// A number as text that reads back as the same; "nan" for what is none.
std::string number_text(double value, bool is_single);
/// A field of a tab-separated file, quoted only where it has to be.
std::string field(std::string const& text);

/// A result that is exported: its obs, and which of its rows are wanted.
class ExportSource {
public:
    /// Refuses rows that are wanted but not done (unless choice.partial), unknown columns and values.
    ExportSource(std::filesystem::path const& file, ExportChoice const& choice);

    [[nodiscard]] std::filesystem::path const& file() const { return reader_.file(); }
    [[nodiscard]] store::AnnDataReader const& reader() const { return reader_; }
    [[nodiscard]] store::ResultRows const& rows() const { return rows_; }
    /// Ascending.
    [[nodiscard]] std::vector<std::uint64_t> const& chosen() const { return chosen_; }
    [[nodiscard]] std::vector<std::string> const& names() const { return names_; }
    [[nodiscard]] std::vector<std::string> const& variables() const { return variables_; }
    [[nodiscard]] std::vector<ObsColumn> const& columns() const { return columns_; }
    /// nullptr when there is none.
    [[nodiscard]] ObsColumn const* find(std::string_view column) const;
    /// The column, or a usage error naming the nearest one; `what_for` ends the message.
    [[nodiscard]] ObsColumn const& at(std::string_view column, std::string_view what_for) const;

    /// Columns `wanted` of a row array (rows, width) in `rows`, which ascend: a list each.
    [[nodiscard]] std::vector<std::vector<double>> read_columns(std::string_view path,
                                                                std::vector<std::uint64_t> const& wanted,
                                                                std::vector<std::uint64_t> const& rows) const;

private:
    void choose(ExportChoice const& choice);

    store::AnnDataReader reader_;
    store::ResultRows rows_;
    std::vector<std::string> names_;
    std::vector<std::string> variables_;
    std::vector<ObsColumn> columns_;
    std::vector<std::uint64_t> chosen_;
};

}  // namespace mpira::report
