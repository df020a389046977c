#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "mpira/train/run_status.hpp"

namespace mpira::cli {

/// What `mpira status` prints of a training run, several lines.
std::string train_status_text(train::RunStatus const& status);
/// The same for programs; `outcome` is "done" or "partial".
nlohmann::json train_status_json(train::RunStatus const& status);

}  // namespace mpira::cli
