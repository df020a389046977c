#pragma once

#include <filesystem>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "mpira/store/inspect.hpp"

namespace mpira::report {

/// What `mpira status FILE` prints, several lines.
std::string status_text(store::Status const& status, std::filesystem::path const& file);

/// The same for programs; `outcome` is "done", "running", "failed" (units set aside) or "partial".
nlohmann::json status_json(store::Status const& status);

/// "done", "running", "failed" or "partial", as above.
std::string outcome_of(store::Status const& status);

}  // namespace mpira::report
