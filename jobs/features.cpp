#include "jobs/features.hpp"

#include <algorithm>
#include <memory>
#include <numeric>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "mpira/atlas/accessibility.hpp"
#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/genome/fasta.hpp"
#include "mpira/genome/regions.hpp"

#include "jobs/atlas_file.hpp"
#include "jobs/entries.hpp"
#include "jobs/feature_source.hpp"
#include "jobs/features_expression.hpp"
#include "jobs/features_inputs.hpp"
#include "jobs/region_frame.hpp"

namespace mpira::jobs {
namespace {

class Features final : public store::Job {
public:
    explicit Features(Settings const& settings)
        : settings_(settings), fasta_(open_genome(settings)), chroms_(read_chroms(settings, fasta_)) {
        auto bed = genome::read_bed(settings.path("regions.bed"), chroms_);
        log::info("{}: {}", settings.text("regions.bed"), bed.report.describe());
        regions_ = std::move(bed.regions);
        source_ = settings.path("motifs.hits").empty() ? scan_genome(settings, *fasta_, chroms_, regions_)
                                                       : read_hits(settings, chroms_, regions_);
        auto const names = names_differ(bed.names) ? bed.names : std::vector<std::string>();
        accessibility_ = read_accessibility(settings_, chroms_, regions_, names);
        expression_ = FeaturesExpression(settings_, chroms_, regions_, names, accessibility_);
        scale_sets_ = scale_sets_of(settings_, accessibility_);
        if (auto const promoters = settings.path("regions.promoters"); !promoters.empty()) {
            mark_promoters(genome::read_bed(promoters, chroms_));
        } else if (!expression_.entries().empty()) {
            mark_promoters_of_genes();
        }
        states_ = read_states(settings_, chroms_, regions_);
        make_layout();
    }

    [[nodiscard]] store::ResultLayout const& layout() const override { return layout_; }
    [[nodiscard]] store::ResultTables tables() const override;
    [[nodiscard]] double relative_cost(std::uint64_t unit) const override;
    void run(std::uint64_t unit, store::UnitRows& rows, std::stop_token stop) override;
    void finish(store::FinishedRows& rows) override;

    [[nodiscard]] std::string describe() const override {
        return fmt::format("{} regions x {} of {}, {}; {} cell types{}", regions_.size(), source_->describe(),
                           settings_.text("genome.assembly"), source_->how(),
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
        layout_.row_arrays = {{"X", store::Type::f32, {source_->names().size()}},
                              {"obs/" + source_->counted(), store::Type::i32, {}}};
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
            {"varm/scale", store::Type::f32, {source_->names().size(), scale_sets_.size()}, {}}};
        for (auto const& [name, hash] : source_->inputs()) inputs_[name] = hash;
        inputs_["regions"] = hash_file(settings_.path("regions.bed"));
        if (!accessibility_.cell_types().empty()) {
            inputs_["accessibility"] = accessibility_.content_hash();
        }
        if (!expression_.columns().empty()) {
            inputs_["expression"] = expression_.content_hash();
        }
        if (auto const promoters = settings_.path("regions.promoters"); !promoters.empty()) {
            inputs_["promoters"] = hash_file(promoters);
        }
        if (auto const states = settings_.path("regions.states"); !states.empty()) {
            inputs_["states"] = hash_file(states);
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

    Settings settings_;
    std::optional<genome::Fasta> fasta_;
    genome::ChromSizes chroms_;
    std::vector<genome::Region> regions_;
    std::unique_ptr<FeatureSource> source_;
    atlas::Accessibility accessibility_;
    FeaturesExpression expression_;
    /// Column of obs and a flag a region; none, or obs/promoter first.
    std::vector<std::pair<std::string, std::vector<bool>>> promoters_;
    std::vector<std::string> states_;  ///< a region; empty: not told
    std::vector<std::string> scale_sets_;
    nlohmann::json inputs_ = nlohmann::json::object();
    store::ResultLayout layout_;
};

store::ResultTables Features::tables() const {
    store::ResultTables tables;
    // Read once more rather than kept by every rank: names are most of a BED file's memory.
    auto const names = genome::read_bed(settings_.path("regions.bed"), chroms_).names;
    tables.obs = region_frame(regions_, names, chroms_);

    if (!states_.empty()) tables.obs.strings.push_back({"state", states_, true});
    tables.var.index = source_->names();
    tables.var.strings = {{"motifs", source_->made_of(), false}};

    auto& uns = tables.uns;
    uns = atlas_uns(settings_.text("genome.assembly"), chroms_, scale_sets_, accessibility_.cell_types());
    expression_.describe(settings_, chroms_, uns);
    uns["scan"] = source_->record();
    uns["inputs"] = inputs_;
    uns["settings"] = nlohmann::json::object();
    auto const settings = settings_.to_json(false);
    // Not those of any campaign (where it goes, how it commits), nor empty lists, for which a file has no
    // type.
    for (auto const& spec : features_settings())
        if (auto const& value = settings.at(spec.key); !value.empty()) uns["settings"][spec.key] = value;
    uns["notes"]["X"] = fmt::format(
        "motif score, {}; a model reads min(1, X / varm/scale), a column of varm/scale a scale set",
        settings_.path("motifs.hits").empty()
            ? "over the positions of the region's scan window the sum of the best word's log2 odds (bits) "
              "where it reaches its threshold, 0 without"
            : "the sum of the scores of the hits that share a base with the region, in that file's unit");
    return tables;
}

double Features::relative_cost(std::uint64_t unit) const {
    double bases = 1;
    auto const first = layout_.first_row(unit);
    for (std::uint64_t row = first; row < first + layout_.row_count(unit); ++row) {
        bases += source_->cost(regions_[row]);
    }
    return bases;
}

void Features::run(std::uint64_t /*unit*/, store::UnitRows& rows, std::stop_token stop) {
    auto const first = static_cast<std::size_t>(rows.first_row());
    auto const count = static_cast<std::size_t>(rows.row_count());
    source_->read(std::span(regions_).subspan(first, count), rows.array<float>("X"),
                  rows.array<std::int32_t>("obs/" + source_->counted()), stop);
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
    auto const never = finish_scales(rows, source_->names(), accessibility_.cell_types(), source_->how());
    auto const counts = rows.array<std::int32_t>("obs/" + source_->counted());
    log::info("{}; {}", describe_never(never, source_->names()),
              source_->summary(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}),
                               std::ranges::count_if(counts, [](std::int32_t count) { return count > 0; })));
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
