#include "mpira/genome/crispri.hpp"

#include <algorithm>
#include <cctype>
#include <optional>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

#include "genome/lines.hpp"

namespace mpira::genome {
namespace {

std::string in_capitals(std::string_view field) {
    std::string text(field);
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::toupper(c); });
    return text;
}

/// Where the columns are in the lines of one file.
class Header {
public:
    explicit Header(Lines& lines) {
        if (!lines.next()) lines.refuse("the file is empty; expected a header with the columns' names");
        auto line = lines.line();
        if (line.starts_with('#')) line.remove_prefix(1);
        for (auto const name : text::split(line, '\t')) names_.emplace_back(name);
    }
    [[nodiscard]] std::size_t size() const noexcept { return names_.size(); }
    [[nodiscard]] std::optional<std::size_t> find(std::string const& name) const {
        auto const found = std::ranges::find(names_, name);
        if (name.empty() || found == names_.end()) return std::nullopt;
        return static_cast<std::size_t>(found - names_.begin());
    }
    [[nodiscard]] std::size_t at(std::string const& name, Lines const& lines) const {
        auto const found = find(name);
        if (!found)
            lines.refuse(
                fmt::format("the header has no column '{}'{}", name, text::did_you_mean(name, names_)));
        return *found;
    }

private:
    std::vector<std::string> names_;
};

}  // namespace

CrispriPairs read_crispri(std::filesystem::path const& file, CrispriColumns const& columns) {
    Lines lines(file);
    Header const header(lines);
    auto const chrom = header.at(columns.chrom, lines), start = header.at(columns.start, lines),
               end = header.at(columns.end, lines), gene = header.at(columns.gene, lines),
               regulated = header.at(columns.regulated, lines);
    auto const valid = header.find(columns.valid);
    std::optional<std::size_t> cell_type;
    if (!columns.cell_type.empty()) cell_type = header.at(columns.cell_type, lines);

    CrispriPairs found;
    while (lines.next()) {
        if (text::trim(lines.line()).empty()) continue;
        ++found.lines;
        auto const fields = text::split(lines.line(), '\t');
        if (fields.size() != header.size())
            lines.refuse(
                fmt::format("{} tab-separated fields, the header has {}", fields.size(), header.size()));
        auto const position = [&](std::size_t column, std::string const& name) {
            auto const value = text::to_integer(fields[column]);
            if (!value || *value < 0)
                lines.refuse(fmt::format("{} is '{}', expected an integer, 0 or more", name, fields[column]));
            return *value;
        };
        CrispriPair pair;
        pair.chrom = fields[chrom];
        pair.start = position(start, columns.start);
        pair.end = position(end, columns.end);
        pair.gene = fields[gene];
        pair.line = lines.number();
        if (pair.start >= pair.end)
            lines.refuse(fmt::format("the element ends at {}, not after its start {}", pair.end, pair.start));
        if (pair.gene.empty()) lines.refuse(fmt::format("{} is empty, expected a gene", columns.gene));
        auto const said = in_capitals(fields[regulated]);
        if (said != "TRUE" && said != "FALSE" && said != "1" && said != "0")
            lines.refuse(
                fmt::format("{} is '{}', expected TRUE or FALSE", columns.regulated, fields[regulated]));
        pair.regulated = said == "TRUE" || said == "1";
        if (cell_type) pair.cell_type = fields[*cell_type];
        auto const is_valid = valid ? in_capitals(fields[*valid]) : std::string("TRUE");
        if (is_valid != "TRUE" && is_valid != "1") {
            ++found.not_valid;
            continue;
        }
        found.pairs.push_back(std::move(pair));
    }
    if (found.pairs.empty())
        fail_usage(fmt::format("{}: no pair: {} lines, {} of them not marked TRUE in '{}'", file.string(),
                               found.lines, found.not_valid, columns.valid));
    return found;
}

}  // namespace mpira::genome
