#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "mpira/base/mapped_text.hpp"

namespace mpira::report {

/// A table with a header, separated by tabs, whose fields stay where they lie. Refused by file and line,
/// Origin::usage: a line with more or fewer fields than the header.
class TextTable {
public:
    explicit TextTable(std::filesystem::path const& file);

    [[nodiscard]] std::vector<std::string_view> const& columns() const { return columns_; }
    [[nodiscard]] std::vector<std::vector<std::string_view>> const& rows() const { return rows_; }
    /// Refused, with the nearest name: a column that is missing or there twice.
    [[nodiscard]] std::size_t column(std::string_view name) const;
    /// Not a number where the field is none.
    [[nodiscard]] double number(std::size_t row, std::size_t column) const;
    /// A usage error about a row.
    [[noreturn]] void refuse(std::size_t row, std::string_view what) const;

private:
    MappedText text_;
    std::vector<std::string_view> columns_;
    std::vector<std::vector<std::string_view>> rows_;
};

}  // namespace mpira::report
