#include "jobs/jacobian.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "mpira/atlas/atlas.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/float16.hpp"
#include "mpira/model/jacobian.hpp"
#include "mpira/model/predictor.hpp"

#include "jobs/attribution_summary.hpp"
#include "jobs/cell_type_reader.hpp"
#include "jobs/entries.hpp"
#include "jobs/gene_runs.hpp"
#include "jobs/jacobian_inputs.hpp"
#include "jobs/sparse_row.hpp"

namespace mpira::jobs {
namespace {

constexpr char const* kScore = "obsm/region_score";
constexpr char const* kGenes = "uns/gene_by_motif";

model::Attribution method_named(std::string_view name) {
    using enum model::Attribution;
    for (auto const method : {gradient, gradient_x_input, integrated_gradients, knock_out})
        if (model::name_of(method) == name) return method;
    throw Error(Origin::internal, fmt::format("'{}' is no attribution method", name));
}

class Jacobian final : public store::Job {
public:
    Jacobian(Settings const& settings, Place const& place)
        : settings_(settings),
          atlas_(atlas::Atlas::open(settings.path("atlas.file"))),
          inputs_(settings, atlas_, true, settings.text("attribution.method") != "knock_out"),
          reader_(settings, place, atlas_, inputs_, settings.integer("attribution.steps")),
          method_(method_named(settings.text("attribution.method"))),
          knocks_all_(method_ == model::Attribution::knock_out &&
                      settings.text("attribution.knock_out") == "all"),
          summaries_(summaries_named(settings.texts("summaries.regions"), "summaries.regions")),
          region_summaries_(summaries_named(settings.texts("summaries.features"), "summaries.features")),
          keeps_scores_(settings.flag("region_scores.keep") && method_ != model::Attribution::knock_out),
          jacobian_type_(settings.text("results.jacobian")),
          features_(atlas_.feature_count() + 1),
          slot_(inputs_.most_regions()) {
        if (summaries_.empty())
            settings.refuse("summaries.regions", "name at least one summary: X is the first");
        if (method_ == model::Attribution::knock_out && jacobian_type_ != "none")
            settings.refuse("results.jacobian", "knock-outs take no gradients; leave it at none");
        for (auto const& [key, method] :
             {std::pair{"attribution.steps", model::Attribution::integrated_gradients},
              std::pair{"attribution.knock_out", model::Attribution::knock_out}})
            if (method != method_)
                settings.refuse_given(key,
                                      fmt::format("is of attribution.method = \"{}\", this one is \"{}\"",
                                                  model::name_of(method), model::name_of(method_)));
        for (auto const& one : inputs_.cell_types())
            if (one.card.script && keeps_scores_)
                settings.refuse(
                    "region_scores.keep",
                    fmt::format("{} is TorchScript: scores are norms of gradients at a GET's region "
                                "embeddings, which it has not; set this to false",
                                one.weights.string()));
        if (knocks_all_) {  // there is one number a motif: nothing to summarise
            summaries_ = {Summary::sum};
            region_summaries_.clear();
        }
        make_layout();
    }

    [[nodiscard]] store::ResultLayout const& layout() const override { return layout_; }
    [[nodiscard]] store::ResultTables tables() const override;
    [[nodiscard]] double relative_cost(std::uint64_t unit) const override {
        return regions_read(layout_, inputs_.rows(), unit);
    }
    void run(std::uint64_t unit, store::UnitRows& rows, std::stop_token stop) override;
    void finish(store::FinishedRows& rows) override;
    [[nodiscard]] std::string describe() const override {
        return fmt::format("{}\n{}\n{}", atlas_.describe(), inputs_.describe(),
                           settings_.text("attribution.method"));
    }

private:
    void make_layout();
    void run_rows(std::span<JacobianRow const> wanted, std::uint64_t offset, store::UnitRows& rows,
                  std::stop_token const& stop);
    /// What is read of some rows, each row's values side by side; what isn't kept is empty.
    struct Read {
        std::size_t outputs = 0;
        std::vector<float> predicted;               ///< (n, outputs)
        std::vector<float> by_feature;              ///< (n, summaries, features)
        std::vector<float> by_region;               ///< (n, region summaries, slot)
        std::vector<float> norms;                   ///< (n, slot)
        std::vector<float> gradients;               ///< (n, slot, features)
        std::vector<float> baseline, attributions;  ///< (n), (n, slot, features): integrated gradients
    };
    /// Calls keep(what was read, first, count) for one part of the windows after the other.
    template <typename Keep>
    void read(std::span<model::JacobianWindow const> windows, std::size_t outputs, Keep const& keep,
              std::stop_token const& stop);
    void keep_row(JacobianRow const& row, std::uint64_t at, Read const& found, std::uint64_t i,
                  store::UnitRows& rows);
    void knock_out(std::span<model::JacobianWindow const> windows, Read& read, std::stop_token const& stop);
    void keep_regions(JacobianRow const& row, std::uint64_t at, std::span<float const> summaries,
                      std::span<float const> norms, store::UnitRows& rows);
    void keep_jacobian(std::uint64_t at, std::span<float const> gradient, store::UnitRows& rows) const;

    Settings settings_;
    atlas::Atlas atlas_;
    JacobianInputs inputs_;
    CellTypeReader reader_;
    model::Attribution method_;
    bool knocks_all_;
    std::vector<Summary> summaries_;
    std::vector<Summary> region_summaries_;
    bool keeps_scores_;
    std::string jacobian_type_;
    std::uint64_t features_;      ///< motifs and accessibility
    std::uint64_t slot_;          ///< regions of the widest window
    std::vector<GeneRun> genes_;  ///< each has a row of uns/gene_by_motif
    store::ResultLayout layout_;
};

void Jacobian::make_layout() {
    auto const& rows = inputs_.rows();
    layout_.job = "jacobian";
    layout_.rows = rows.size();
    layout_.rows_per_unit = settings_.count("units.rows");
    using store::Type;
    layout_.row_arrays = {{"X", Type::f32, {features_}}};
    for (std::size_t i = 1; i < summaries_.size(); ++i)
        layout_.row_arrays.push_back(
            {fmt::format("layers/{}", name_of(summaries_[i])), Type::f32, {features_}});
    layout_.row_arrays.push_back({"obs/predicted", Type::f32, {}});
    layout_.row_arrays.push_back({"obs/observed", Type::f32, {}});
    if (method_ == model::Attribution::integrated_gradients) {
        layout_.row_arrays.push_back({"obs/baseline", Type::f32, {}});
        layout_.row_arrays.push_back({"obs/completeness_gap", Type::f32, {}});
    }
    auto const regions = atlas_.region_count();
    for (auto const summary : region_summaries_)
        store::add_sparse(layout_, fmt::format("obsm/region_{}", name_of(summary)), Type::f32, slot_,
                          regions);
    if (keeps_scores_) store::add_sparse(layout_, kScore, Type::f32, slot_, regions);
    if (jacobian_type_ != "none") {
        auto const type = jacobian_type_ == "f16"    ? Type::f16
                          : jacobian_type_ == "bf16" ? Type::bf16
                                                     : Type::f32;
        layout_.row_arrays.push_back({"obsm/jacobian", type, {slot_, features_}});
        if (type == Type::f16) layout_.row_arrays.push_back({"obs/jacobian_scale", Type::f32, {}});
    }
    if (inputs_.has_genes()) {
        genes_ = gene_runs(rows);
        add_gene_runs(layout_, genes_);
        layout_.fixed_arrays.push_back({kGenes, Type::f32, {genes_.size(), features_}, {}});
    }
    layout_.identity = settings_.to_json(true);
    layout_.identity["atlas.content"] = atlas_.content_hash();
    layout_.identity["inputs"] = inputs_.hashes();
}

store::ResultTables Jacobian::tables() const {
    store::ResultTables tables;
    tables.obs = inputs_.obs();
    tables.var.index_name = "feature";
    tables.var.index = atlas_.feature_names();
    tables.var.index.emplace_back("accessibility");

    auto& uns = tables.uns;
    uns = inputs_.provenance();
    uns["attribution"] = {{"method", settings_.text("attribution.method")}};
    if (method_ == model::Attribution::integrated_gradients) {
        uns["attribution"]["steps"] = settings_.integer("attribution.steps");
        uns["attribution"]["baseline"] = "all motifs 0, the row's own accessibility";
    }
    if (method_ == model::Attribution::knock_out)
        uns["attribution"]["knock_out"] = settings_.text("attribution.knock_out");
    uns["X_is"] = knocks_all_ ? std::string("prediction lost when the feature is 0 in all regions")
                              : fmt::format("{} over the regions of the window", name_of(summaries_.front()));
    uns["region_score"] = {{"nearest", settings_.integer("region_scores.nearest")},
                           {"own", settings_.flag("region_scores.own")},
                           {"scale_summaries", settings_.flag("region_scores.scale_summaries")}};
    uns["gene_value"] = settings_.text("genes.value");
    uns["notes"]["obs"] =
        "position: start of transcription, 0-based (of several in the region, the one nearest to its "
        "centre); "
        "own_output: 1 where the output is that of the gene's strand; "
        "window_start counts among the regions that windows of the cell type consist of; focus: index in the "
        "window of the region that was read; observed is not a number where the atlas has no column for it.";
    uns["notes"]["obsm"] =
        "Columns of sparse matrices are rows of the atlas. A row has as many entries as the widest window; "
        "those beyond its own window are explicit zeros.";
    if (inputs_.has_genes())
        uns["notes"]["gene_by_motif"] =
            "Row g stands for gene_row_count[g] rows of obs from gene_first_row[g] on: one gene, output and "
            "cell type. Columns are var.";
    return tables;
}

void Jacobian::knock_out(std::span<model::JacobianWindow const> windows, Read& read,
                         std::stop_token const& stop) {
    auto const outputs = read.outputs;
    bool const only_focus = settings_.text("attribution.knock_out") == "focus";
    std::vector<model::KnockOut> changes;
    std::vector<float> attributions(slot_ * features_);
    std::vector<float> effects;
    for (std::size_t i = 0; i < windows.size(); ++i) {
        auto const& window = windows[i];
        changes.clear();
        auto const first = knocks_all_ ? model::KnockOut::kAllRegions : only_focus ? window.focus : 0;
        auto const end = knocks_all_ || only_focus ? first + 1 : window.size;
        for (auto region = first; region < end; ++region)
            for (std::uint64_t f = 0; f < features_; ++f)
                changes.push_back({region, static_cast<std::int64_t>(f)});
        effects.resize(changes.size());
        reader_.predictor().knock_out(window, changes, effects,
                                      std::span(read.predicted).subspan(i * outputs, outputs), stop);
        // The one number a motif of `all` stands in the first region's place: its sum is X.
        auto const place = knocks_all_ ? 0 : static_cast<std::size_t>(first) * features_;
        std::ranges::fill(attributions, 0.0F);
        std::ranges::copy(effects, attributions.begin() + static_cast<std::ptrdiff_t>(place));
        // The window's own part: a mean over regions must not count empty places.
        auto const regions = static_cast<std::size_t>(window.size);
        auto const own = std::span(attributions).first(regions * features_);
        for (std::size_t s = 0; s < summaries_.size(); ++s)
            over_regions(
                summaries_[s], own,
                std::span(read.by_feature).subspan((i * summaries_.size() + s) * features_, features_));
        for (std::size_t s = 0; s < region_summaries_.size(); ++s)
            over_features(
                region_summaries_[s], own,
                std::span(read.by_region).subspan((i * region_summaries_.size() + s) * slot_, regions));
    }
}

void Jacobian::keep_regions(JacobianRow const& row, std::uint64_t at, std::span<float const> summaries,
                            std::span<float const> norms, store::UnitRows& rows) {
    if (region_summaries_.empty() && !keeps_scores_) return;
    auto const sparse = sparse_row(reader_.chosen().subspan(row.window.first, row.window.size), slot_);
    auto const put = [&](std::string const& path, std::span<float const> by_region) {
        auto const data = rows.array<float>(path + "/data").subspan(at * slot_, slot_);
        for (std::size_t r = 0; r < sparse.entries.size(); ++r) data[sparse.entries[r]] = by_region[r];
        std::ranges::copy(sparse.columns, rows.array<std::int32_t>(path + "/indices").begin() +
                                              static_cast<std::ptrdiff_t>(at * slot_));
    };
    auto const regions = atlas_.regions();
    std::vector<float> by_region(row.window.size);
    std::vector<double> scores(row.window.size);
    std::vector<std::int64_t> centres(row.window.size);
    for (std::uint32_t r = 0; r < row.window.size; ++r) {
        auto const region = reader_.chosen()[row.window.first + r];
        centres[r] = (regions.start[region] + regions.end[region]) / 2;
    }
    auto const put_scaled = [&](std::string const& path) {
        scale_scores(scores, centres, row.position, row.window.focus,
                     {settings_.count("region_scores.nearest"), settings_.flag("region_scores.own")});
        std::ranges::transform(scores, by_region.begin(),
                               [](double score) { return static_cast<float>(score); });
        put(path, by_region);
    };
    for (std::size_t s = 0; s < region_summaries_.size(); ++s) {
        auto const path = fmt::format("obsm/region_{}", name_of(region_summaries_[s]));
        std::ranges::copy(summaries.subspan(s * slot_, row.window.size), by_region.begin());
        std::ranges::copy(by_region, scores.begin());
        settings_.flag("region_scores.scale_summaries") ? put_scaled(path) : put(path, by_region);
    }
    if (!keeps_scores_) return;
    for (std::uint32_t r = 0; r < row.window.size; ++r)
        scores[r] =
            static_cast<double>(norms[r]) * reader_.accessibility(reader_.chosen()[row.window.first + r]);
    put_scaled(kScore);
}

void Jacobian::keep_jacobian(std::uint64_t at, std::span<float const> gradient, store::UnitRows& rows) const {
    auto const first = static_cast<std::ptrdiff_t>(at * gradient.size());
    if (jacobian_type_ == "f32") {
        std::ranges::copy(gradient, rows.array<float>("obsm/jacobian").begin() + first);
        return;
    }
    auto const kept = rows.array<std::uint16_t>("obsm/jacobian").begin() + first;
    if (jacobian_type_ == "bf16") {
        std::ranges::transform(gradient, kept, to_bfloat16);
        return;
    }
    float const scale = float16_scale(gradient);
    rows.array<float>("obs/jacobian_scale")[at] = scale;
    std::ranges::transform(gradient, kept, [scale](float value) { return to_float16(value / scale); });
}

template <typename Keep>
void Jacobian::read(std::span<model::JacobianWindow const> windows, std::size_t outputs, Keep const& keep,
                    std::stop_token const& stop) {
    auto const count = windows.size();
    Read read;
    read.outputs = outputs;
    read.predicted.resize(count * outputs);
    read.by_feature.resize(count * summaries_.size() * features_);
    read.by_region.resize(count * region_summaries_.size() * slot_);
    if (method_ == model::Attribution::knock_out) {
        knock_out(windows, read, stop);
        keep(read, 0, count);
        return;
    }
    if (jacobian_type_ != "none") read.gradients.resize(count * slot_ * features_);
    if (keeps_scores_) read.norms.resize(count * slot_);
    model::JacobianResult result;
    result.regions = static_cast<std::int64_t>(slot_);
    result.predictions = read.predicted;
    result.gradients = read.gradients;
    result.feature_summaries = summaries_;
    result.by_feature = read.by_feature;
    result.region_summaries = region_summaries_;
    result.by_region = read.by_region;
    result.embedding_norms = read.norms;
    if (method_ == model::Attribution::integrated_gradients) {
        read.baseline.resize(count);
        read.attributions.resize(count * slot_ * features_);  // zeros beyond a window: nothing in a sum
        result.baseline = read.baseline;
        result.attributions = read.attributions;
    }
    reader_.predictor().run(windows, method_, result, stop,
                            [&](std::size_t first, std::size_t some) { keep(read, first, some); });
}

void Jacobian::keep_row(JacobianRow const& row, std::uint64_t at, Read const& found, std::uint64_t i,
                        store::UnitRows& rows) {
    auto const part = [](std::vector<float> const& all, std::size_t number, std::size_t size) {
        return all.empty() ? std::span<float const>() : std::span(all).subspan(number * size, size);
    };
    for (std::size_t s = 0; s < summaries_.size(); ++s) {
        auto const path = s == 0 ? std::string("X") : fmt::format("layers/{}", name_of(summaries_[s]));
        std::ranges::copy(part(found.by_feature, i * summaries_.size() + s, features_),
                          rows.array<float>(path).subspan(at * features_, features_).begin());
    }
    float const prediction = found.predicted[i * found.outputs + row.output];
    rows.array<float>("obs/predicted")[at] = prediction;
    rows.array<float>("obs/observed")[at] = reader_.observed(row, row.output);
    if (!found.baseline.empty()) {
        auto const own = part(found.attributions, i, slot_ * features_);
        double const sum = std::accumulate(own.begin(), own.end(), 0.0);
        rows.array<float>("obs/baseline")[at] = found.baseline[i];
        rows.array<float>("obs/completeness_gap")[at] = static_cast<float>(
            sum - (static_cast<double>(prediction) - static_cast<double>(found.baseline[i])));
    }
    keep_regions(row, at, part(found.by_region, i, region_summaries_.size() * slot_),
                 part(found.norms, i, slot_), rows);
    if (!found.gradients.empty()) keep_jacobian(at, part(found.gradients, i, slot_ * features_), rows);
}

void Jacobian::run_rows(std::span<JacobianRow const> wanted, std::uint64_t offset, store::UnitRows& rows,
                        std::stop_token const& stop) {
    auto const outputs = inputs_.cell_types()[wanted.front().cell_type].card.names_of_outputs().size();
    auto const keep = [&](Read const& found, std::size_t first, std::size_t count) {
        for (auto i = first; i < first + count; ++i) keep_row(wanted[i], offset + i, found, i, rows);
    };
    read(windows_of(wanted), outputs, keep, stop);
}

void Jacobian::run(std::uint64_t /*unit*/, store::UnitRows& rows, std::stop_token stop) {
    reader_.for_each_cell_type(rows, [&](std::span<JacobianRow const> wanted, std::uint64_t offset) {
        run_rows(wanted, offset, rows, stop);
    });
}

void Jacobian::finish(store::FinishedRows& rows) {
    if (genes_.empty()) return;
    auto const x = rows.array<float>("X");
    auto const predicted = rows.array<float>("obs/predicted");
    auto const out = rows.fixed_array<float>(kGenes);
    auto const how = gene_value_named(settings_.text("genes.value"));
    for (std::size_t g = 0; g < genes_.size(); ++g) {
        auto const& gene = genes_[g];
        gene_value(how, x.subspan(gene.first * features_, gene.count * features_),
                   predicted.subspan(gene.first, gene.count), out.subspan(g * features_, features_));
    }
}

}  // namespace

JobEntry jacobian_entry() {
    return {"jacobian",
            "What each motif around a gene contributes: gene-by-motif matrices of cell types, region scores",
            "mpirun -n 2 mpira jacobian --config jacobian.toml --output jacobian.h5ad", jacobian_settings,
            [](Settings const& settings, Place const& place) -> std::unique_ptr<store::Job> {
                return std::make_unique<Jacobian>(
                    settled(settings, std::array{kGradientBatch, kJacobianUnit}, place), place);
            }};
}

}  // namespace mpira::jobs
