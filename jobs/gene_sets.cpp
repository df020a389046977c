#include "jobs/gene_sets.hpp"

#include <algorithm>
#include <unordered_map>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/mapped_text.hpp"
#include "mpira/base/text.hpp"

namespace mpira::jobs {

GeneSets read_gmt(std::filesystem::path const& file) {
    MappedText const text(file);
    GeneSets sets;
    std::unordered_map<std::string_view, std::size_t> line_of;  // set name -> where it stood
    std::unordered_map<std::string_view, std::uint32_t> gene_of;
    for (std::size_t at = 0; at < text.size(); at = text.after(at)) {
        auto const line = text.line(at);
        if (text::trim(line).empty() || line.starts_with('#')) continue;
        auto const fields = text::split(line, '\t');
        if (fields.size() < 3)
            text.refuse(at, fmt::format("a gene set is name, description and genes, separated by tabs; {} "
                                        "field{} found",
                                        fields.size(), fields.size() == 1 ? " was" : "s were"));
        auto const name = text::trim(fields[0]);
        if (name.empty()) text.refuse(at, "the gene set has no name");
        if (auto const [first, is_new] = line_of.emplace(name, at); !is_new)
            text.refuse(at, fmt::format("gene set '{}' is in line {}, too: names must differ", name,
                                        text.line_number(first->second)));
        std::vector<std::uint32_t> members;
        for (std::size_t i = 2; i < fields.size(); ++i) {
            auto const gene = text::trim(fields[i]);
            if (gene.empty()) continue;
            auto const [found, is_new] = gene_of.emplace(gene, static_cast<std::uint32_t>(sets.genes.size()));
            if (is_new) sets.genes.emplace_back(gene);
            members.push_back(found->second);
        }
        if (members.empty()) text.refuse(at, fmt::format("gene set '{}' has no genes", name));
        std::ranges::sort(members);
        auto const [end, last] = std::ranges::unique(members);
        members.erase(end, last);
        sets.names.emplace_back(name);
        sets.members.push_back(std::move(members));
    }
    require(!sets.names.empty(),
            fmt::format("{}: no gene set; a GMT file has a line a set: name, description and genes, "
                        "separated by tabs",
                        file.string()));
    return sets;
}

}  // namespace mpira::jobs
