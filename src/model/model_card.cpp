#include "mpira/model/model_card.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "mpira/base/error.hpp"

#include "json_fields.hpp"

namespace mpira::model {
namespace {

struct ModeName {
    AccessibilityMode mode;
    std::string_view name;
};
constexpr ModeName kModes[] = {{AccessibilityMode::constant, "constant"},
                               {AccessibilityMode::binarised, "binarised"},
                               {AccessibilityMode::quantitative, "quantitative"}};

constexpr char kScript[] = "TorchScript";
constexpr char kRegionMatrix[] = "region_matrix";

bool names_script(nlohmann::json const& architecture) {
    return architecture.is_object() && architecture.value("network", nlohmann::json()) == kScript;
}

/// The tensor contract of a TorchScript file (script.hpp).
void read_script(nlohmann::json const& json, GetConfig& facts) {
    Fields const fields(json, "architecture");
    auto const input = fields.get<std::string>("input");
    require(
        input != "sequence",
        "architecture.input is 'sequence', sequences (N, 4, L): reserved, not read yet; this version reads "
        "'region_matrix', (windows, regions, features)");
    require(input == kRegionMatrix,
            fmt::format("architecture.input is '{}', expected 'region_matrix': (windows, regions, features)",
                        input));
    facts = {};
    facts.features = fields.get<std::int64_t>("features");
    facts.outputs = fields.get<std::int64_t>("outputs");
    facts.head = head_kind(fields.get<std::string>("head"), "architecture.head");
    require(facts.head != HeadKind::masked,
            "architecture.head is 'masked', expected expression or accessibility");
    constexpr std::int64_t kMost = 1 << 24;
    require(facts.features >= 2 && facts.features <= kMost,
            fmt::format("architecture.features = {}, expected 2 to {}: motifs and accessibility",
                        facts.features, kMost));
    auto const most = facts.head == HeadKind::accessibility ? 1 : kMost;
    require(facts.outputs >= 1 && facts.outputs <= most,
            fmt::format("architecture.outputs = {}, expected 1 to {} of a model with the {} head",
                        facts.outputs, most, name_of(facts.head)));
}

// Scales go through text and float: beyond that noise they are others.
constexpr double kScaleTolerance = 1e-6;

}  // namespace

std::string_view name_of(AccessibilityMode mode) {
    for (auto const& entry : kModes) {
        if (entry.mode == mode) return entry.name;
    }
    return "unknown";
}

AccessibilityMode accessibility_mode(std::string_view name, std::string_view where) {
    for (auto const& entry : kModes) {
        if (entry.name == name) return entry.mode;
    }
    fail_usage(
        fmt::format("{}: accessibility is '{}', expected constant, binarised or quantitative", where, name));
}

std::vector<std::string> ModelCard::names_of_outputs() const {
    if (output_names.empty()) return default_output_names(architecture);
    std::vector<std::string> names;  // files written until November 2026 have the columns of their training
    for (auto const& name : output_names) names.push_back(output_name_of(name));
    return names;
}

bool ModelCard::holds_out(std::string_view chrom, std::int64_t start, std::int64_t end) const {
    for (bool grew = true; grew && start < end;) {
        grew = false;
        for (auto const& one : held_out) {
            if (one.chromosome != chrom || one.start > start || one.end <= start) continue;
            start = one.end;
            grew = true;
        }
    }
    return start >= end;
}

std::optional<double> ModelCard::least_accessibility_of(std::string_view wanted) const {
    if (wanted == "accessible") return 0;
    if (wanted == "model" && window_regions == "accessible") return least_accessibility;
    return std::nullopt;
}

WeightsKind ModelCard::kind() const {
    if (adaptor) return WeightsKind::adaptor;
    if (script) return WeightsKind::script;
    return baseline ? WeightsKind::baseline : WeightsKind::get;
}

std::string_view ModelCard::network() const {
    if (adaptor) return "LoRA adaptor";
    if (script) return kScript;
    return baseline ? name_of(baseline->kind) : "GET";
}

std::vector<TensorSpec> tensors_of(ModelCard const& card) {
    if (card.adaptor) return adaptor_tensors_of(card.architecture, card.adaptor->lora);
    return card.baseline ? tensors_of(*card.baseline) : tensors_of(card.architecture);
}

void to_json(nlohmann::json& json, ModelCard const& card) {
    auto held_out = nlohmann::json::array();
    for (auto const& interval : card.held_out) {
        held_out.push_back({interval.chromosome, interval.start, interval.end});
    }
    json = {{"format", ModelCard::kFormat},
            {"architecture", card.architecture},
            {"assembly", card.assembly},
            {"motifs", card.motifs},
            {"scan_hash", card.scan_hash},
            {"window", card.window},
            {"focus", card.focus},
            {"accessibility", name_of(card.accessibility)},
            {"cell_type", card.cell_type},
            {"scale_set", card.scale_set},
            {"scales", card.scales},
            {"held_out", held_out},
            {"window_regions", card.window_regions},
            {"parents", card.parents},
            {"seen", card.seen},
            {"output_names", card.output_names},
            {"training", card.training},
            {"content_hash", card.content_hash}};
    if (card.least_accessibility > 0) json["least_accessibility"] = card.least_accessibility;
    if (card.baseline) json["architecture"] = *card.baseline;
    if (card.script)
        json["architecture"] = {{"network", kScript},
                                {"input", kRegionMatrix},
                                {"features", card.architecture.features},
                                {"outputs", card.architecture.outputs},
                                {"head", name_of(card.architecture.head)}};
    if (card.adaptor) json["adaptor"] = *card.adaptor;
}

void from_json(nlohmann::json const& json, ModelCard& card) {
    Fields const fields(json, "model card");
    auto const format = fields.get<std::int64_t>("format");
    require(format == ModelCard::kFormat,
            fmt::format("model card: format {}, this program reads format {}", format, ModelCard::kFormat));
    auto const& architecture = fields.at("architecture");
    card.baseline.reset();
    card.adaptor.reset();
    card.script = names_script(architecture);
    if (card.script) {
        read_script(architecture, card.architecture);
    } else if (is_baseline(architecture)) {
        from_json(architecture, card.baseline.emplace());
        card.architecture.features = card.baseline->features;
        card.architecture.outputs = card.baseline->outputs;
        card.architecture.head = card.baseline->head;
    } else {
        from_json(architecture, card.architecture);
    }
    if (auto const adaptor = json.find("adaptor"); adaptor != json.end()) {
        require(!card.baseline, fmt::format("model card: a {} has no adaptor", card.network()));
        from_json(*adaptor, card.adaptor.emplace());
    }
    card.assembly = fields.get<std::string>("assembly");
    card.motifs = fields.get<std::vector<std::string>>("motifs");
    card.scan_hash = fields.get<std::string>("scan_hash");
    card.window = fields.get<std::int64_t>("window");
    card.focus = fields.get<std::int64_t>("focus");
    card.accessibility = accessibility_mode(fields.get<std::string>("accessibility"), "model card");
    card.cell_type = fields.get<std::string>("cell_type");
    card.scale_set = fields.get<std::string>("scale_set");
    card.scales = fields.get<std::vector<double>>("scales");
    card.held_out.clear();
    auto const& intervals = fields.at("held_out");
    require(intervals.is_array(), "model card.held_out: expected a list of [chromosome, start, end]");
    for (auto const& interval : intervals) {
        bool const fits = interval.is_array() && interval.size() == 3 && interval[0].is_string() &&
                          interval[1].is_number_integer() && interval[2].is_number_integer();
        require(fits, fmt::format("model card.held_out: {} is no [chromosome, start, end]", interval.dump()));
        card.held_out.push_back({interval[0].get<std::string>(), interval[1].get<std::int64_t>(),
                                 interval[2].get<std::int64_t>()});
    }
    card.window_regions = fields.get<std::string>("window_regions");
    card.least_accessibility =
        json.contains("least_accessibility") ? fields.get<double>("least_accessibility") : 0;
    card.parents = fields.get<std::vector<std::string>>("parents");
    card.seen = json.value("seen", nlohmann::json());
    card.output_names = fields.get<std::vector<std::string>>("output_names");
    card.training = fields.at("training");
    card.content_hash = fields.get<std::string>("content_hash");

    auto const motifs = card.architecture.motifs();
    require(static_cast<std::int64_t>(card.motifs.size()) == motifs,
            fmt::format("model card: {} motif names for {} motif features", card.motifs.size(), motifs));
    require(static_cast<std::int64_t>(card.scales.size()) == motifs,
            fmt::format("model card: {} scales for {} motif features", card.scales.size(), motifs));
    require(
        card.window >= 1 && card.focus >= 0 && card.focus < card.window,
        fmt::format("model card: focus {} lies outside the window of {} regions", card.focus, card.window));
    require(card.output_names.empty() ||
                static_cast<std::int64_t>(card.output_names.size()) == card.architecture.outputs,
            fmt::format("model card: {} output names for {} outputs", card.output_names.size(),
                        card.architecture.outputs));
}

void require_matches(ModelCard const& card, std::filesystem::path const& weights, AtlasFacts const& atlas,
                     std::filesystem::path const& atlas_file) {
    auto const same = [&](std::string_view what, std::string_view model, std::string_view table) {
        require(model == table,
                fmt::format("model and atlas disagree on {}: '{}' in {}, '{}' in {}; use a model "
                            "trained on this atlas, or the atlas the model was trained on",
                            what, model, weights.string(), table, atlas_file.string()));
    };
    same("assembly", card.assembly, atlas.assembly);
    auto const most = std::max(card.motifs.size(), atlas.motifs.size());
    for (std::size_t i = 0; i < most; ++i) {
        auto const in = [&](std::vector<std::string> const& motifs) {
            return i < motifs.size() ? motifs[i] : std::string("(none)");
        };
        same(fmt::format("motif {} of {}", i, atlas.motifs.size()), in(card.motifs), in(atlas.motifs));
    }
    same("where motif features come from (the scan model, or what was imported)", card.scan_hash,
         atlas.scan_hash);
    same("accessibility mode", name_of(card.accessibility), name_of(atlas.accessibility));
    same("scale set", card.scale_set, atlas.scale_set);
    same("number of scales", std::to_string(card.scales.size()), std::to_string(atlas.scales.size()));
    for (std::size_t i = 0; i < atlas.scales.size(); ++i) {
        auto const model = card.scales[i];
        auto const table = atlas.scales[i];
        if (!(std::abs(model - table) <= kScaleTolerance * std::max(std::abs(model), std::abs(table)))) {
            same(fmt::format("the scale of motif {} ({})", i, atlas.motifs[i]), fmt::format("{}", model),
                 fmt::format("{}", table));
            fail_usage(fmt::format("the scale of motif {} ({}) is no number in {} or {}", i, atlas.motifs[i],
                                   weights.string(), atlas_file.string()));
        }
    }
}

}  // namespace mpira::model
