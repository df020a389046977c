#pragma once

#include <string>
#include <vector>

#include "mpira/base/settings.hpp"

namespace mpira::cli {

/// What `mpira NAME --config FILE` takes.
struct NamedSchema {
    std::string name;
    std::string summary;
    std::vector<SettingSpec> schema;
};

/// Of the jobs, train and folds.
[[nodiscard]] std::vector<NamedSchema> all_schemas();

}  // namespace mpira::cli
