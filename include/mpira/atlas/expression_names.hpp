#pragma once

#include <optional>
#include <string>
#include <string_view>

/// What columns of expression are called: "K562.plus", "K562.minus" on the strands of the genome, "K562.sum"
/// of both together.
namespace mpira::atlas {

inline std::string strand_column(std::string_view cell_type, char strand) {
    return std::string(cell_type) + (strand == '+' ? ".plus" : ".minus");
}
inline std::string sum_column(std::string_view cell_type) {
    return std::string(cell_type) + ".sum";
}
/// The strand that a column's name tells, '+' or '-'.
inline std::optional<char> strand_of(std::string_view column) {
    if (column.ends_with(".plus")) return '+';
    if (column.ends_with(".minus")) return '-';
    return std::nullopt;
}
inline char other_strand(char strand) {
    return strand == '+' ? '-' : '+';
}
/// What stands before the last dot.
inline std::string_view cell_type_of(std::string_view column) {
    return column.substr(0, column.rfind('.'));
}

}  // namespace mpira::atlas
