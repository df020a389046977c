#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace mpira::jobs {

/// A row of a sparse matrix over the regions of an atlas, as result files have them: each row has the same
/// number of entries, so that a unit stays one byte range (store/layout.hpp).
struct SparseRow {
    std::vector<std::int32_t> columns;  ///< ascending
    std::vector<std::size_t> entries;   ///< where in `columns` each of the regions asked for is
};

/// `regions` ascending, at most `entries` of them; filled up with other columns, whose values stay 0. The
/// matrix must have that many columns.
[[nodiscard]] SparseRow sparse_row(std::span<std::uint32_t const> regions, std::uint64_t entries);

}  // namespace mpira::jobs
