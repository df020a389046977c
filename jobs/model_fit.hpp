#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "mpira/atlas/atlas.hpp"
#include "mpira/base/settings.hpp"
#include "mpira/model/model_card.hpp"

namespace mpira::jobs {

/// Refuses (Origin::usage) a model that can't be read on this atlas in this cell type: a pretrained one, one
/// whose scale set the atlas lacks, one of another atlas (model::require_matches). `given` is the
/// accessibility that the atlas can give it, `key` the setting that names the cell type.
void require_fits(model::ModelCard const& card, std::filesystem::path const& file, atlas::Atlas const& atlas,
                  std::string const& cell_type, model::AccessibilityMode given, Settings const& settings,
                  std::string_view key);

}  // namespace mpira::jobs
