#pragma once

#include <vector>

#include "mpira/base/settings.hpp"

namespace mpira::train {

/// What a user may set for `mpira train`; `mpira config train` prints it. No Torch, no MPI in this header.
[[nodiscard]] std::vector<SettingSpec> train_schema();

}  // namespace mpira::train
