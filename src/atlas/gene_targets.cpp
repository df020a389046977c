#include "mpira/atlas/gene_targets.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>
#include <unordered_map>

#include <fmt/format.h>

#include "mpira/atlas/expression_names.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"

namespace mpira::atlas {
namespace {

constexpr std::uint32_t kNone = static_cast<std::uint32_t>(-1);

/// "ENSG00000141510" of "ENSG00000141510.18"; nothing where there is no version.
std::optional<std::string> without_version(std::string const& id) {
    auto const dot = id.rfind('.');
    bool const versioned = id.starts_with("ENS") && dot != std::string::npos && dot + 1 < id.size() &&
                           std::all_of(id.begin() + static_cast<std::ptrdiff_t>(dot) + 1, id.end(),
                                       [](char c) { return c >= '0' && c <= '9'; });
    if (!versioned) return std::nullopt;
    return id.substr(0, dot);
}

/// Which row of the table each gene of the annotation has; kNone: none.
std::vector<std::uint32_t> match(genome::GeneTable const& table, genome::Genes const& genes) {
    std::unordered_map<std::string, std::uint32_t> unversioned;
    for (std::uint32_t row = 0; row < table.genes().size(); ++row) {
        auto const& name = table.genes()[row];
        unversioned.emplace(without_version(name).value_or(name), row);
    }
    std::vector<std::uint32_t> rows(genes.ids.size(), kNone);
    for (std::size_t gene = 0; gene < rows.size(); ++gene) {
        auto found = table.find(genes.ids[gene]);
        if (!found) found = table.find(genes.names[gene]);
        if (found) {
            rows[gene] = static_cast<std::uint32_t>(*found);
        } else if (genes.ids[gene].starts_with("ENS")) {
            auto const plain = unversioned.find(without_version(genes.ids[gene]).value_or(genes.ids[gene]));
            if (plain != unversioned.end()) rows[gene] = plain->second;
        }
    }
    return rows;
}

/// What a column is multiplied by to be per million.
std::vector<double> per_million(genome::GeneTable const& table, std::string const& table_name, bool counts) {
    std::vector<double> sums(table.columns().size(), 0);
    for (std::size_t row = 0; row < table.genes().size(); ++row) {
        auto const values = table.row(row);
        for (std::size_t column = 0; column < sums.size(); ++column) {
            if (!(values[column] >= 0))
                fail_usage(
                    fmt::format("{}: gene '{}' has {} in column '{}'; expression is never "
                                "negative (give TPM or counts, not logarithms)",
                                table_name, table.genes()[row], values[column], table.columns()[column]));
            sums[column] += values[column];
        }
    }
    for (std::size_t column = 0; column < sums.size(); ++column) {
        require(!counts || sums[column] > 0,
                fmt::format("{}: every count of column '{}' is 0", table_name, table.columns()[column]));
        sums[column] = counts ? 1e6 / sums[column] : 1;
    }
    return sums;
}

std::string first_few(std::vector<std::string_view> const& names) {
    auto const shown = std::min<std::size_t>(names.size(), 3);
    return fmt::format("{}{}",
                       fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
                       names.size() > shown ? ", ..." : "");
}

}  // namespace

GeneTargets::GeneTargets(genome::GeneTable const& table, std::string const& table_name,
                         genome::Genes const& genes, genome::RegionColumns const& regions,
                         std::span<std::string const> accessible, TargetRules const& rules)
    : accessible_(accessible.size()), least_accessibility_(static_cast<float>(rules.least_accessibility)) {
    auto const types = table.columns().size();
    auto const factors = per_million(table, table_name, rules.counts);
    auto const table_rows = match(table, genes);

    std::vector<std::uint8_t> in_annotation(table.genes().size()), at_region(table.genes().size());
    for (auto const row : table_rows)
        if (row != kNone) in_annotation[row] = 1;
    for (auto const& promoter : genome::promoters_of(genes, regions, rules.flank_bp)) {
        if (table_rows[promoter.gene] == kNone) continue;
        at_region[table_rows[promoter.gene]] = 1;
        entries_.push_back({promoter.gene, promoter.row, promoter.strand});
    }
    std::ranges::stable_sort(entries_, {}, &Entry::row);

    std::vector<std::string_view> unknown;
    for (std::size_t row = 0; row < in_annotation.size(); ++row)
        if (in_annotation[row] == 0) unknown.emplace_back(table.genes()[row]);
    auto const found = std::ranges::count(at_region, 1);
    require(
        unknown.size() < table.genes().size() || table.genes().empty(),
        fmt::format("{}: none of its genes ({}) is in the annotation, whose genes are called like '{}' ({})",
                    table_name, first_few(unknown), genes.ids.front(), genes.names.front()));
    require(found > 0, fmt::format("{}: no gene has a promoter (start +-{} bp) in a region", table_name,
                                   rules.flank_bp));

    for (auto const& cell_type : table.columns()) {
        for (char const strand : {'+', '-'}) columns_.push_back(strand_column(cell_type, strand));
        auto const place = std::ranges::find(accessible, cell_type);
        gate_.push_back(place == accessible.end() ? -1 : place - accessible.begin());
        if (place == accessible.end() && least_accessibility_ > 0)
            log::info(
                "warning: {}: the atlas has no accessibility in '{}'; its expression counts at every "
                "promoter",
                table_name, cell_type);
    }

    // Sums, and of how many genes, by (row, strand); then the logarithm where it wasn't taken before.
    std::vector<double> sums;
    std::vector<std::uint32_t> shares;
    std::uint64_t shared = 0;
    auto const finish_row = [&] {
        for (std::size_t strand = 0; strand < 2 && !rows_.empty(); ++strand) {
            auto const genes_here = shares[strand];
            shared += genes_here > 1 ? 1 : 0;
            for (std::size_t type = 0; type < types; ++type) {
                auto const sum = sums[2 * type + strand];
                auto const value =
                    rules.sum_before_log ? std::log10(sum + 1) : sum / std::max(genes_here, 1U);
                sums[2 * type + strand] = value;
            }
        }
        for (auto const value : sums) values_.push_back(static_cast<float>(value));
    };
    for (auto const& entry : entries_) {
        if (rows_.empty() || rows_.back() != entry.row) {
            finish_row();
            rows_.push_back(entry.row);
            sums.assign(2 * types, 0);
            shares.assign(2, 0);
        }
        std::size_t const strand = entry.strand == '+' ? 0 : 1;
        ++shares[strand];
        auto const values = table.row(table_rows[entry.gene]);
        for (std::size_t type = 0; type < types; ++type) {
            auto const tpm = values[type] * factors[type];
            sums[2 * type + strand] += rules.sum_before_log ? tpm : std::log10(tpm + 1);
        }
    }
    finish_row();

    description_ = fmt::format(
        "{} genes x {} cell types; {} genes are not in the annotation{}, {} have no promoter (start +-{} bp) "
        "in a "
        "region; {} are at {} regions, {} times several on one strand ({})",
        table.genes().size(), types, unknown.size(),
        unknown.empty() ? "" : fmt::format(" ({})", first_few(unknown)),
        table.genes().size() - unknown.size() - static_cast<std::size_t>(found), rules.flank_bp, found,
        rows_.size(), shared, rules.sum_before_log ? "log10 of their sum" : "mean of their log10");
}

void GeneTargets::read_rows(std::uint64_t first, std::span<float const> accessibility,
                            std::span<float> out) const {
    auto const width = columns_.size();
    if (width == 0) return;
    auto const count = out.size() / width;
    ensure(accessibility.size() == count * accessible_, "GeneTargets: accessibility of other regions");
    std::ranges::fill(out, 0.0F);
    auto const from = std::ranges::lower_bound(rows_, first);
    for (auto at = static_cast<std::size_t>(from - rows_.begin());
         at < rows_.size() && rows_[at] < first + count; ++at) {
        auto const row = static_cast<std::size_t>(rows_[at] - first);
        for (std::size_t type = 0; type < gate_.size(); ++type) {
            if (gate_[type] >= 0 && accessibility[row * accessible_ + static_cast<std::size_t>(gate_[type])] <
                                        least_accessibility_)
                continue;
            std::copy_n(values_.begin() + static_cast<std::ptrdiff_t>(at * width + 2 * type), 2,
                        out.begin() + static_cast<std::ptrdiff_t>(row * width + 2 * type));
        }
    }
}

}  // namespace mpira::atlas
