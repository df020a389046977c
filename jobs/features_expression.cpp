#include "jobs/features_expression.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "mpira/atlas/expression_names.hpp"
#include "mpira/atlas/gene_expression.hpp"
#include "mpira/base/checksum.hpp"
#include "mpira/base/log.hpp"
#include "mpira/base/text.hpp"
#include "mpira/genome/gene_table.hpp"
#include "mpira/genome/genes.hpp"

#include "jobs/features_inputs.hpp"

namespace mpira::jobs {
namespace {

/// Columns "<cell type>.plus" and "<cell type>.minus" must come in pairs; others are taken as they are.
atlas::RegionTable read_table(Settings const& settings, genome::ChromSizes const& chroms,
                              std::span<genome::Region const> regions, std::span<std::string const> names) {
    auto const file = settings.path("expression.table");
    auto table = atlas::RegionTable::read(file, chroms, regions, names);
    auto const& columns = table.columns();
    for (auto const& column : columns) {
        auto const strand = atlas::strand_of(column);
        if (!strand) continue;
        auto const other = atlas::strand_column(atlas::cell_type_of(column), atlas::other_strand(*strand));
        if (std::ranges::find(columns, other) == columns.end())
            settings.refuse("expression.table",
                            fmt::format("{} has a column '{}' but no '{}'", file.string(), column, other));
    }
    for (std::size_t i = 0; i < columns.size(); ++i)
        if (table.largest()[i] == 0)
            log::info("warning: {}: '{}' is 0 in every region", file.string(), columns[i]);
    return table;
}

/// Accessibility and expression are brought together by the names of cell types.
void tell_strange_cell_types(atlas::CageExpression const& cage, std::filesystem::path const& file,
                             std::vector<std::string> const& accessible) {
    for (auto const& column : cage.columns()) {
        std::string const cell_type(atlas::cell_type_of(column));
        if (column != atlas::sum_column(cell_type) || accessible.empty()) continue;
        if (std::ranges::find(accessible, cell_type) == accessible.end())
            log::warning("{}: '{}' is no cell type of the accessibility{}", file.string(), cell_type,
                         text::did_you_mean(cell_type, accessible));
    }
}

genome::Genes read_annotation(Settings const& settings, genome::ChromSizes const& chroms) {
    return genome::read_genes(settings.path("expression.annotation"), chroms.names());
}

}  // namespace

std::vector<SettingSpec> features_expression_settings() {
    std::string const none;
    return {
        {"expression.table", SettingKind::text, none,
         "Expression to train on, by region: a TSV as accessibility.table, on the scale that models are to "
         "predict, "
         "such as log10(TPM + 1). For two strands name the columns NAME.plus and NAME.minus. 0 where a "
         "region has no "
         "promoter. Empty: none, or by gene.",
         Affects::run},
        {"expression.genes", SettingKind::text, none,
         "Instead: expression by gene, a TSV with a header, a line a gene (its id or name) and a column a "
         "cell "
         "type; or AnnData, a row a cell type (or cell) and a column a gene. It becomes log10(TPM + 1) at "
         "the regions that hold the gene's promoters, on its strand.",
         Affects::run},
        {"expression.annotation", SettingKind::text, none,
         "Where these genes start: GTF, GFF3 or BED6, plain or gzipped. Unless regions.promoters says "
         "otherwise, the "
         "regions they are at are marked as promoters.",
         Affects::run},
        {"expression.cage", SettingKind::text, none,
         "Or by CAGE: a file of `mpira counts` with cage, of the same regions. It becomes log10(CPM + 1), in "
         "the "
         "columns NAME.plus and NAME.minus, and NAME.sum of both strands.",
         Affects::run},
        {"expression.values",
         SettingKind::text,
         std::string("tpm"),
         "What the table of genes holds: tpm, or counts, which are scaled to a million a cell type first.",
         Affects::result,
         {"tpm", "counts"}},
        {"expression.layer", SettingKind::text, std::string("X"),
         "AnnData: where the expression is, X, raw/X or layers/NAME."},
        {"expression.cell_types", SettingKind::text, std::string("index"),
         "AnnData: the column of obs that names each row's cell type, or index, its own name. Counts of one "
         "cell type "
         "are added up."},
        {"expression.promoter_bp",
         SettingKind::integer,
         std::int64_t{300},
         "Bases to each side of a start that a region must share one of to hold the promoter.",
         Affects::result,
         {},
         0,
         1e6},
        {"expression.shared_promoter",
         SettingKind::text,
         std::string("mean_log"),
         "Several genes at one region and strand: the mean of their logarithms, or the logarithm of their "
         "sum.",
         Affects::result,
         {"mean_log", "sum_tpm"}},
        {"expression.least_accessibility",
         SettingKind::number,
         0.05,
         "Expression by gene is 0 where the region's accessibility in that cell type is below this, on the "
         "scale of "
         "the atlas; 0: nowhere.",
         Affects::result,
         {},
         0,
         1e9},
    };
}

FeaturesExpression::FeaturesExpression(Settings const& settings, genome::ChromSizes const& chroms,
                                       std::span<genome::Region const> regions,
                                       std::span<std::string const> names,
                                       atlas::Accessibility const& accessibility) {
    auto const table = settings.path("expression.table"), genes = settings.path("expression.genes"),
               annotation = settings.path("expression.annotation");
    auto const cage = settings.path("expression.cage");
    if (!table.empty() + !genes.empty() + !cage.empty() > 1)
        settings.refuse("expression.genes", "give expression by region, by gene or by CAGE, one of these");
    if (genes.empty() != annotation.empty())
        settings.refuse(
            genes.empty() ? "expression.genes" : "expression.annotation",
            "expression by gene takes both: a table of genes, and the annotation that says where they start");
    if (genes.empty()) {
        for (auto const* const key :
             {"expression.values", "expression.layer", "expression.cell_types", "expression.promoter_bp",
              "expression.shared_promoter", "expression.least_accessibility"})
            settings.refuse_given(key, "is of expression.genes, which is not given");
    }
    if (!table.empty()) table_ = read_table(settings, chroms, regions, names);
    if (!cage.empty()) {
        require_assembly_of(cage, settings);
        cage_ = atlas::CageExpression(cage, chroms, regions);
        tell_strange_cell_types(cage_, cage, accessibility.cell_types());
    }
    if (genes.empty()) return;

    std::vector<std::int32_t> chrom;
    std::vector<std::int64_t> start, end;
    for (auto const& region : regions) {
        chrom.push_back(region.chrom);
        start.push_back(region.start);
        end.push_back(region.end);
    }
    atlas::TargetRules rules;
    rules.flank_bp = settings.integer("expression.promoter_bp");
    rules.counts = settings.text("expression.values") == "counts";
    rules.sum_before_log = settings.text("expression.shared_promoter") == "sum_tpm";
    rules.least_accessibility = settings.number("expression.least_accessibility");
    auto const known = read_annotation(settings, chroms);
    log::info("{}: {}", annotation.string(), known.report.describe());
    atlas::ExpressionPlace const place{settings.text("expression.layer"),
                                       settings.text("expression.cell_types"), rules.counts};
    targets_ = atlas::GeneTargets(atlas::read_gene_expression(genes, place), genes.string(), known,
                                  {chroms.names(), chrom, start, end}, accessibility.cell_types(), rules);
    log::info("{}: {}", genes.string(), targets_.describe());
    content_ = hash_file(genes) + " " + hash_file(annotation);
}

void FeaturesExpression::read_rows(std::uint64_t first, std::span<float const> accessibility,
                                   std::span<float> out) const {
    if (by_genes())
        targets_.read_rows(first, accessibility, out);
    else if (by_cage())
        cage_.read_rows(first, out);
    else
        table_.read_rows(first, out);
}

void FeaturesExpression::describe(Settings const& settings, genome::ChromSizes const& chroms,
                                  nlohmann::json& uns) const {
    if (columns().empty()) return;
    uns["expression"] = columns();
    if (!by_genes()) return;
    auto const genes = read_annotation(settings, chroms);
    std::vector<std::string> ids, names, strands;
    std::vector<std::int64_t> rows;
    for (auto const& entry : entries()) {
        ids.push_back(genes.ids[entry.gene]);
        names.push_back(genes.names[entry.gene]);
        rows.push_back(entry.row);
        strands.emplace_back(1, entry.strand);
    }
    uns["promoters"] = {{"gene_id", ids}, {"gene_name", names}, {"row", rows}, {"strand", strands}};
}

}  // namespace mpira::jobs
