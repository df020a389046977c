#include "jobs/weights_table.hpp"

#include <algorithm>
#include <fstream>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

namespace mpira::jobs {

std::vector<std::pair<std::string, std::filesystem::path>> read_weights_table(
    std::filesystem::path const& table, std::string_view key, std::string_view what) {
    std::ifstream in(table);
    require(in.good(), fmt::format("cannot open {} ({})", table.string(), key));
    std::vector<std::pair<std::string, std::filesystem::path>> lines;
    std::string line;
    for (int number = 1; std::getline(in, line); ++number) {
        if (text::trim(line).empty() || line.front() == '#') continue;
        auto const fields = text::split(text::trim(line), '\t');
        if (fields.size() != 2)
            fail_usage(fmt::format("{}: line {}: expected {} <tab> weights file, found {} field{}",
                                   table.string(), number, what, fields.size(),
                                   fields.size() == 1 ? "" : "s"));
        std::string name(fields[0]);
        if (std::ranges::find(lines, name, [](auto const& one) { return one.first; }) != lines.end())
            fail_usage(
                fmt::format("{}: line {}: {} '{}' is given twice", table.string(), number, what, name));
        std::filesystem::path file = fields[1];
        if (file.is_relative()) file = table.parent_path() / file;
        lines.emplace_back(std::move(name), std::move(file));
    }
    require(!lines.empty(), fmt::format("{}: no {} <tab> weights line", table.string(), what));
    return lines;
}

}  // namespace mpira::jobs
