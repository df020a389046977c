#pragma once

#include <vector>

#include "mpira/base/settings.hpp"

namespace mpira::train {

/// What a user may set for `mpira train`; `mpira config train` prints it. No Torch, no MPI in this header.
[[nodiscard]] std::vector<SettingSpec> train_schema();

/// What a user may set for `mpira folds`: everything of train_schema() but what the folds differ in and what
/// every campaign has (cli/read_settings.hpp), and folds.*.
[[nodiscard]] std::vector<SettingSpec> folds_schema();

}  // namespace mpira::train
