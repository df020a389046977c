#pragma once

#include <filesystem>

namespace mpira::store {

/// Whether a file in this folder would lie on a Lustre file system.
bool is_on_lustre(std::filesystem::path const& folder);

/// Makes `file`, empty, with its data over so many storage targets (-1: all), by `lfs setstripe`, the program
/// every Lustre client has: a layout can be given to a file only as it is made, and calling the kernel
/// directly would need Lustre's headers. The program's own words go to stderr. Throws Origin::usage when it
/// is missing or fails.
void make_striped_by_lfs(std::filesystem::path const& file, int stripes);

}  // namespace mpira::store
