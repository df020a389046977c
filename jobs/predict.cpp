// Predictions of a model at every gene, or every region, of cell types: forwards only, the rows and windows
// of the jacobian job (jobs/jacobian_inputs.hpp). A unit is a block of rows.
#include <algorithm>
#include <array>
#include <span>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mpira/atlas/atlas.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"
#include "mpira/model/jacobian.hpp"
#include "mpira/model/predictor.hpp"

#include "jobs/attribution_summary.hpp"
#include "jobs/cell_type_reader.hpp"
#include "jobs/entries.hpp"
#include "jobs/gene_runs.hpp"
#include "jobs/jacobian_inputs.hpp"

namespace mpira::jobs {
namespace {

constexpr char const* kEmbedding = "obsm/embedding";
constexpr char const* kGenePredicted = "uns/gene_predicted";
constexpr char const* kGeneObserved = "uns/gene_observed";

DeviceSize const kUnit{"units.rows", 64, 2048};

/// The place of the layer named by embeddings.layer in embedding_layers(), in all models; -1: none is kept.
std::int64_t embedding_layer(Settings const& settings, JacobianInputs const& inputs) {
    auto const& name = settings.text("embeddings.layer");
    if (name.empty()) return -1;
    auto const& first = inputs.cell_types().front();
    for (auto const& one : inputs.cell_types())
        if (one.card.script)
            settings.refuse(
                "embeddings.layer",
                fmt::format("{} is TorchScript: it has no layers that are known here", one.weights.string()));
    auto const layers = model::embedding_layers(first.card.architecture);
    auto const found = std::ranges::find(layers, name);
    if (found == layers.end())
        settings.refuse("embeddings.layer",
                        fmt::format("{} has no layer '{}'{}; it has {}", first.weights.string(), name,
                                    text::did_you_mean(name, layers), fmt::join(layers, ", ")));
    for (auto const& one : inputs.cell_types()) {
        auto const& wanted = first.card.architecture;
        auto const& found_there = one.card.architecture;
        if (wanted.dim != found_there.dim || wanted.depth != found_there.depth)
            settings.refuse("embeddings.layer",
                            fmt::format("{} and {} are of other widths or depths: their embeddings are no "
                                        "columns of one matrix",
                                        first.weights.string(), one.weights.string()));
    }
    return found - layers.begin();
}

class Predict final : public store::Job {
public:
    Predict(Settings const& settings, Place const& place)
        : atlas_(atlas::Atlas::open(settings.path("atlas.file"))),
          inputs_(settings, atlas_, false, false),
          outputs_(inputs_.shared_outputs()),
          layer_(embedding_layer(settings, inputs_)),
          layer_name_(settings.text("embeddings.layer")),
          gene_value_(settings.text("genes.value")),
          reader_(settings, place, atlas_, inputs_) {
        layout_.job = "predict";
        layout_.rows = inputs_.rows().size();
        layout_.rows_per_unit = settings.count("units.rows");
        layout_.row_arrays = {{"X", store::Type::f32, {outputs_.size()}},
                              {"layers/observed", store::Type::f32, {outputs_.size()}}};
        if (inputs_.has_genes()) {
            layout_.row_arrays.push_back({"obs/predicted", store::Type::f32, {}});
            layout_.row_arrays.push_back({"obs/observed", store::Type::f32, {}});
            genes_ = gene_runs(inputs_.rows());
            add_gene_runs(layout_, genes_);
            for (auto const* const path : {kGenePredicted, kGeneObserved})
                layout_.fixed_arrays.push_back({path, store::Type::f32, {genes_.size()}, {}});
        }
        if (layer_ >= 0) {
            auto const dim = inputs_.cell_types().front().card.architecture.dim;
            layout_.row_arrays.push_back({kEmbedding, store::Type::f32, {static_cast<std::uint64_t>(dim)}});
        }
        layout_.identity = settings.to_json(true);
        layout_.identity["atlas.content"] = atlas_.content_hash();
        layout_.identity["inputs"] = inputs_.hashes();
    }

    [[nodiscard]] store::ResultLayout const& layout() const override { return layout_; }
    [[nodiscard]] store::ResultTables tables() const override;
    [[nodiscard]] double relative_cost(std::uint64_t unit) const override {
        return regions_read(layout_, inputs_.rows(), unit);
    }
    void run(std::uint64_t unit, store::UnitRows& rows, std::stop_token stop) override;
    void finish(store::FinishedRows& rows) override;
    [[nodiscard]] std::string describe() const override {
        return fmt::format("{}\n{}", atlas_.describe(), inputs_.describe());
    }

private:
    atlas::Atlas atlas_;
    JacobianInputs inputs_;
    std::vector<std::string> outputs_;
    std::int64_t layer_;
    std::string layer_name_;
    std::string gene_value_;
    std::vector<GeneRun> genes_;
    CellTypeReader reader_;
    store::ResultLayout layout_;
};

store::ResultTables Predict::tables() const {
    store::ResultTables tables;
    tables.obs = inputs_.obs();
    tables.var.index_name = "output";
    tables.var.index = outputs_;
    tables.uns = inputs_.provenance();
    tables.uns["notes"]["X"] =
        "prediction of each output, on the scale its model was trained on (log10(TPM + 1) for published "
        "expression)";
    tables.uns["notes"]["observed"] = "not a number where the atlas has no column for an output";
    if (inputs_.has_genes()) {
        tables.uns["gene_value"] = gene_value_;
        tables.uns["notes"]["obs"] = "predicted, observed: of the output of the gene's own strand";
        tables.uns["notes"]["gene_predicted"] =
            "gene_predicted[g] and gene_observed[g] are the gene_value of obs/predicted and obs/observed "
            "over gene_row_count[g] rows of obs from gene_first_row[g] on: one gene and cell type. Where the "
            "atlas has a gene's expression at each of its starts, sum counts it as often in both, and "
            "correlates them by the number of starts.";
    }
    if (layer_ >= 0) {
        tables.uns["embedding_layer"] = layer_name_;
        tables.uns["notes"]["embedding"] = "of the row's own region, behind that layer, in its window";
    }
    return tables;
}

void Predict::run(std::uint64_t /*unit*/, store::UnitRows& rows, std::stop_token stop) {
    auto const x = rows.array<float>("X");
    auto const observed = rows.array<float>("layers/observed");
    auto const embedding = layer_ >= 0 ? rows.array<float>(kEmbedding) : std::span<float>();
    auto const wide = outputs_.size();
    reader_.for_each_cell_type(rows, [&](std::span<JacobianRow const> wanted, std::uint64_t offset) {
        model::JacobianResult result;
        result.predictions = x.subspan(offset * wide, wanted.size() * wide);
        if (layer_ >= 0) {
            auto const dim = embedding.size() / rows.row_count();
            result.layer = layer_;
            result.embeddings = embedding.subspan(offset * dim, wanted.size() * dim);
        }
        reader_.predictor().run(windows_of(wanted), model::Attribution::gradient, result, stop);
        for (std::size_t i = 0; i < wanted.size(); ++i)
            for (std::uint32_t output = 0; output < wide; ++output)
                observed[(offset + i) * wide + output] = reader_.observed(wanted[i], output);
        if (!inputs_.has_genes()) return;
        for (std::size_t i = 0; i < wanted.size(); ++i) {
            auto const own = (offset + i) * wide + wanted[i].output;
            rows.array<float>("obs/predicted")[offset + i] = x[own];
            rows.array<float>("obs/observed")[offset + i] = observed[own];
        }
    });
}

void Predict::finish(store::FinishedRows& rows) {
    if (genes_.empty()) return;
    auto const how = gene_value_named(gene_value_);
    auto const predicted = rows.array<float>("obs/predicted"), observed = rows.array<float>("obs/observed");
    auto const gene_predicted = rows.fixed_array<float>(kGenePredicted);
    auto const gene_observed = rows.fixed_array<float>(kGeneObserved);
    for (std::size_t g = 0; g < genes_.size(); ++g) {
        auto const of_gene = [&](std::span<float const> values) {
            return values.subspan(genes_[g].first, genes_[g].count);
        };
        gene_value(how, of_gene(predicted), of_gene(predicted), gene_predicted.subspan(g, 1));
        gene_value(how, of_gene(observed), of_gene(predicted), gene_observed.subspan(g, 1));
    }
}

std::vector<SettingSpec> predict_settings() {
    auto specs = jacobian_input_settings(false);
    specs.push_back({"embeddings.layer", SettingKind::text, std::string(),
                     "Keep the row's region as the network sees it (obsm/embedding): region_embed, "
                     "encoder.blocks.0 and on, or encoder.norm, what the head reads. Empty: not kept."});
    specs.push_back({kUnit.key,
                     SettingKind::integer,
                     std::int64_t{0},
                     "Rows a work unit. Units of 0.1 to 10 s balance best. " + explain(kUnit),
                     Affects::result,
                     {},
                     0,
                     1e6});
    return specs;
}

}  // namespace

JobEntry predict_entry() {
    return {"predict", "predictions at every gene or region of cell types, beside what was observed",
            "mpirun -n 2 mpira predict --config predict.toml --output predict.h5ad", predict_settings,
            [](Settings const& settings, Place const& place) -> std::unique_ptr<store::Job> {
                return std::make_unique<Predict>(settled(settings, std::array{kGradientBatch, kUnit}, place),
                                                 place);
            }};
}

}  // namespace mpira::jobs
