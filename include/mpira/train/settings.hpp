#pragma once

#include "mpira/base/settings.hpp"
#include "mpira/genome/windows.hpp"
#include "mpira/model/get_config.hpp"
#include "mpira/train/holdout.hpp"
#include "mpira/train/schema.hpp"
#include "mpira/train/trainer.hpp"

namespace mpira::train {

/// The settings as the parts take them. Usage errors name the key.
[[nodiscard]] Recipe recipe_of(Settings const& settings);
/// The network over `motifs` motif columns and the accessibility column.
[[nodiscard]] model::GetConfig network_of(Settings const& settings, std::uint64_t motifs);
/// holdout.* and validation.*: which intervals are test and validation. `regions` tells the next chromosome
/// or block.
[[nodiscard]] Holdout holdout_of(Settings const& settings, genome::RegionColumns const& regions);

}  // namespace mpira::train
