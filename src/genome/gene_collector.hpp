#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "mpira/genome/genes.hpp"

#include "genome/lines.hpp"

namespace mpira::genome {

/// Genes while they are read: starts of transcripts, and what stands in for them.
class GeneCollector {
public:
    explicit GeneCollector(std::span<std::string const> chrom_names) {
        for (std::size_t i = 0; i < chrom_names.size(); ++i)
            chroms_.emplace(chrom_names[i], static_cast<std::int32_t>(i));
    }

    /// The chromosome's index, or nothing (counted).
    std::optional<std::int32_t> chrom(std::string_view name) {
        auto const found = chroms_.find(std::string(name));
        if (found != chroms_.end()) return found->second;
        if (++report.other_chromosome == 1) an_other_chromosome = name;
        return std::nullopt;
    }
    std::optional<std::uint32_t> find(std::string const& id) const {
        auto const found = index_.find(id);
        return found == index_.end() ? std::nullopt : std::optional(found->second);
    }
    std::uint32_t gene(std::string id, std::string_view name, std::string_view type) {
        auto const [at, is_new] = index_.emplace(id, static_cast<std::uint32_t>(genes_.ids.size()));
        if (is_new) {
            genes_.ids.push_back(std::move(id));
            genes_.names.emplace_back();
            genes_.types.emplace_back();
            own_starts_.emplace_back();
        }
        auto const gene = at->second;
        if (genes_.names[gene].empty()) genes_.names[gene] = name;
        if (genes_.types[gene].empty()) genes_.types[gene] = type;
        return gene;
    }
    /// What the gene is called from here on, unless another is; `find` goes on by what it was made with.
    void call(std::uint32_t gene, std::string id) {
        auto const other = index_.find(id);
        if ((other == index_.end() || other->second == gene) && called_.insert(id).second)
            genes_.ids[gene] = std::move(id);
    }
    void add_start(Tss const& start) { genes_.tss.push_back(start); }
    /// The start of a gene line: counts if no transcript comes.
    void add_own_start(Tss const& start) { own_starts_[start.gene] = start; }

    /// The genes of the types that `filter` wants. Refuses a file without one, saying what was `expected`.
    Genes finish(std::filesystem::path const& file, std::span<std::string const> chrom_names,
                 GeneFilter const& filter, std::string_view expected);

    GeneReport report;
    std::string an_other_chromosome;

private:
    std::unordered_map<std::string, std::int32_t> chroms_;
    std::unordered_map<std::string, std::uint32_t> index_;
    std::unordered_set<std::string> called_;
    std::vector<std::optional<Tss>> own_starts_;
    Genes genes_;
};

/// A field that is a position, `least` or more; else the line is refused, calling it `which`.
std::int64_t parse_position(Lines const& lines, std::string_view field, std::string_view which,
                            std::int64_t least);

/// Genes of annotation files: transcripts' starts, or the gene's own where it has none.
Genes read_gtf(std::filesystem::path const& file, std::span<std::string const> chrom_names,
               GeneFilter const& filter);
Genes read_gff3(std::filesystem::path const& file, std::span<std::string const> chrom_names,
                GeneFilter const& filter);

}  // namespace mpira::genome
