#include "mpira/genome/gene_table.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

#include "genome/lines.hpp"

namespace mpira::genome {
namespace {

std::vector<std::string> trimmed_fields(std::string_view line) {
    std::vector<std::string> fields;
    for (auto const field : text::split(line, '\t')) fields.emplace_back(text::trim(field));
    return fields;
}

/// Where the wanted columns are in the header that the lines are at.
std::vector<std::size_t> places_of(std::span<std::string const> wanted,
                                   std::vector<std::string> const& header, Lines const& lines) {
    std::vector<std::size_t> places;
    for (auto const& name : wanted) {
        if (name.empty()) lines.refuse("the header has a column without a name");
        auto const found = std::find(header.begin() + 1, header.end(), name);
        if (found == header.end())
            lines.refuse(fmt::format("no column is named '{}'{}", name, text::did_you_mean(name, header)));
        if (std::find(found + 1, header.end(), name) != header.end())
            lines.refuse(fmt::format("two columns are named '{}'", name));
        places.push_back(static_cast<std::size_t>(found - header.begin()));
    }
    return places;
}

}  // namespace

GeneTable::GeneTable(std::filesystem::path const& file, std::span<std::string const> columns) {
    Lines lines(file);
    require(lines.next(),
            fmt::format("{} is empty: expected a header with the names of columns", file.string()));
    auto const header = trimmed_fields(lines.line());
    columns_.assign(columns.begin(), columns.end());
    if (columns_.empty()) columns_.assign(header.begin() + 1, header.end());
    if (columns_.empty())
        lines.refuse(
            "the header names no column of numbers: expected a column of genes and one for each cell type, "
            "separated by tabs");
    auto const places = places_of(columns_, header, lines);
    while (lines.next()) {
        if (text::trim(lines.line()).empty()) continue;
        auto const fields = text::split(lines.line(), '\t');
        if (fields.size() != header.size())
            lines.refuse(fmt::format("{} fields, the header has {}", fields.size(), header.size()));
        auto const gene = text::trim(fields[0]);
        if (gene.empty()) lines.refuse("a gene without a name");
        for (auto const place : places) {
            auto const value = text::to_number(text::trim(fields[place]));
            if (!value)
                lines.refuse(
                    fmt::format("'{}' in column '{}' is not a finite number", fields[place], header[place]));
            values_.push_back(*value);
        }
        if (!rows_.emplace(gene, genes_.size()).second)
            lines.refuse(fmt::format("gene '{}' is given twice", gene));
        genes_.emplace_back(gene);
    }
}

GeneTable::GeneTable(std::string const& source, std::vector<std::string> columns,
                     std::vector<std::string> genes, std::vector<double> values)
    : columns_(std::move(columns)), genes_(std::move(genes)), values_(std::move(values)) {
    ensure(values_.size() == genes_.size() * columns_.size(), "GeneTable: values of another shape");
    for (std::size_t gene = 0; gene < genes_.size(); ++gene) {
        require(!genes_[gene].empty(), fmt::format("{}: a gene without a name", source));
        require(rows_.emplace(genes_[gene], gene).second,
                fmt::format("{}: gene '{}' is given twice", source, genes_[gene]));
    }
    auto sorted = columns_;
    std::ranges::sort(sorted);
    auto const twice = std::ranges::adjacent_find(sorted);
    require(twice == sorted.end(),
            twice == sorted.end() ? "" : fmt::format("{}: '{}' is given twice", source, *twice));
    require(sorted.empty() || !sorted.front().empty(), fmt::format("{}: a column without a name", source));
}

std::optional<std::size_t> GeneTable::find(std::string_view gene) const {
    auto const found = rows_.find(std::string(gene));
    if (found == rows_.end()) return std::nullopt;
    return found->second;
}

std::span<double const> GeneTable::of(std::string_view gene) const {
    auto const index = find(gene);
    return index ? row(*index) : std::span<double const>{};
}

}  // namespace mpira::genome
