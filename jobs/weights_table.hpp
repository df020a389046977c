#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mpira::jobs {

/// The lines of "name <tab> weights file", in their order, files relative to the table. Refuses
/// (Origin::usage) by file and line what is no such line, a name given twice, and an empty table. `key`: the
/// setting that names the table; `what`: what a name is called, "group".
std::vector<std::pair<std::string, std::filesystem::path>> read_weights_table(
    std::filesystem::path const& table, std::string_view key, std::string_view what);

}  // namespace mpira::jobs
