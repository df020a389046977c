#pragma once

#include <filesystem>
#include <source_location>

#include "mpira/base/error.hpp"

namespace mpira {

/// What the file system said of a path (a name too long, a loop of links, a folder that can't be entered), as
/// the usage error it is: paths are the user's.
[[nodiscard]] Error refusal_of(std::filesystem::filesystem_error const& error,
                               std::source_location where = std::source_location::current());

}  // namespace mpira
