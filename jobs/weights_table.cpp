#include "jobs/weights_table.hpp"

#include <algorithm>
#include <cstddef>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/mapped_text.hpp"
#include "mpira/base/text.hpp"

namespace mpira::jobs {

std::vector<std::pair<std::string, std::filesystem::path>> read_weights_table(
    std::filesystem::path const& table, std::string_view key, std::string_view what) {
    require(std::filesystem::exists(table), fmt::format("cannot open {} ({})", table.string(), key));
    MappedText const text(table);
    std::vector<std::pair<std::string, std::filesystem::path>> lines;
    for (std::size_t at = 0; at < text.size(); at = text.after(at)) {
        auto const line = text.line(at);
        if (text::trim(line).empty() || line.front() == '#') continue;
        auto const fields = text::split(text::trim(line), '\t');
        if (fields.size() != 2)
            text.refuse(at, fmt::format("expected {} <tab> weights file, found {} field{}", what,
                                        fields.size(), fields.size() == 1 ? "" : "s"));
        std::string name(fields[0]);
        if (std::ranges::find(lines, name, [](auto const& one) { return one.first; }) != lines.end())
            text.refuse(at, fmt::format("{} '{}' is given twice", what, name));
        std::filesystem::path file = fields[1];
        if (file.is_relative()) file = table.parent_path() / file;
        lines.emplace_back(std::move(name), std::move(file));
    }
    require(!lines.empty(), fmt::format("{}: no {} <tab> weights line", table.string(), what));
    return lines;
}

}  // namespace mpira::jobs
