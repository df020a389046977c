#include "jobs/sparse_row.hpp"

#include "mpira/base/error.hpp"

namespace mpira::jobs {

SparseRow sparse_row(std::span<std::uint32_t const> regions, std::uint64_t entries) {
    ensure(regions.size() <= entries, "a sparse row has more regions than entries");
    SparseRow row;
    row.columns.reserve(entries);
    row.entries.reserve(regions.size());
    auto spare = entries - regions.size();
    std::uint32_t next = 0;  // the lowest column not looked at
    for (auto const region : regions) {
        for (; spare > 0 && next < region; ++next, --spare)
            row.columns.push_back(static_cast<std::int32_t>(next));
        next = region + 1;
        row.entries.push_back(row.columns.size());
        row.columns.push_back(static_cast<std::int32_t>(region));
    }
    for (; spare > 0; ++next, --spare) row.columns.push_back(static_cast<std::int32_t>(next));
    return row;
}

}  // namespace mpira::jobs
