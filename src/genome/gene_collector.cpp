#include "genome/gene_collector.hpp"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

namespace mpira::genome {
namespace {

auto order_of(Tss const& start) {
    return std::tuple(start.chrom, start.position, start.strand, start.gene);
}

}  // namespace

Genes GeneCollector::finish(std::filesystem::path const& file, std::span<std::string const> chrom_names,
                            GeneFilter const& filter, std::string_view expected) {
    std::vector<bool> has_transcript(genes_.ids.size(), false);
    for (auto const& start : genes_.tss) has_transcript[start.gene] = true;
    for (std::size_t gene = 0; gene < has_transcript.size(); ++gene) {
        if (has_transcript[gene] || !own_starts_[gene]) continue;
        ++report.without_transcript;
        genes_.tss.push_back(*own_starts_[gene]);
    }
    if (genes_.tss.empty() && report.other_chromosome > 0) {
        fail_usage(
            fmt::format("{}: no gene lies on a chromosome of the table of regions: '{}' here, '{}' there; "
                        "is it the same assembly and naming?",
                        file.string(), an_other_chromosome, chrom_names.empty() ? "" : chrom_names.front()));
    }
    if (genes_.tss.empty()) fail_usage(fmt::format("{}: holds no gene: {}", file.string(), expected));

    // Genes that stay, in their order in the file.
    std::vector<bool> is_wanted(genes_.ids.size(), false);
    for (auto const& start : genes_.tss) {
        auto const& type = genes_.types[start.gene];
        is_wanted[start.gene] =
            filter.types.empty() || std::ranges::find(filter.types, type) != filter.types.end();
    }
    std::vector<std::uint32_t> number(genes_.ids.size(), 0);
    std::vector<bool> has_start(genes_.ids.size(), false);
    for (auto const& start : genes_.tss) has_start[start.gene] = true;
    Genes kept;
    for (std::size_t gene = 0; gene < number.size(); ++gene) {
        if (!has_start[gene]) continue;
        if (!is_wanted[gene]) {
            ++report.other_type;
            continue;
        }
        number[gene] = static_cast<std::uint32_t>(kept.ids.size());
        auto& name = genes_.names[gene];
        kept.names.push_back(name.empty() ? genes_.ids[gene] : std::move(name));
        kept.ids.push_back(std::move(genes_.ids[gene]));
        kept.types.push_back(std::move(genes_.types[gene]));
    }
    if (kept.ids.empty()) {
        std::string known;
        for (auto const& type : genes_.types)
            if (!type.empty() && known.find("'" + type + "'") == std::string::npos && known.size() < 200)
                known += (known.empty() ? "'" : ", '") + type + "'";
        fail_usage(fmt::format("{}: no gene is of the type '{}'; the file has {}", file.string(),
                               fmt::join(filter.types, "' or '"), known.empty() ? "no types" : known));
    }
    for (auto start : genes_.tss) {
        if (!is_wanted[start.gene]) continue;
        start.gene = number[start.gene];
        kept.tss.push_back(start);
    }
    std::ranges::sort(kept.tss, {}, order_of);
    auto const again = std::ranges::unique(kept.tss);
    report.repeated = static_cast<std::int64_t>(again.size());
    kept.tss.erase(again.begin(), again.end());
    kept.report = report;
    return kept;
}

std::int64_t parse_position(Lines const& lines, std::string_view field, std::string_view which,
                            std::int64_t least) {
    auto const value = text::to_integer(field);
    if (!value) lines.refuse(fmt::format("the {} '{}' is not an integer", which, field));
    if (*value < least) lines.refuse(fmt::format("the {} is {}, the first base is {}", which, *value, least));
    return *value;
}

}  // namespace mpira::genome
