#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "mpira/model/network.hpp"
#include "mpira/train/adamw.hpp"
#include "mpira/train/recipe.hpp"

namespace mpira::train {

/// Parameters of equal decay and learning rate are a group of the optimiser; sorted by group, so that the
/// order is that of its moments.
[[nodiscard]] std::vector<model::Parameter> in_groups(std::vector<model::Parameter> parameters);

/// The groups of parameters in that order, with layer-wise decay over `depth` blocks.
[[nodiscard]] std::vector<ParameterGroup> groups_of(std::span<model::Parameter const> grouped,
                                                    Recipe const& recipe, std::int64_t depth);

}  // namespace mpira::train
