#pragma once

#include <span>
#include <string>

#include "mpira/genome/regions.hpp"
#include "mpira/store/layout.hpp"

namespace mpira::jobs {

/// Names serve as the index of a table of regions only when every region has its own.
bool names_differ(std::span<std::string const> names);

/// obs of a file whose rows are regions: chrom, start, end. The index is `names` where they differ, else
/// chrom:start-end.
store::Frame region_frame(std::span<genome::Region const> regions, std::span<std::string const> names,
                          genome::ChromSizes const& chroms);

}  // namespace mpira::jobs
