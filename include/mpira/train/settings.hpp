#pragma once

#include <span>
#include <string>
#include <vector>

#include "mpira/base/settings.hpp"
#include "mpira/genome/windows.hpp"
#include "mpira/model/get_config.hpp"
#include "mpira/train/holdout.hpp"
#include "mpira/train/schema.hpp"
#include "mpira/train/trainer.hpp"

namespace mpira::train {

/// The settings as the parts take them. Usage errors name the key.
[[nodiscard]] Recipe recipe_of(Settings const& settings);
[[nodiscard]] model::HeadKind head_of(Settings const& settings);
/// What the outputs are called: accessibility, or one each of target.expression (model::output_name_of).
[[nodiscard]] std::vector<std::string> output_names(Settings const& settings);
/// The GET over `motifs` motif columns and the accessibility column: fresh, or (base not null) with the
/// widths of the weights it starts from.
[[nodiscard]] model::GetConfig network_of(Settings const& settings, std::uint64_t motifs,
                                          model::GetConfig const* base = nullptr);
/// holdout.* and validation.*: which intervals and cell types are test and validation. `regions` tells the
/// next chromosome or block, `cell_types` (those of the run) the next cell type.
[[nodiscard]] Holdout holdout_of(Settings const& settings, genome::RegionColumns const& regions,
                                 std::span<std::string const> cell_types = {});

}  // namespace mpira::train
