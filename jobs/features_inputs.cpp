#include "jobs/features_inputs.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mpira/base/log.hpp"
#include "mpira/base/text.hpp"
#include "mpira/genome/motifs.hpp"
#include "mpira/genome/segmentation.hpp"
#include "mpira/store/anndata_reader.hpp"

namespace mpira::jobs {
namespace {

std::vector<genome::Motif> read_motifs(Settings const& settings) {
    auto const jaspar = settings.path("motifs.jaspar");
    auto const file = settings.path("motifs.file");
    if (jaspar.empty() == file.empty()) {
        settings.refuse("motifs.jaspar",
                        "name either a JASPAR release here or a text file in motifs.file, or hits that were "
                        "found already in motifs.hits");
    }
    if (!jaspar.empty())
        return genome::read_jaspar_sqlite(jaspar, settings.text("motifs.collection"),
                                          settings.text("motifs.tax_group"));
    for (auto const* const key : {"motifs.collection", "motifs.tax_group"})
        settings.refuse_given(key, "chooses from motifs.jaspar; of motifs.file all motifs are read");
    return genome::read_motifs(file);
}

genome::Background read_background(Settings const& settings, genome::Fasta& fasta) {
    auto const& background = settings.text("scan.background");
    if (background == "uniform") {
        return genome::kUniformBackground;
    }
    if (background == "sequence") {
        return genome::background_of(fasta);
    }
    auto const parsed = genome::parse_background(background);
    if (!parsed) {
        settings.refuse("scan.background",
                        fmt::format("'{}': write sequence, uniform, or four positive probabilities of "
                                    "A,C,G,T that sum to 1",
                                    background));
    }
    return *parsed;
}

}  // namespace

std::optional<genome::Fasta> open_genome(Settings const& settings) {
    auto const file = settings.path("genome.fasta");
    if (!file.empty()) return std::optional<genome::Fasta>(std::in_place, file);
    if (settings.path("motifs.hits").empty())
        settings.refuse("genome.fasta", "must be given: its regions are scanned for motifs");
    if (settings.path("genome.chrom_sizes").empty())
        settings.refuse("genome.chrom_sizes", "must be given where genome.fasta isn't");
    return std::nullopt;
}

genome::ChromSizes read_chroms(Settings const& settings, std::optional<genome::Fasta> const& fasta) {
    auto const path = settings.path("genome.chrom_sizes");
    if (path.empty()) {
        return genome::ChromSizes::of(*fasta);
    }
    auto chroms = genome::ChromSizes::read(path);
    for (std::size_t i = 0; fasta && i < chroms.size(); ++i) {
        auto const found = fasta->find(chroms.names()[i]);
        if (found && fasta->lengths()[*found] != chroms.lengths()[i]) {
            settings.refuse("genome.chrom_sizes",
                            fmt::format("{} says {} has {} bp, {} has {}; they are of different assemblies",
                                        path.string(), chroms.names()[i], chroms.lengths()[i],
                                        fasta->file().string(), fasta->lengths()[*found]));
        }
    }
    return chroms;
}

std::vector<std::string> read_states(Settings const& settings, genome::ChromSizes const& chroms,
                                     std::span<genome::Region const> regions) {
    auto const file = settings.path("regions.states");
    if (file.empty()) return {};
    genome::Segmentation const segmentation(file);
    std::vector<std::string> states;
    std::map<std::string, std::size_t> counts;
    for (auto const& region : regions) {
        states.push_back(segmentation.state_of(chroms.name(region.chrom), region.start, region.end));
        ++counts[states.back()];
    }
    if (counts.size() == 1 && counts.contains(""))
        settings.refuse("regions.states",
                        fmt::format("{}: no segment overlaps a region; are chromosomes named alike ('{}')?",
                                    file.string(), chroms.name(regions.front().chrom)));
    std::vector<std::string> parts;
    for (auto const& [state, count] : counts)
        parts.push_back(fmt::format("{} {}", count, state.empty() ? "none" : state));
    log::info("{}: states of regions, by most bases: {}", file.string(), fmt::join(parts, ", "));
    return states;
}

genome::ScanModel make_scan_model(Settings const& settings, genome::Fasta& fasta) {
    auto const motifs = read_motifs(settings);
    auto const clusters = settings.path("motifs.clusters");
    auto const features =
        clusters.empty() ? genome::one_feature_each(motifs) : genome::read_motif_clusters(clusters, motifs);
    genome::ScanSettings scan;
    scan.p_value = settings.number("scan.p_value");
    if (auto const& pseudocount = settings.text("scan.pseudocount"); pseudocount != "sqrt") {
        scan.pseudocount = text::to_number(pseudocount);
        if (!scan.pseudocount || *scan.pseudocount < 0) {
            settings.refuse("scan.pseudocount",
                            fmt::format("'{}': write sqrt, or a number >= 0", pseudocount));
        }
    }
    scan.short_motifs = settings.text("scan.short_motifs") == "drop" ? genome::ShortMotifs::drop
                                                                     : genome::ShortMotifs::best_word;
    scan.scan_length = settings.integer("scan.length_bp");
    auto const background = read_background(settings, fasta);
    log::info("{} motifs, {} features; background A {:.4f} C {:.4f} G {:.4f} T {:.4f}", motifs.size(),
              features.names.size(), background[0], background[1], background[2], background[3]);
    if (settings.text("scan.background") == "sequence") {
        log::info("{}: {} IUPAC letters other than ACGTN are taken as N", fasta.file().string(),
                  fasta.ambiguous_letters());
    }
    return genome::make_scan_model(motifs, features, background, scan);
}

namespace {

atlas::Accessibility open_accessibility(Settings const& settings, genome::ChromSizes const& chroms,
                                        std::span<genome::Region const> regions,
                                        std::span<std::string const> names) {
    auto const& beds = settings.texts("accessibility.beds");
    auto const table = settings.path("accessibility.table");
    auto const counts = settings.path("accessibility.counts");
    if (!beds.empty() + !table.empty() + !counts.empty() > 1)
        settings.refuse("accessibility",
                        "give one of accessibility.beds, accessibility.table and accessibility.counts");
    if (!counts.empty()) {
        require_assembly_of(counts, settings);
        return atlas::Accessibility::from_counts(counts, chroms, regions,
                                                 settings.number("accessibility.per"));
    }
    if (!beds.empty()) {
        return atlas::Accessibility::from_beds(beds, chroms, regions,
                                               settings.source() + ": accessibility.beds");
    }
    return table.empty() ? atlas::Accessibility()
                         : atlas::Accessibility::from_table(table, chroms, regions, names);
}

}  // namespace

void require_assembly_of(std::filesystem::path const& counts, Settings const& settings) {
    store::AnnDataReader const reader(counts);
    auto const& ours = settings.text("genome.assembly");
    if (!reader.contains("uns/assembly") || reader.text("uns/assembly") == ours) return;
    settings.refuse("genome.assembly", fmt::format("is '{}', but {} was counted on '{}'", ours,
                                                   counts.string(), reader.text("uns/assembly")));
}

atlas::Accessibility read_accessibility(Settings const& settings, genome::ChromSizes const& chroms,
                                        std::span<genome::Region const> regions,
                                        std::span<std::string const> names) {
    auto accessibility = open_accessibility(settings, chroms, regions, names);
    auto const least = settings.number("accessibility.floor");
    if (least == 0)
        settings.refuse_given("accessibility.floor_scale",
                              "is the scale of accessibility.floor, which is not given");
    if (settings.path("accessibility.counts").empty())
        settings.refuse_given("accessibility.per", "scales accessibility.counts, which is not given");
    if (least > 0) {
        using Scale = atlas::AccessibilityFloor::Scale;
        auto const& word = settings.text("accessibility.floor_scale");
        auto const scale = word == "cpm" ? Scale::cpm : word == "log" ? Scale::log : Scale::value;
        accessibility.set_floor({scale, least}, settings.source() + ": accessibility.floor");
    }
    return accessibility;
}

std::vector<std::string> scale_sets_of(Settings const& settings, atlas::Accessibility const& accessibility) {
    std::vector<std::string> sets{"all_regions"};
    if (settings.text("scales") == "cell_type") {
        auto const& cell_types = accessibility.cell_types();
        if (cell_types.empty()) {
            settings.refuse("scales", "'cell_type' needs accessibility.beds or accessibility.table");
        }
        if (std::ranges::find(cell_types, sets.front()) != cell_types.end())
            settings.refuse("scales", fmt::format("a cell type can't be called '{}', which is a scale set",
                                                  sets.front()));
        sets.insert(sets.end(), cell_types.begin(), cell_types.end());
    }
    return sets;
}

}  // namespace mpira::jobs
