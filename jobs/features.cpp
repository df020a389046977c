// From a genome, regions and motifs to an atlas: what every other job starts from. A unit is a block of
// regions; its rows are the regions' motif features.
#include <algorithm>
#include <numeric>
#include <optional>

#include <fmt/format.h>

#include "mpira/atlas/accessibility.hpp"
#include "mpira/atlas/scan_record.hpp"
#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/base/text.hpp"
#include "mpira/genome/fasta.hpp"
#include "mpira/genome/motifs.hpp"
#include "mpira/genome/regions.hpp"
#include "mpira/genome/scan_model.hpp"
#include "mpira/genome/scanner.hpp"

#include "jobs/entries.hpp"

namespace mpira::jobs {
namespace {

// A piece of a chromosome that is fetched and scanned at once: windows that overlap always share one.
constexpr std::int64_t kPieceGap_bp = 1000;
constexpr std::size_t kPieceWindows = 64;

genome::ChromSizes read_chroms(Settings const& settings, genome::Fasta const& fasta) {
    auto const path = settings.path("genome.chrom_sizes");
    if (path.empty()) {
        return genome::ChromSizes::of(fasta);
    }
    auto chroms = genome::ChromSizes::read(path);
    for (std::size_t i = 0; i < chroms.size(); ++i) {
        auto const found = fasta.find(chroms.names()[i]);
        if (found && fasta.lengths()[*found] != chroms.lengths()[i]) {
            settings.refuse("genome.chrom_sizes",
                            fmt::format("{} says {} has {} bp, {} has {}; they are of different assemblies",
                                        path.string(), chroms.names()[i], chroms.lengths()[i],
                                        fasta.file().string(), fasta.lengths()[*found]));
        }
    }
    return chroms;
}

std::vector<genome::Motif> read_motifs(Settings const& settings) {
    auto const jaspar = settings.path("motifs.jaspar");
    auto const meme = settings.path("motifs.meme");
    if (jaspar.empty() == meme.empty()) {
        settings.refuse("motifs.jaspar", "name either a JASPAR release here or a MEME file in motifs.meme");
    }
    return jaspar.empty() ? genome::read_meme(meme)
                          : genome::read_jaspar_sqlite(jaspar, settings.text("motifs.collection"),
                                                       settings.text("motifs.tax_group"));
}

genome::Background read_background(Settings const& settings, genome::Fasta& fasta) {
    auto const& background = settings.text("scan.background");
    if (background == "uniform") {
        return genome::kUniformBackground;
    }
    if (background == "sequence") {
        return genome::background_of(fasta);
    }
    return genome::parse_background(background);
}

genome::ScanModel make_model(Settings const& settings, genome::Fasta& fasta) {
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

template <typename T>
std::span<T const> values_of(std::span<std::byte const> bytes) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): an array of T, see layout_
    return {reinterpret_cast<T const*>(bytes.data()), bytes.size() / sizeof(T)};
}

class Features final : public store::Job {
public:
    explicit Features(Settings const& settings)
        : settings_(settings),
          fasta_(settings.path("genome.fasta")),
          chroms_(read_chroms(settings, fasta_)),
          scanner_(make_model(settings, fasta_)) {
        auto bed = genome::read_bed(settings.path("regions.bed"), chroms_);
        log::info("{}: {}", settings.text("regions.bed"), bed.report.describe());
        regions_ = std::move(bed.regions);
        for (auto const& region : regions_) {
            if (!fasta_.find(chroms_.name(region.chrom))) {
                settings.refuse(
                    "genome.fasta",
                    fmt::format("{} has no sequence '{}', where region {} lies", fasta_.file().string(),
                                chroms_.name(region.chrom), chroms_.label(region)));
            }
        }
        read_accessibility(bed.names);
        if (auto const promoters = settings.path("regions.promoters"); !promoters.empty()) {
            promoter_ = atlas::overlap_flags(regions_, genome::read_bed(promoters, chroms_).regions);
            log::info("{} of {} regions are promoters", std::ranges::count(promoter_, true), regions_.size());
        }
        make_layout();
    }

    [[nodiscard]] store::ResultLayout const& layout() const override { return layout_; }
    [[nodiscard]] store::ResultTables tables() const override;
    [[nodiscard]] double relative_cost(std::uint64_t unit) const override;
    void run(std::uint64_t unit, store::UnitRows& rows, std::stop_token stop) override;
    void finish(store::FinishedRows& rows) override;

    [[nodiscard]] std::string describe() const override {
        auto const length = scanner_.model().scan_length;
        return fmt::format(
            "{} regions x {} features ({} motifs) of {}, scanned over {}; {} cell types", regions_.size(),
            scanner_.feature_count(), scanner_.model().motif_count(), settings_.text("genome.assembly"),
            length == 0 ? std::string("their own length") : fmt::format("{} bp around their centre", length),
            accessibility_.cell_types().size());
    }

private:
    void read_accessibility(std::span<std::string const> names) {
        auto const& beds = settings_.texts("accessibility.beds");
        auto const table = settings_.path("accessibility.table");
        if (!beds.empty() && !table.empty()) {
            settings_.refuse("accessibility.table", "give peak files or a table, not both");
        }
        if (!beds.empty()) {
            accessibility_ = atlas::Accessibility::from_beds(beds, chroms_, regions_,
                                                             settings_.source() + ": accessibility.beds");
        } else if (!table.empty()) {
            accessibility_ = atlas::Accessibility::from_table(
                table, chroms_, regions_, names_differ(names) ? names : std::span<std::string const>());
        }
        scale_sets_ = {"all_regions"};
        if (settings_.text("scales") == "cell_type") {
            if (accessibility_.cell_types().empty()) {
                settings_.refuse("scales", "'cell_type' needs accessibility.beds or accessibility.table");
            }
            scale_sets_.insert(scale_sets_.end(), accessibility_.cell_types().begin(),
                               accessibility_.cell_types().end());
        }
    }

    /// Names serve as the index of the table only when every region has its own.
    static bool names_differ(std::span<std::string const> names) {
        std::vector<std::string_view> sorted(names.begin(), names.end());
        std::ranges::sort(sorted);
        return !names.empty() && std::ranges::adjacent_find(sorted) == sorted.end();
    }

    void make_layout() {
        layout_.job = "features";
        layout_.rows = regions_.size();
        layout_.rows_per_unit = settings_.count("unit.regions");
        layout_.row_arrays = {{"X", store::Type::f32, {scanner_.feature_count()}},
                              {"obs/unknown_bases", store::Type::i32, {}}};
        if (!accessibility_.cell_types().empty()) {
            layout_.row_arrays.push_back(
                {"obsm/accessibility", store::Type::f32, {accessibility_.cell_types().size()}});
        }
        if (!promoter_.empty()) {
            layout_.row_arrays.push_back({"obs/promoter", store::Type::boolean, {}});
        }
        layout_.fixed_arrays = {
            {"varm/scale", store::Type::f32, {scanner_.feature_count(), scale_sets_.size()}, {}}};
        inputs_["genome"] = hash_file(fasta_.file());
        inputs_["regions"] = hash_file(settings_.path("regions.bed"));
        inputs_["scan_model"] = scanner_.model().hash();
        if (!accessibility_.cell_types().empty()) {
            inputs_["accessibility"] = accessibility_.content_hash();
        }
        if (!promoter_.empty()) {
            inputs_["promoters"] = hash_file(settings_.path("regions.promoters"));
        }
        // Files count by their content, so that a campaign may be resumed after they were moved.
        layout_.identity = settings_.to_json(true);
        for (auto const& [name, hash] : inputs_.items()) {
            layout_.identity["content of " + name] = hash;
        }
    }

    /// Bases that are scanned for a region: a fixed window, so that a region's length can't leak into its
    /// features (spec/default-data.md 1), cut off at the chromosome's ends.
    [[nodiscard]] genome::Region window(genome::Region const& region) const {
        auto const length = scanner_.model().scan_length;
        if (length == 0) {
            return region;
        }
        std::int64_t const start = region.centre() - length / 2;
        return {region.chrom, std::max<std::int64_t>(0, start),
                std::min(chroms_.length(region.chrom), start + length)};
    }

    Settings settings_;
    genome::Fasta fasta_;
    genome::ChromSizes chroms_;
    genome::Scanner scanner_;
    std::vector<genome::Region> regions_;
    atlas::Accessibility accessibility_;
    std::vector<bool> promoter_;
    std::vector<std::string> scale_sets_;
    nlohmann::json inputs_ = nlohmann::json::object();
    store::ResultLayout layout_;
};

store::ResultTables Features::tables() const {
    store::ResultTables tables;
    // Read once more rather than kept by every rank: names are most of a BED file's memory.
    auto const names = genome::read_bed(settings_.path("regions.bed"), chroms_).names;
    bool const use_names = names_differ(names);
    if (!names.empty() && !use_names) {
        log::info("names of regions are not unique; regions are called chrom:start-end instead");
    }
    store::StringColumn chrom{"chrom", {}, true};
    store::IntegerColumn start{"start", {}};
    store::IntegerColumn end{"end", {}};
    for (std::size_t row = 0; row < regions_.size(); ++row) {
        auto const& region = regions_[row];
        tables.obs.index.push_back(use_names ? names[row] : chroms_.label(region));
        chrom.values.push_back(chroms_.name(region.chrom));
        start.values.push_back(region.start);
        end.values.push_back(region.end);
    }
    tables.obs.strings = {std::move(chrom)};
    tables.obs.integers = {std::move(start), std::move(end)};

    auto const& model = scanner_.model();
    tables.var.index = model.feature_names;
    // What a feature is made of: its motifs' names ("su(Hw)"), several in a cluster.
    store::StringColumn motif_names{"motifs", std::vector<std::string>(model.feature_count()), false};
    for (std::size_t motif = 0; motif < model.motif_count(); ++motif) {
        auto& names_of_feature = motif_names.values[static_cast<std::size_t>(model.features[motif])];
        names_of_feature += (names_of_feature.empty() ? "" : ",") + model.motif_names[motif];
    }
    tables.var.strings = {std::move(motif_names)};

    auto& uns = tables.uns;
    uns["assembly"] = settings_.text("genome.assembly");
    uns["chrom_names"] = std::vector<std::string>(chroms_.names().begin(), chroms_.names().end());
    uns["chrom_lengths"] = std::vector<std::int64_t>(chroms_.lengths().begin(), chroms_.lengths().end());
    uns["scale_sets"] = scale_sets_;
    if (!accessibility_.cell_types().empty()) {
        uns["cell_types"] = accessibility_.cell_types();
    }
    uns["scan"] = atlas::scan_record(model);
    uns["inputs"] = inputs_;
    uns["settings"] = nlohmann::json::object();
    auto const settings = settings_.to_json(false);
    for (auto const& [key, value] : settings.items()) {
        if (!value.empty()) {  // empty lists have no type that a file could hold
            uns["settings"][key] = value;
        }
    }
    return tables;
}

double Features::relative_cost(std::uint64_t unit) const {
    double bases = 1;
    auto const first = layout_.first_row(unit);
    for (std::uint64_t row = first; row < first + layout_.row_count(unit); ++row) {
        bases += static_cast<double>(window(regions_[row]).length());
    }
    return bases;
}

void Features::run(std::uint64_t /*unit*/, store::UnitRows& rows, std::stop_token stop) {
    auto const first = static_cast<std::size_t>(rows.first_row());
    auto const count = static_cast<std::size_t>(rows.row_count());
    auto const width = scanner_.feature_count();
    auto const features = rows.array<float>("X");
    auto const unknown = rows.array<std::int32_t>("obs/unknown_bases");

    // Windows in their own order, which nested regions of different lengths may change.
    std::vector<genome::Region> windows(count);
    std::vector<std::size_t> order(count);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::transform(std::span(regions_).subspan(first, count), windows.begin(),
                           [&](genome::Region const& region) { return window(region); });
    std::ranges::stable_sort(order, {}, [&](std::size_t i) { return windows[i]; });

    std::vector<genome::Region> piece_windows;
    std::vector<float> piece_features;
    for (std::size_t at = 0; at < count;) {
        if (stop.stop_requested()) {
            throw Error(Origin::stopped, "stopped within a unit");
        }
        auto const head = windows[order[at]];
        std::int64_t end = head.end;
        piece_windows.assign(1, head);
        for (std::size_t i = at + 1; i < count && windows[order[i]].chrom == head.chrom; ++i) {
            auto const& next = windows[order[i]];
            bool const near = next.start - end <= kPieceGap_bp && piece_windows.size() < kPieceWindows;
            if (next.start >= end && !near) {
                break;
            }
            piece_windows.push_back(next);
            end = std::max(end, next.end);
        }
        auto const piece = fasta_.fetch(chroms_.name(head.chrom), head.start, end);
        piece_features.resize(piece_windows.size() * width);
        scanner_.features_of_windows(piece, head.start, piece_windows, piece_features);
        for (std::size_t i = 0; i < piece_windows.size(); ++i, ++at) {
            auto const row = order[at];
            std::copy_n(piece_features.begin() + static_cast<std::ptrdiff_t>(i * width), width,
                        features.begin() + static_cast<std::ptrdiff_t>(row * width));
            auto const bases =
                std::string_view(piece).substr(static_cast<std::size_t>(piece_windows[i].start - head.start),
                                               static_cast<std::size_t>(piece_windows[i].length()));
            unknown[row] = static_cast<std::int32_t>(std::ranges::count(bases, 'N'));
        }
    }
    if (!accessibility_.cell_types().empty()) {
        accessibility_.read(first, rows.array<float>("obsm/accessibility"));
    }
    if (!promoter_.empty()) {
        auto const flags = rows.array<std::uint8_t>("obs/promoter");
        for (std::size_t i = 0; i < count; ++i) {
            flags[i] = promoter_[first + i] ? 1 : 0;
        }
    }
}

void Features::finish(store::FinishedRows& rows) {
    auto const features = values_of<float>(rows.rows("X"));
    auto const width = scanner_.feature_count();
    auto const types = accessibility_.cell_types().size();
    auto const accessibility =
        types > 0 ? values_of<float>(rows.rows("obsm/accessibility")) : std::span<float const>();
    std::vector<std::vector<float>> maxima(scale_sets_.size(), std::vector<float>(width, 0.0F));
    for (std::size_t row = 0; row < regions_.size(); ++row) {
        auto const values = features.subspan(row * width, width);
        for (std::size_t set = 0; set < maxima.size(); ++set) {
            if (set > 0 && !(accessibility[row * types + set - 1] > 0)) {
                continue;
            }
            std::ranges::transform(maxima[set], values, maxima[set].begin(),
                                   [](float a, float b) { return std::max(a, b); });
        }
    }
    auto const bytes = rows.fixed("varm/scale");
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): an array of float, see layout_
    std::span const scale(reinterpret_cast<float*>(bytes.data()), bytes.size() / sizeof(float));
    std::size_t never = 0;
    for (std::size_t feature = 0; feature < width; ++feature) {
        never += maxima[0][feature] > 0 ? 0 : 1;
        for (std::size_t set = 0; set < maxima.size(); ++set) {
            // A feature that never occurs is 0 everywhere, whatever divides it.
            scale[feature * maxima.size() + set] = maxima[set][feature] > 0 ? maxima[set][feature] : 1.0F;
        }
    }
    auto const unknown = values_of<std::int32_t>(rows.rows("obs/unknown_bases"));
    log::info("{} of {} features occur in no region; {} unknown bases (N or ambiguous) in {} scan windows",
              never, width, std::accumulate(unknown.begin(), unknown.end(), std::int64_t{0}),
              std::ranges::count_if(unknown, [](std::int32_t bases) { return bases > 0; }));
}

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

std::vector<SettingSpec> schema() {
    std::string const none;
    SettingValue const required;
    return {
        file("genome.fasta", required, "The genome, FASTA: plain, or compressed with bgzip."),
        {"genome.assembly", SettingKind::text, required,
         "Its name (dm3, hg38). Models and atlases of different assemblies are never mixed."},
        file("genome.chrom_sizes", none,
             "Names and lengths of chromosomes, in the order regions are sorted by; empty: as in the FASTA."),
        file("regions.bed", required,
             "The regions: BED3 to BED6 or narrowPeak. Sorted; exact duplicates are merged, overlaps kept."),
        file(
            "regions.promoters", none,
            "BED of promoters or transcription start sites: a region that overlaps one is marked a promoter. "
            "Empty: none is marked."),
        file("motifs.jaspar", none, "Motifs: a JASPAR release (SQLite). Either this or motifs.meme."),
        file("motifs.meme", none, "Motifs: a MEME text file."),
        word("motifs.collection", "CORE", "Collection of the JASPAR release."),
        word("motifs.tax_group", none,
             "Taxonomic group of the JASPAR release (insects, vertebrates); empty: all."),
        file("motifs.clusters", none,
             "TSV of motif id and feature: motifs of one cluster count as one feature. Empty: one feature "
             "each."),
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
             "Instead of peak files: a TSV with a header, a line a region, a column a cell type."),
        word("scales", "all_regions",
             "What features are divided by before a model sees them: their maximum over all regions, or, in "
             "addition, over the accessible regions of each cell type.",
             {"all_regions", "cell_type"}),
        count("unit.regions", 1024, "Regions in a unit of work.", 1),
    };
}

std::unique_ptr<store::Job> make(Settings const& settings, Place const& /*place*/) {
    return std::make_unique<Features>(settings);
}

}  // namespace

JobEntry features_entry() {
    return {"features", "a genome, regions and motifs to an atlas: regions x motif features",
            "mpirun -n 2 mpira features --config config/quickstart/features.toml --output atlas.h5ad", schema,
            make};
}

}  // namespace mpira::jobs
