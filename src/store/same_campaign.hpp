#pragma once

#include <filesystem>

#include "mpira/store/layout.hpp"

#include "store/result_map.hpp"

namespace mpira::store {

/// Refuses (Origin::usage) to go on with a file that another campaign made, naming the first job, setting,
/// input or array that differs, with both values; a sealed copy, too.
void require_same_campaign(std::filesystem::path const& file, ResultMap const& map,
                           ResultLayout const& layout);

}  // namespace mpira::store
