#include "jobs/features.hpp"

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "mpira/atlas/accessibility.hpp"
#include "mpira/atlas/scan_record.hpp"
#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/genome/fasta.hpp"
#include "mpira/genome/regions.hpp"
#include "mpira/genome/scanner.hpp"

#include "jobs/entries.hpp"
#include "jobs/features_expression.hpp"
#include "jobs/features_inputs.hpp"
#include "jobs/region_frame.hpp"

namespace mpira::jobs {
namespace {

// A piece of a chromosome that is fetched and scanned at once: windows that overlap always share one.
constexpr std::int64_t kPieceGap_bp = 1000;
constexpr std::size_t kPieceWindows = 64;

class Features final : public store::Job {
public:
    explicit Features(Settings const& settings)
        : settings_(settings),
          fasta_(settings.path("genome.fasta")),
          chroms_(read_chroms(settings, fasta_)),
          scanner_(make_scan_model(settings, fasta_)) {
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
        auto const names = names_differ(bed.names) ? bed.names : std::vector<std::string>();
        accessibility_ = read_accessibility(settings_, chroms_, regions_, names);
        expression_ = FeaturesExpression(settings_, chroms_, regions_, names, accessibility_);
        scale_sets_ = scale_sets_of(settings_, accessibility_);
        if (auto const promoters = settings.path("regions.promoters"); !promoters.empty()) {
            mark_promoters(genome::read_bed(promoters, chroms_));
        } else if (!expression_.entries().empty()) {
            mark_promoters_of_genes();
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
            "{} regions x {} features ({} motifs) of {}, scanned over {}; {} cell types{}", regions_.size(),
            scanner_.feature_count(), scanner_.model().motif_count(), settings_.text("genome.assembly"),
            length == 0 ? std::string("their own length") : fmt::format("{} bp around their centre", length),
            accessibility_.cell_types().size(),
            expression_.columns().empty()
                ? std::string()
                : fmt::format(", {} expression columns", expression_.columns().size()));
    }

private:
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
        if (!expression_.columns().empty()) {
            layout_.row_arrays.push_back(
                {"obsm/expression", store::Type::f32, {expression_.columns().size()}});
        }
        for (auto const& [path, flags] : promoters_) {
            layout_.row_arrays.push_back({path, store::Type::boolean, {}});
        }
        layout_.fixed_arrays = {
            {"varm/scale", store::Type::f32, {scanner_.feature_count(), scale_sets_.size()}, {}}};
        inputs_["genome"] = hash_file(fasta_.file());
        inputs_["regions"] = hash_file(settings_.path("regions.bed"));
        inputs_["scan_model"] = scanner_.model().hash();
        if (!accessibility_.cell_types().empty()) {
            inputs_["accessibility"] = accessibility_.content_hash();
        }
        if (!expression_.columns().empty()) {
            inputs_["expression"] = expression_.content_hash();
        }
        if (auto const promoters = settings_.path("regions.promoters"); !promoters.empty()) {
            inputs_["promoters"] = hash_file(promoters);
        }
        // Files count by their content, so that a campaign may be resumed after they were moved.
        layout_.identity = settings_.to_json(true);
        for (auto const& [name, hash] : inputs_.items()) {
            layout_.identity["content of " + name] = hash;
        }
    }

    /// On either strand, and on each where the file tells strands; one without a strand is on both.
    void mark_promoters(genome::Bed const& bed) {
        auto const mark = [&](std::string path, std::string_view strands) {
            std::vector<genome::Region> marking;
            for (std::size_t i = 0; i < bed.regions.size(); ++i) {
                if (bed.strands.empty() || strands.find(bed.strands[i]) != std::string_view::npos) {
                    marking.push_back(bed.regions[i]);
                }
            }
            auto const& flags =
                promoters_.emplace_back(std::move(path), atlas::overlap_flags(regions_, marking)).second;
            return std::ranges::count(flags, true);
        };
        auto const marked = mark("obs/promoter", "+-.");
        if (!std::ranges::any_of(bed.strands, [](char strand) { return strand != '.'; })) {
            log::info("{} of {} regions are promoters; on which strand is not said (column 6)", marked,
                      regions_.size());
            return;
        }
        auto const plus = mark("obs/promoter_plus", "+.");
        auto const minus = mark("obs/promoter_minus", "-.");
        log::info("{} of {} regions are promoters: {} on the + strand, {} on the - strand", marked,
                  regions_.size(), plus, minus);
    }

    /// Where a gene has expression, on its strand.
    void mark_promoters_of_genes() {
        std::vector<bool> const none(regions_.size());
        promoters_ = {{"obs/promoter", none}, {"obs/promoter_plus", none}, {"obs/promoter_minus", none}};
        for (auto const& entry : expression_.entries()) {
            promoters_[0].second[entry.row] = true;
            promoters_[entry.strand == '+' ? 1 : 2].second[entry.row] = true;
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
    FeaturesExpression expression_;
    /// Column of obs and a flag a region; none, or obs/promoter first.
    std::vector<std::pair<std::string, std::vector<bool>>> promoters_;
    std::vector<std::string> scale_sets_;
    nlohmann::json inputs_ = nlohmann::json::object();
    store::ResultLayout layout_;
};

store::ResultTables Features::tables() const {
    store::ResultTables tables;
    // Read once more rather than kept by every rank: names are most of a BED file's memory.
    auto const names = genome::read_bed(settings_.path("regions.bed"), chroms_).names;
    tables.obs = region_frame(regions_, names, chroms_);

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
    expression_.describe(settings_, chroms_, uns);
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
    if (!expression_.columns().empty()) {
        auto const accessibility = accessibility_.cell_types().empty()
                                       ? std::span<float>()
                                       : rows.array<float>("obsm/accessibility");
        expression_.read_rows(first, accessibility, rows.array<float>("obsm/expression"));
    }
    for (auto const& [path, is_promoter] : promoters_) {
        auto const flags = rows.array<std::uint8_t>(path);
        for (std::size_t i = 0; i < count; ++i) {
            flags[i] = is_promoter[first + i] ? 1 : 0;
        }
    }
}

void Features::finish(store::FinishedRows& rows) {
    auto const features = rows.array<float>("X");
    auto const width = scanner_.feature_count();
    auto const types = accessibility_.cell_types().size();
    auto const accessibility = types > 0 ? rows.array<float>("obsm/accessibility") : std::span<float const>();
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
    auto const scale = rows.fixed_array<float>("varm/scale");
    std::size_t never = 0;
    for (std::size_t feature = 0; feature < width; ++feature) {
        never += maxima[0][feature] > 0 ? 0 : 1;
        for (std::size_t set = 0; set < maxima.size(); ++set) {
            // A feature that never occurs is 0 everywhere, whatever divides it.
            scale[feature * maxima.size() + set] = maxima[set][feature] > 0 ? maxima[set][feature] : 1.0F;
        }
    }
    std::vector<std::int64_t> open(types, 0);
    for (std::size_t i = 0; i < accessibility.size(); ++i) open[i % types] += accessibility[i] > 0 ? 1 : 0;
    for (std::size_t type = 0; type < types; ++type) {
        log::info("{}: {} of {} regions are accessible", accessibility_.cell_types()[type], open[type],
                  regions_.size());
    }
    auto const unknown = rows.array<std::int32_t>("obs/unknown_bases");
    log::info("{} of {} features occur in no region; {} unknown bases (N or ambiguous) in {} scan windows",
              never, width, std::accumulate(unknown.begin(), unknown.end(), std::int64_t{0}),
              std::ranges::count_if(unknown, [](std::int32_t bases) { return bases > 0; }));
}

std::unique_ptr<store::Job> make(Settings const& settings, Place const& /*place*/) {
    return std::make_unique<Features>(settings);
}

}  // namespace

JobEntry features_entry() {
    return {"features", "a genome, regions and motifs to an atlas: regions x motif features",
            "mpirun -n 2 mpira features --config config/quickstart/features.toml --output atlas.h5ad",
            features_settings, make};
}

}  // namespace mpira::jobs
