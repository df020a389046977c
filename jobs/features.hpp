#pragma once

#include <vector>

#include "mpira/base/settings.hpp"

namespace mpira::jobs {

/// From a genome, regions and motifs to an atlas: what every other job starts from. A unit is a block of
/// regions; its rows are the regions' motif features, and what peak files and tables say of them. The file is
/// the one atlas::Atlas reads.
std::vector<SettingSpec> features_settings();

}  // namespace mpira::jobs
