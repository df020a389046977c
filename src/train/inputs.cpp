#include "mpira/train/inputs.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <numeric>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"
#include "mpira/model/weights.hpp"
#include "mpira/train/estimators.hpp"
#include "mpira/train/settings.hpp"

#include "train/table_maker.hpp"

namespace mpira::train {

namespace {

using genome::PlaceRange;

// The cell types of the run; one without a name where none is given.
std::vector<std::string> cell_types_of(Settings const& settings, atlas::Atlas const& atlas) {
    auto names = settings.texts("target.cell_type");
    if (names == std::vector<std::string>{"*"}) names = atlas.cell_types();
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i), names[i]) !=
            names.begin() + static_cast<std::ptrdiff_t>(i)) {
            settings.refuse("target.cell_type", fmt::format("'{}' is given twice", names[i]));
        }
    }
    return names;
}

void check_input_settings(Settings const& settings, atlas::Atlas const& atlas,
                          std::vector<std::string> const& cell_types) {
    if (is_estimator(settings)) check_estimator_settings(settings);
    auto const head = head_of(settings);
    bool const accessibility = head == model::HeadKind::accessibility;
    auto const& mode = settings.text("input.accessibility");
    bool const accessible_only = settings.text("input.rows") == "accessible";
    bool const cut_off = settings.number("target.least_accessibility") > 0;
    if (cell_types.empty() && (accessibility || mode != "constant" || accessible_only || cut_off)) {
        settings.refuse("target.cell_type", fmt::format("is needed; {} has {}", atlas.file().string(),
                                                        fmt::join(atlas.cell_types(), ", ")));
    }
    if (accessibility && mode != "constant") {
        settings.refuse("input.accessibility", "an accessibility model sees 1; leave it at \"constant\"");
    }
    if (mode == "binarised" && !accessible_only) {
        settings.refuse("input.rows", "binarised accessibility needs input.rows = \"accessible\"");
    }
    if (settings.number("input.least_accessibility") > 0 && !accessible_only) {
        settings.refuse("input.least_accessibility", "goes with input.rows = \"accessible\"");
    }
    if (!settings.texts("input.cutoffs").empty() && !accessible_only) {
        settings.refuse("input.cutoffs", "goes with input.rows = \"accessible\"");
    }
    if (head == model::HeadKind::expression && settings.texts("target.expression").empty()) {
        settings.refuse("target.expression", "name the columns to predict");
    }
    if (head != model::HeadKind::expression) {
        for (auto const* const key : {"target.expression", "target.least_accessibility"})
            settings.refuse_given(key, fmt::format("is of target.kind = \"expression\", this one is \"{}\"",
                                                   settings.text("target.kind")));
    }
    if (head != model::HeadKind::masked) {
        for (auto const* const key : {"mask.ratio", "mask.draw"})
            settings.refuse_given(key, "is of target.kind = \"masked\", which alone masks regions");
    }
    if (settings.texts("holdout.motifs").empty())
        settings.refuse_given("holdout.motif_cutoff", "says who carries holdout.motifs, and none are given");
    if (head == model::HeadKind::masked && settings.integer("target.permute_labels") >= 0) {
        settings.refuse("target.permute_labels", "masked pretraining has no labels");
    }
}

// The part of the runs that lies in one cell type.
std::vector<PlaceRange> runs_in(std::span<PlaceRange const> runs, PlaceRange places) {
    std::vector<PlaceRange> inside;
    for (auto const& run : runs) {
        if (run.first >= places.first && run.end <= places.end) inside.push_back(run);
    }
    return inside;
}

// What is learned from, and what the best epoch is chosen by: the base's records and this run's.
std::vector<SeenRecord> seen_by(Settings const& settings, Inputs const& inputs,
                                std::vector<SeenRecord> records) {
    auto const head = head_of(settings);
    bool const accessibility = head == model::HeadKind::accessibility ||
                               settings.text("input.accessibility") != "constant" ||
                               settings.text("input.rows") == "accessible";
    for (auto const& [cell_type, places, purpose] : inputs.table.cell_types) {
        auto runs = runs_in(inputs.train_runs, places);
        auto const validation = runs_in(inputs.validation_runs, places);
        runs.insert(runs.end(), validation.begin(), validation.end());
        auto const intervals = intervals_of(inputs.atlas->regions(), inputs.table.rows, runs);
        if (intervals.empty()) continue;
        SeenRecord record{.kind = SeenKind::inputs,
                          .cell_type = {},
                          .columns = {},
                          .assembly = inputs.atlas->assembly(),
                          .intervals = intervals};
        records.push_back(record);
        record.cell_type = cell_type;
        if (accessibility) {
            record.kind = SeenKind::accessibility;
            records.push_back(record);
        }
        if (head == model::HeadKind::expression) {
            record.kind = SeenKind::expression;
            record.columns = columns_of(settings, cell_type, inputs.cell_types.size() > 1);
            records.push_back(record);
        }
    }
    return merged(std::move(records));
}

HeldOutTarget target_of(Settings const& settings, Inputs const& inputs) {
    HeldOutTarget target{.kind = SeenKind::inputs,
                         .cell_types = inputs.holdout.test_cell_types,
                         .columns = {},
                         .assembly = inputs.atlas->assembly(),
                         .intervals = inputs.holdout.test};
    if (target.cell_types.empty()) target.cell_types = inputs.cell_types;
    switch (head_of(settings)) {
        case model::HeadKind::masked:
            break;
        case model::HeadKind::accessibility:
            target.kind = SeenKind::accessibility;
            break;
        case model::HeadKind::expression:
            target.kind = SeenKind::expression;
            if (target.cell_types.empty()) target.columns = columns_of(settings, {}, false);
            for (auto const& cell_type : target.cell_types) {
                auto const columns = columns_of(settings, cell_type, inputs.cell_types.size() > 1);
                target.columns.insert(target.columns.end(), columns.begin(), columns.end());
            }
    }
    return target;
}

// The card of init.weights, which must read the same features as this run.
std::optional<model::ModelCard> base_of(Settings const& settings, atlas::Atlas const& atlas) {
    auto const file = settings.path("init.weights");
    bool const lora = settings.integer("lora.rank") > 0;
    if (file.empty()) {
        if (lora) settings.refuse("lora.rank", "adaptors need weights to adapt: give init.weights");
        return std::nullopt;
    }
    if (settings.text("model.kind") != "get") {
        settings.refuse("init.weights", "a CNN or MLP starts from fresh weights");
    }
    if (lora && !settings.texts("input.left_out_motifs").empty()) {
        settings.refuse("input.left_out_motifs",
                        "columns can't be taken out of frozen weights; train all of them (lora.rank = 0)");
    }
    model::Weights const weights(file);
    auto const& card = weights.card();
    auto const same = [&](std::string_view what, std::string_view theirs, std::string_view ours) {
        require(theirs == ours, fmt::format("init.weights and atlas disagree on {}: '{}' in {}, '{}' in {}",
                                            what, theirs, file.string(), ours, atlas.file().string()));
    };
    auto const& motifs = atlas.feature_names();
    same("the number of motifs", std::to_string(card.motifs.size()), std::to_string(motifs.size()));
    for (std::size_t i = 0; i < motifs.size(); ++i)
        same(fmt::format("motif {}", i), card.motifs[i], motifs[i]);
    same("where motif features come from (the scan model, or what was imported)", card.scan_hash,
         atlas.scan_hash());
    return card;
}

// A cell type's own scales go by its name in a card.
std::string scale_set_of(std::string const& set, std::string const& cell_type) {
    return !set.empty() && set == cell_type ? "cell_type" : set;
}

nlohmann::json texts_of(std::span<genome::HeldOutInterval const> intervals) {
    auto texts = nlohmann::json::array();
    for (auto const& interval : intervals) texts.push_back(genome::to_text(interval));
    return texts;
}

}  // namespace

Inputs read_inputs(Settings const& settings) {
    return read_inputs(settings,
                       std::make_shared<atlas::Atlas const>(atlas::Atlas::open(settings.path("atlas"))));
}

Inputs read_inputs(Settings const& settings, std::shared_ptr<atlas::Atlas const> atlas) {
    Inputs inputs;
    inputs.cell_types = cell_types_of(settings, *atlas);
    check_input_settings(settings, *atlas, inputs.cell_types);
    inputs.base = base_of(settings, *atlas);
    inputs.warnings = scoring_warnings(settings, *atlas);
    inputs.table = make_table(settings, *atlas, inputs.cell_types);
    auto const regions = atlas->regions();
    inputs.holdout = holdout_of(settings, regions, inputs.cell_types);
    if (!inputs.holdout.unknown_chroms.empty()) {
        inputs.warnings.push_back(
            fmt::format("{}: the atlas lacks some of its chromosomes, which are left out: {}",
                        settings.text("holdout.folds"), fmt::join(inputs.holdout.unknown_chroms, ", ")));
    }
    auto split = split_places(regions, inputs.table.rows, inputs.table.cell_types, inputs.holdout);
    inputs.uses = std::move(split.uses);
    inputs.train_runs = std::move(split.train);
    inputs.validation_runs = std::move(split.validation);
    inputs.test_runs = std::move(split.test);
    inputs.network =
        network_of(settings, inputs.table.motifs(), inputs.base ? &inputs.base->architecture : nullptr);
    inputs.recipe = recipe_of(settings);
    inputs.atlas = std::move(atlas);

    // Which rows are held out, by interval: a table of folds may be edited between runs.
    inputs.identity = settings.to_json(/*result_only=*/true);
    inputs.identity["atlas"] = inputs.atlas->content_hash();
    inputs.identity["test intervals"] = texts_of(inputs.holdout.test);
    inputs.identity["validation intervals"] = texts_of(inputs.holdout.validation);
    inputs.identity["validation cell types"] = inputs.holdout.validation_cell_types;
    inputs.identity.erase("holdout.folds");
    for (auto const& key : keys_without_effect(settings)) inputs.identity.erase(key);
    if (!inputs.holdout.train.empty() || !inputs.holdout.train_cell_types.empty()) {  // of a fold file
        inputs.identity["test cell types"] = inputs.holdout.test_cell_types;
        inputs.identity["training intervals"] = texts_of(inputs.holdout.train);
        inputs.identity["training cell types"] = inputs.holdout.train_cell_types;
        inputs.identity["margin"] = inputs.holdout.margin_bp;
    }
    if (inputs.base) {
        std::ranges::move(input_differences(settings, *inputs.base, inputs.cell_types),
                          std::back_inserter(inputs.warnings));
        inputs.identity["base"] = inputs.base->content_hash;
        inputs.identity.erase("init.weights");  // the content counts, not the name
        auto const base_seen = seen_of(inputs.base->seen, settings.text("init.weights"));
        if (inputs.holdout.has_test()) {
            inputs.base_saw =
                seen_by_base(base_seen, target_of(settings, inputs), settings.path("init.weights"));
        }
        inputs.seen = seen_by(settings, inputs, base_seen);
    } else {
        inputs.seen = seen_by(settings, inputs, {});
    }
    return inputs;
}

std::vector<std::string> input_differences(Settings const& settings, model::ModelCard const& base,
                                           std::span<std::string const> cell_types) {
    std::vector<std::string> sentences;
    auto const compare = [&](char const* key, std::string_view theirs, std::string_view ours) {
        if (theirs.empty() || theirs == ours) return;
        sentences.push_back(
            fmt::format("{} was trained with {} = \"{}\", this run has \"{}\": it sees other inputs than it "
                        "has learned to read",
                        settings.text("init.weights"), key, theirs, ours));
    };
    compare("input.scale_set", scale_set_of(base.scale_set, base.cell_type),
            scale_set_of(settings.text("input.scale_set"), cell_types.size() == 1 ? cell_types[0] : ""));
    // Where it isn't measured, all rows have 1; which rows there are is compared below.
    bool const measured = settings.text("input.accessibility") == "quantitative";
    if (measured != (base.accessibility == model::AccessibilityMode::quantitative)) {
        compare("input.accessibility", model::name_of(base.accessibility),
                settings.text("input.accessibility"));
    }
    compare("input.rows", base.window_regions, settings.text("input.rows"));
    if (base.window_regions == settings.text("input.rows"))
        compare("input.least_accessibility", fmt::format("{:g}", base.least_accessibility),
                fmt::format("{:g}", settings.number("input.least_accessibility")));
    return sentences;
}

model::ModelCard card_of(Settings const& settings, Inputs const& inputs) {
    model::ModelCard card;
    card.architecture = inputs.network;
    card.assembly = inputs.atlas->assembly();
    card.motifs = inputs.atlas->feature_names();
    card.scan_hash = inputs.atlas->scan_hash();
    card.window = settings.integer("window.regions");
    card.focus = card.window / 2;
    card.accessibility = model::accessibility_mode(settings.text("input.accessibility"), settings.source());
    // With several cell types no single one is the model's; with scales of their own, those of the first.
    if (inputs.cell_types.size() == 1) card.cell_type = inputs.cell_types.front();
    card.scale_set = settings.text("input.scale_set");
    if (card.scale_set == "cell_type" && inputs.cell_types.size() == 1) card.scale_set = card.cell_type;
    auto const scales =
        inputs.atlas->scale(card.scale_set == "cell_type" ? inputs.cell_types.front() : card.scale_set);
    card.scales.assign(scales.begin(), scales.end());
    card.seen = to_json(inputs.seen);
    if (inputs.base) {
        card.parents = inputs.base->parents;
        card.parents.push_back(inputs.base->content_hash);
    }
    for (auto const& interval : inputs.holdout.test) {
        auto const end = interval.end == genome::HeldOutInterval::kWhole
                             ? std::numeric_limits<std::int64_t>::max()
                             : interval.end;
        card.held_out.push_back({interval.chrom, interval.start, end});
    }
    card.window_regions = settings.text("input.rows");
    card.least_accessibility = settings.number("input.least_accessibility");
    if (card.architecture.head == model::HeadKind::expression) {
        card.output_names = output_names(settings);
    }
    return card;
}

std::uint64_t count(std::span<PlaceRange const> runs) {
    return std::accumulate(runs.begin(), runs.end(), std::uint64_t{0},
                           [](std::uint64_t sum, PlaceRange run) { return sum + run.size(); });
}

}  // namespace mpira::train
