#include "train/sweep_rows.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <ranges>
#include <string_view>
#include <utility>

#include <c10/core/GradMode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"
#include "mpira/model/network.hpp"
#include "mpira/train/estimators.hpp"
#include "mpira/train/metrics.hpp"
#include "mpira/train/networks.hpp"
#include "mpira/train/settings.hpp"

namespace mpira::train {

namespace {

using store::Type;

/// The number of a place's cell type in the atlas; -1: none.
std::int32_t cell_type_of(Inputs const& inputs, std::uint64_t place) {
    auto const& table = inputs.table;
    if (inputs.cell_types.empty()) return -1;
    auto const& name = table.cell_types.empty() ? inputs.cell_types.front()
                                                : table.cell_types[table.cell_type_of(place)].name;
    auto const& names = inputs.atlas->cell_types();
    auto const at = std::find(names.begin(), names.end(), name);
    return at == names.end() ? -1 : static_cast<std::int32_t>(at - names.begin());
}

bool holds_out_several(Inputs const& inputs) {
    auto const& runs = inputs.test_runs;
    return std::ranges::any_of(runs, [&](genome::PlaceRange const& run) {
        return cell_type_of(inputs, run.first) != cell_type_of(inputs, runs.front().first);
    });
}

}  // namespace

SweepRows::SweepRows(Settings const& settings, SweepPlan const& plan,
                     std::shared_ptr<atlas::Atlas const> atlas)
    : settings_(settings), plan_(plan), atlas_(std::move(atlas)) {
    look_at_runs();
    make_layout();
}

SweepRows::StoredWeights SweepRows::stored_weights(model::Network const& network) {
    StoredWeights stored;
    for (auto const& parameter : network.trainable_parameters()) {
        stored.names.push_back(parameter.name);
        stored.shapes.push_back(fmt::format("{}", fmt::join(parameter.tensor.sizes(), ",")));
        stored.offsets.push_back(static_cast<std::int64_t>(stored.count));
        stored.count += static_cast<std::uint64_t>(parameter.tensor.numel());
    }
    return stored;
}

void SweepRows::look_at_runs() {
    auto hash = nlohmann::json::array();
    bool several_cell_types = false;
    auto const per_seed = plan_.folds.size();
    auto const per_setting = plan_.seeds.size() * per_seed;
    std::optional<GeneCounter> genes;
    for (std::size_t r = 0; r < plan_.runs.size(); ++r) {
        auto const& run = plan_.runs[r];
        auto const setting = r / per_setting;
        bool const first_seed = r % per_setting < per_seed;
        if (!first_seed) {  // the seed changes neither the split nor the shapes
            facts_.push_back(facts_[setting * per_setting + r % per_seed]);
            continue;
        }
        auto const inputs = read_inputs(run.settings, atlas_);
        if (run.settings.text("target.kind") == "masked") {
            settings_.refuse("target.kind",
                             "masked pretraining has no held-out predictions; use mpira train");
        }
        require(!inputs.test_runs.empty(),
                fmt::format("{}: run {} holds nothing out", settings_.source(), run.name));
        bool const estimator = is_estimator(run.settings);
        if (r % per_setting == 0) {
            weights_.push_back(estimator ? StoredWeights{}
                                         : stored_weights(*make_network(run.settings, inputs, at::kCPU)));
        }
        if (r == 0) {
            outputs_ = inputs.table.outputs;
            output_names_ = output_names(run.settings);
        }
        require(
            inputs.table.outputs == outputs_,
            fmt::format("{}: folds.settings: all settings must predict the same number of columns; {} has "
                        "{}, {} has {}",
                        settings_.source(), plan_.runs.front().setting, outputs_, run.setting,
                        inputs.table.outputs));
        if (!genes) genes.emplace(atlas_->regions().size(), outputs_);
        if (r % per_setting == 0) genes->begin_series();
        genes->add(inputs);
        holds_out_cell_types_ = holds_out_cell_types_ || !inputs.holdout.test_cell_types.empty();
        several_cell_types = several_cell_types || holds_out_several(inputs);
        auto const trained =
            static_cast<std::uint64_t>(std::count(inputs.uses.begin(), inputs.uses.end(), Use::train));
        facts_.push_back(
            {.held_out = count(inputs.test_runs),
             .trained = trained,
             .cost = static_cast<double>(trained) *
                     (estimator ? estimator_cost(run.settings, inputs)
                                : static_cast<double>(weights_.back().count) *
                                      static_cast<double>(std::max<std::uint64_t>(1, inputs.recipe.epochs))),
             .base_saw = fmt::format("{}", fmt::join(inputs.base_saw, "; "))});
        most_held_out_ = std::max(most_held_out_, facts_.back().held_out);
        if (!estimator) most_epochs_ = std::max(most_epochs_, inputs.recipe.epochs);
        hash.push_back(inputs.identity);
        for (auto const& sentence : inputs.warnings) {
            if (std::ranges::find(warnings_, sentence) == warnings_.end()) warnings_.push_back(sentence);
        }
    }
    if (genes) genes_ = genes->genes();
    if (several_cell_types) by_cell_type_.emplace(plan_, used_sets(), atlas_->cell_types().size());
    for (auto const& one : weights_) most_weights_ = std::max(most_weights_, one.count);
    inputs_hash_ = ContentHash().add(hash.dump()).hex();
}

void SweepRows::make_layout() {
    layout_.job = "folds";
    layout_.rows = plan_.runs.size();
    layout_.rows_per_unit = 1;
    auto& rows = layout_.row_arrays;
    rows = {{"X", Type::f64, {kFigures.size()}},
            {"obs/kept_epoch", Type::i32, {}},
            {"obs/epochs", Type::i32, {}},
            {"obs/held_out_regions", Type::i32, {}},
            {"obs/scored_entries", Type::i32, {}},
            {"obs/trained_regions", Type::i32, {}},
            {"obsm/curves", Type::f32, {std::max<std::uint64_t>(1, most_epochs_), curve_columns().size()}},
            {"obsm/heldout_row", Type::i32, {most_held_out_}},
            {"obsm/heldout_cell_type", Type::i32, {most_held_out_}},
            {"obsm/heldout_predicted", Type::f32, {most_held_out_, outputs_}},
            {"obsm/heldout_target", Type::f32, {most_held_out_, outputs_}},
            {"obsm/heldout_scored", Type::u8, {most_held_out_, outputs_}}};
    if (holds_out_cell_types_) {
        rows.push_back({"obsm/heldout_training_mean", Type::f32, {most_held_out_, outputs_}});
        for (auto const* const name : kBaselineFigures) {
            rows.push_back({fmt::format("obsm/{}", name), Type::f64, {kFigures.size()}});
        }
    }
    for (auto const& key : plan_.drawn_keys) rows.push_back({"obs/" + key, Type::f64, {}});
    if (stores_weights()) rows.push_back({"obsm/weights", Type::f32, {most_weights_}});
    if (by_cell_type_) by_cell_type_->add_arrays(layout_);
    for (auto const set : used_sets()) {
        for (char const* const what : {"mean", "sd"}) {
            layout_.fixed_arrays.push_back(
                {summary_path(set, what), Type::f64, {plan_.series(), kFigures.size()}, {}});
            if (!holds_out_cell_types_) continue;
            for (auto const* const name : kBaselineFigures) {
                layout_.fixed_arrays.push_back({summary_path(set, fmt::format("{}_{}", name, what)),
                                                Type::f64,
                                                {plan_.series(), kFigures.size()},
                                                {}});
            }
        }
    }
    if (!genes_.empty()) add_gene_arrays(layout_, genes_, plan_.series());
    layout_.fixed_arrays.push_back({"uns/summary/pooled", Type::f64, {plan_.series(), kFigures.size()}, {}});
    layout_.fixed_arrays.push_back({"uns/summary/best_run", Type::i64, {1}, {}});
    layout_.identity = settings_.to_json(/*result_only=*/true);
    layout_.identity.erase("holdout.folds");
    if (std::ranges::none_of(plan_.runs, [](auto const& run) { return is_estimator(run.settings); })) {
        for (auto const& key : estimator_keys()) layout_.identity.erase(key);
    }
    layout_.identity["atlas"] = atlas_->content_hash();
    layout_.identity["folds"] = plan_.folds;
    layout_.identity["inputs of all runs"] = inputs_hash_;
}

std::vector<std::size_t> SweepRows::runs_to_measure() const {
    constexpr std::size_t kMost = 4;
    auto const per_setting = plan_.seeds.size() * plan_.folds.size();
    std::vector<std::size_t> runs;
    std::vector<std::pair<std::string, std::uint64_t>> known;
    std::size_t networks = 0;
    for (std::size_t setting = 0; setting < weights_.size(); ++setting) {
        auto const run = setting * per_setting;
        auto const size = weights_[setting].count;
        std::pair const one(size == 0 ? plan_.runs[run].settings.text("model.kind") : "network", size);
        if (std::ranges::find(known, one) != known.end() || (size > 0 && networks++ == kMost)) continue;
        known.push_back(one);
        runs.push_back(run);
    }
    return runs;
}

std::vector<std::string> SweepRows::what_bases_saw() const {
    std::map<std::string, std::size_t> runs;
    for (auto const& facts : facts_) {
        if (!facts.base_saw.empty()) ++runs[facts.base_saw];
    }
    std::vector<std::string> sentences;
    for (auto const& [saw, count] : runs) {
        sentences.push_back(fmt::format("in {} of {} runs (obs/base_saw): {}", count, facts_.size(), saw));
    }
    return sentences;
}

// Without recipe folds there is only one set to take means over.
std::vector<FoldSet> SweepRows::used_sets() const {
    if (std::ranges::find(plan_.is_recipe_fold, true) == plan_.is_recipe_fold.end()) return {FoldSet::all};
    return {FoldSet::all, FoldSet::recipe, FoldSet::other};
}

store::ResultTables SweepRows::tables() const {
    store::ResultTables tables;
    tables.obs.index_name = "run";
    store::StringColumn fold{"fold", {}, true};
    store::StringColumn setting{"setting", {}, true};
    store::StringColumn overrides{"overrides", {}, true};
    store::StringColumn base_saw{"base_saw", {}, true};
    store::IntegerColumn seed{"seed", {}};
    store::IntegerColumn recipe{"recipe_fold", {}};
    for (std::size_t r = 0; r < plan_.runs.size(); ++r) {
        auto const& run = plan_.runs[r];
        tables.obs.index.push_back(run.name);
        fold.values.push_back(run.fold);
        setting.values.push_back(run.setting);
        overrides.values.push_back(run.overrides);
        base_saw.values.push_back(facts_[r].base_saw);
        seed.values.push_back(static_cast<std::int64_t>(run.seed));
        recipe.values.push_back(plan_.is_recipe_fold[r % plan_.folds.size()] ? 1 : 0);
    }
    tables.obs.strings = {std::move(fold), std::move(setting), std::move(overrides), std::move(base_saw)};
    tables.obs.integers = {std::move(seed), std::move(recipe)};
    tables.var.index_name = "figure";
    tables.var.index.assign(kFigures.begin(), kFigures.end());

    auto series = nlohmann::json::array();
    for (std::size_t i = 0; i < plan_.series(); ++i) series.push_back(plan_.series_name(i));
    auto settings = nlohmann::json::object();
    auto const every_setting = settings_.to_json(/*result_only=*/false);
    for (auto const& [key, value] : every_setting.items()) {
        if (!(value.is_array() && value.empty())) settings[key] = value;
    }
    auto weights = nlohmann::json::object();
    if (stores_weights()) {
        for (std::size_t i = 0; i < weights_.size(); ++i) {
            if (weights_[i].count == 0) continue;
            auto name = plan_.settings[i];
            std::replace(name.begin(), name.end(), '/', '_');
            weights[name] = {{"names", weights_[i].names},
                             {"shapes", weights_[i].shapes},
                             {"offsets", weights_[i].offsets}};
        }
    }
    tables.uns = {{"settings", settings},
                  {"summary", {{"series", series}}},
                  {"curve_columns", curve_columns()},
                  {"output_names", output_names_},
                  {"region_names", atlas_->region_names()},
                  {"assembly", atlas_->assembly()},
                  {"atlas_hash", atlas_->content_hash()},
                  {"weights", weights}};
    if (!genes_.empty()) {
        tables.uns["across_cell_types"] = {
            {"figures", std::vector<std::string>(kGeneFigures.begin(), kGeneFigures.end())}};
    }
    tables.uns["notes"]["X"] =
        "figures of a run over what it held out: loss and validation_loss are Poisson losses in nats; "
        "pearson, spearman and r2 are on the target's scale over the entries that count "
        "(obsm/heldout_scored), _all over all; auroc where targets are 0 and 1";
    if (!atlas_->cell_types().empty()) tables.uns["cell_types"] = atlas_->cell_types();
    return tables;
}

void SweepRows::take(std::size_t run, Inputs const& inputs, Fit const& learned, store::UnitRows& rows) const {
    auto const figures =
        figures_of(learned.held_out.value(), learned.validation ? learned.validation->loss : kUndefined);
    std::copy(figures.begin(), figures.end(), rows.array<double>("X").begin());
    auto const put = [&](char const* path, std::uint64_t value) {
        rows.array<std::int32_t>(path)[0] = static_cast<std::int32_t>(value);
    };
    put("obs/kept_epoch", learned.kept_epoch);
    put("obs/epochs", learned.history.size());
    put("obs/held_out_regions", facts_[run].held_out);
    put("obs/scored_entries", learned.held_out->entries);
    put("obs/trained_regions", facts_[run].trained);
    for (std::size_t k = 0; k < plan_.drawn_keys.size(); ++k) {
        rows.array<double>("obs/" + plan_.drawn_keys[k])[0] = plan_.runs[run].drawn[k];
    }
    write_curves(learned.history, rows.array<float>("obsm/curves"));
    take_held_out(inputs, learned, rows);
    if (by_cell_type_) by_cell_type_->take(rows);
    if (holds_out_cell_types_) take_training_means(inputs, learned, rows);
    if (!stores_weights() || learned.kept == nullptr) return;
    auto to = rows.array<float>("obsm/weights").begin();
    for (auto const& parameter : learned.kept->trainable_parameters()) {
        auto const host = parameter.tensor.detach().to(at::kCPU, at::kFloat).contiguous();
        to = std::copy_n(host.const_data_ptr<float>(), host.numel(), to);
    }
}

void SweepRows::put_weights(std::span<float const> stored, model::Network const& network) {
    c10::NoGradGuard const plain_copies;
    for (auto const& parameter : network.trainable_parameters()) {
        auto const count = static_cast<std::size_t>(parameter.tensor.numel());
        auto const host = parameter.tensor.contiguous();
        std::ranges::copy(stored.first(count), host.data_ptr<float>());
        if (!host.is_same(parameter.tensor)) parameter.tensor.copy_(host);
        stored = stored.subspan(count);
    }
}

void SweepRows::take_held_out(Inputs const& inputs, Fit const& learned, store::UnitRows& rows) const {
    auto const& table = inputs.table;
    auto const row = rows.array<std::int32_t>("obsm/heldout_row");
    auto const cell_type = rows.array<std::int32_t>("obsm/heldout_cell_type");
    auto const predicted = rows.array<float>("obsm/heldout_predicted");
    auto const wanted = rows.array<float>("obsm/heldout_target");
    auto const scored = rows.array<std::uint8_t>("obsm/heldout_scored");
    std::fill(row.begin(), row.end(), -1);
    std::fill(cell_type.begin(), cell_type.end(), -1);
    std::fill(predicted.begin(), predicted.end(), std::numeric_limits<float>::quiet_NaN());
    std::fill(wanted.begin(), wanted.end(), std::numeric_limits<float>::quiet_NaN());
    std::size_t at = 0;
    for (auto const& range : inputs.test_runs) {
        for (auto place = range.first; place < range.end; ++place, ++at) {
            row[at] = static_cast<std::int32_t>(table.rows[place]);
            cell_type[at] = cell_type_of(inputs, place);
            for (std::uint64_t output = 0; output < outputs_; ++output) {
                auto const from = place * outputs_ + output;
                auto const to = at * outputs_ + output;
                predicted[to] = learned.predicted[to];
                wanted[to] = table.targets[from];
                scored[to] = table.scored.empty() ? 1 : table.scored[from];
            }
        }
    }
}

void SweepRows::take_training_means(Inputs const& inputs, Fit const& learned, store::UnitRows& rows) const {
    auto const means = training_means(inputs);
    auto const to = rows.array<float>("obsm/heldout_training_mean");
    std::fill(to.begin(), to.end(), std::numeric_limits<float>::quiet_NaN());
    std::copy(means.begin(), means.end(), to.begin());
    // What lies in the row already, without its padding.
    auto const target = std::span<float const>(rows.array<float>("obsm/heldout_target")).first(means.size());
    auto const scored =
        std::span<std::uint8_t const>(rows.array<std::uint8_t>("obsm/heldout_scored")).first(means.size());
    auto const [baseline, model] = score_side_by_side(means, learned.predicted, target, scored);
    std::ranges::copy(figures_of(baseline, kUndefined), rows.array<double>("obsm/training_mean").begin());
    std::ranges::copy(figures_of(model, kUndefined), rows.array<double>("obsm/beside_training_mean").begin());
}

}  // namespace mpira::train
