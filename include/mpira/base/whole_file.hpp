#pragma once

#include <filesystem>
#include <string_view>

namespace mpira {

/// Writes a small file whole or not at all (draft_file.hpp). Readers, also after a power cut, see the
/// former file or this one; when this returns it is on the disk. Throws Origin::system or usage naming the
/// file.
void write_whole(std::filesystem::path const& file, std::string_view text);

}  // namespace mpira
