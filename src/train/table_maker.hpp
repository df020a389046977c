#pragma once

#include <string>
#include <vector>

#include "mpira/atlas/atlas.hpp"
#include "mpira/base/settings.hpp"
#include "mpira/train/table.hpp"

/// The training table of an atlas, as settings ask for it. Usage errors name the key.
namespace mpira::train {

/// target.expression in a cell type: with its name for {cell_type}, which must be there when there are
/// several.
[[nodiscard]] std::vector<std::string> columns_of(Settings const& settings, std::string const& cell_type,
                                                  bool several);

/// All cell types, one after the other (none: one without a name). The table looks into the atlas.
[[nodiscard]] TrainingTable make_table(Settings const& settings, atlas::Atlas const& atlas,
                                       std::vector<std::string> cell_types);

/// Figures of expression are over promoters on the strand of their column (NAME.plus, NAME.minus). A sentence
/// where the atlas or the columns don't say enough for that.
[[nodiscard]] std::vector<std::string> scoring_warnings(Settings const& settings, atlas::Atlas const& atlas);

}  // namespace mpira::train
