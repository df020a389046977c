#include <algorithm>
#include <utility>

#include "jobs/features.hpp"
#include "jobs/features_expression.hpp"

namespace mpira::jobs {
namespace {

/// A path. Files count by their content (see make_layout), so moving one doesn't make another campaign.
SettingSpec file(std::string key, SettingValue fallback, std::string summary) {
    return {std::move(key), SettingKind::text, std::move(fallback), std::move(summary), Affects::run};
}
SettingSpec word(std::string key, std::string fallback, std::string summary,
                 std::vector<std::string> choices = {}) {
    return {std::move(key),     SettingKind::text, std::move(fallback),
            std::move(summary), Affects::result,   std::move(choices)};
}
SettingSpec count(std::string key, std::int64_t fallback, std::string summary, double least) {
    return {
        std::move(key), SettingKind::integer, fallback, std::move(summary), Affects::result, {}, least, 1e6};
}

}  // namespace

std::vector<SettingSpec> features_settings() {
    std::string const none;
    SettingValue const required;
    std::vector<SettingSpec> specs{
        file("genome.fasta", none,
             "The genome, FASTA: plain, or compressed with bgzip. Not needed with motifs.hits."),
        {"genome.assembly", SettingKind::text, required,
         "Its name (dm3, hg38). Models and atlases of different assemblies are never mixed."},
        file("genome.chrom_sizes", none,
             "Names and lengths of chromosomes, in the order regions are sorted by; empty: as in the FASTA."),
        file("regions.bed", required,
             "The regions: BED3 to BED6 or narrowPeak. Sorted; exact duplicates are merged, overlaps kept."),
        file(
            "regions.promoters", none,
            "BED of promoters or transcription start sites: a region that overlaps one is marked a promoter, "
            "and on which strand where column 6 tells. Empty: none is marked."),
        file("regions.states", none,
             "BED of states in column 4, such as ChromHMM's: each region gets the one it shares most bases "
             "with, in obs/state. Empty: none."),
        file("motifs.jaspar", none,
             "Motifs: a JASPAR release (SQLite). One of this, motifs.file and motifs.hits."),
        file("motifs.file", none,
             "Motifs: a text file, MEME, JASPAR ('>id name' and four rows) or TRANSFAC, told by its first "
             "line."),
        word("motifs.collection", "CORE", "Collection of the JASPAR release."),
        word("motifs.tax_group", none,
             "Taxonomic group of the JASPAR release (insects, vertebrates); empty: all."),
        file("motifs.hits", none,
             "Instead of a scan: hits that were found already, BED with the name of the motif or cluster in "
             "column 4 and its score in 5, by bgzip, with its tabix index. A feature is the sum of its hits' "
             "scores in the region, as in published training data."),
        file("motifs.clusters", none,
             "TSV of motif id and feature: motifs of one cluster count as one feature. Empty: one feature "
             "each. With motifs.hits needed: of hit name and feature, in the order of columns; a line with "
             "one name is a feature of that name."),
        count(
            "scan.length_bp", 500,
            "Bases scanned for each region, around its centre. Fixed, so that the length of regions doesn't "
            "leak into the features; 0: the region itself.",
            0),
        {"scan.p_value",
         SettingKind::number,
         1e-4,
         "A word hits when a random word scores as high with at most this probability.",
         Affects::result,
         {},
         1e-12,
         0.5},
        word("scan.pseudocount", "sqrt",
             "Pseudocounts a motif column gets: a number, or sqrt for the square root of the column's sum."),
        word(
            "scan.background", "sequence",
            "Base composition that words are compared with: sequence (of the genome, both strands), uniform, "
            "or four numbers \"A,C,G,T\"."),
        word("scan.short_motifs", "best_word",
             "Motifs too short to reach the p-value: count their best word, or drop their hits.",
             {"best_word", "drop"}),
        {"accessibility.beds", SettingKind::texts, std::vector<std::string>(),
         "Peak files, one a cell type, as \"name=path.bed\": 1 where a region overlaps a peak, else 0.",
         Affects::run},
        file("accessibility.table", none,
             "Instead of peak files: a TSV with a header, a line a region (its name, or chrom, start and "
             "end), and "
             "a column a cell type."),
        file("accessibility.counts", none,
             "Or a file of `mpira counts` of the same regions: log10(per * count / total + 1), divided by "
             "its largest "
             "value in the cell type."),
        {"accessibility.per",
         SettingKind::number,
         1e5,
         "To how many fragments counts are scaled: 1e5 as for published models.",
         Affects::result,
         {},
         1,
         1e12},
        {"accessibility.floor",
         SettingKind::number,
         0.0,
         "Regions below this are not accessible in a cell type: their value there becomes 0. 0: none is cut.",
         Affects::result,
         {},
         0,
         1e12},
        word("accessibility.floor_scale", "value",
             "The scale of the floor. value: as the atlas has it; with counts also log, of log10(per * count "
             "/ total + "
             "1), or cpm, of counts a million of the total.",
             {"value", "log", "cpm"}),
        word("scales", "all_regions",
             "What features are divided by before a model sees them: their maximum over all regions, or, in "
             "addition, over the accessible regions of each cell type.",
             {"all_regions", "cell_type"}),
        count("unit.regions", 1024, "Regions in a unit of work.", 1),
    };
    auto const expression = features_expression_settings();
    auto const before_scales = std::ranges::find(specs, "scales", &SettingSpec::key);
    specs.insert(before_scales, expression.begin(), expression.end());
    return specs;
}

}  // namespace mpira::jobs
