#include "jobs/lentimpra_models.hpp"

#include <algorithm>
#include <fstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/base/text.hpp"
#include "mpira/genome/scan_model.hpp"
#include "mpira/model/weights.hpp"

namespace mpira::jobs {
namespace {

constexpr std::size_t kModelsKept = 2;

/// The lines of "group <tab> file", files relative to the table.
std::map<std::string, std::filesystem::path> read_weights_table(std::filesystem::path const& table) {
    std::ifstream in(table);
    require(in.good(), fmt::format("cannot open {} (model.weights_by_group)", table.string()));
    std::map<std::string, std::filesystem::path> files;
    std::string line;
    for (int number = 1; std::getline(in, line); ++number) {
        if (text::trim(line).empty() || line.front() == '#') continue;
        auto const fields = text::split(text::trim(line), '\t');
        if (fields.size() != 2)
            fail_usage(fmt::format("{}: line {}: expected group <tab> weights file, found {} fields",
                                   table.string(), number, fields.size()));
        std::filesystem::path file = fields[1];
        if (file.is_relative()) file = table.parent_path() / file;
        if (!files.emplace(fields[0], std::move(file)).second)
            fail_usage(
                fmt::format("{}: line {}: group '{}' is given twice", table.string(), number, fields[0]));
    }
    require(!files.empty(), fmt::format("{}: no group <tab> weights line", table.string()));
    return files;
}

/// The weights of each group in use: one file for all (a single nameless group), or by the table.
std::vector<std::filesystem::path> files_of(Settings const& settings, std::string const& table_key,
                                            std::string const& single_key,
                                            std::vector<std::string> const& groups) {
    auto const single = settings.path(single_key);
    auto const table = settings.path(table_key);
    if (!single.empty() && !table.empty())
        settings.refuse(table_key, fmt::format("give this or {}, not both", single_key));
    if (!single.empty()) return std::vector<std::filesystem::path>(groups.size(), single);
    if (table.empty()) return {};
    auto const by_group = read_weights_table(table);
    std::vector<std::filesystem::path> files;
    for (auto const& group : groups) {
        auto const found = by_group.find(group);
        if (found == by_group.end())
            fail_usage(fmt::format("{}: no weights for group '{}', which elements belong to", table.string(),
                                   group));
        files.push_back(found->second);
    }
    return files;
}

std::vector<genome::HeldOutInterval> held_out_of(model::ModelCard const& card) {
    std::vector<genome::HeldOutInterval> intervals;
    for (auto const& one : card.held_out) intervals.push_back({one.chromosome, one.start, one.end});
    return intervals;
}

/// Whether the model saw no base of the locus: all of it lies in held-out intervals, which may adjoin.
bool is_unseen(model::ModelCard const& card, genome::ElementLibrary::Locus const& locus) {
    std::int64_t covered = locus.start;
    for (bool grew = true; grew && covered < locus.end;) {
        grew = false;
        for (auto const& one : card.held_out) {
            if (one.chromosome != locus.chrom || one.start > covered || one.end <= covered) continue;
            covered = one.end;
            grew = true;
        }
    }
    return covered >= locus.end;
}

/// What two models of one campaign must have in common.
void require_alike(model::ModelCard const& first, std::filesystem::path const& first_file,
                   model::ModelCard const& other, std::filesystem::path const& other_file) {
    auto const same = [&](std::string_view what, auto const& one, auto const& two) {
        if (one != two)
            fail_usage(
                fmt::format("{} and {} differ in {} ({} and {}): the models of a campaign must agree on it",
                            first_file.string(), other_file.string(), what, one, two));
    };
    same("window", first.window, other.window);
    same("focus", first.focus, other.focus);
    same("the regions of their windows", first.window_regions, other.window_regions);
}

}  // namespace

ScreenModels::ScreenModels(Settings const& settings, atlas::Atlas const& atlas,
                           genome::ElementLibrary const& library, Place const& place)
    : settings_(settings), place_(place), atlas_(atlas), library_(library) {
    std::string_view const table_key = settings.path("model.weights_by_group").empty()
                                           ? "accessibility.weights_by_group"
                                           : "model.weights_by_group";
    bool const by_group = !settings.path(table_key).empty();
    if (by_group && library.group_names().empty())
        settings.refuse(table_key, "elements have no group; give elements.groups or elements.group_column");
    names_ = by_group ? library.group_names() : std::vector<std::string>{""};
    files_ = files_of(settings, "model.weights_by_group", "model.weights", names_);
    if (files_.empty())
        settings.refuse("model.weights", "give the weights of a model, or model.weights_by_group");
    accessibility_files_ =
        files_of(settings, "accessibility.weights_by_group", "accessibility.weights", names_);

    for (auto const& file : files_) {
        cards_.push_back(model::Weights(file).card());
        require_fits(cards_.back(), file);
        auto const& first = cards_.front();
        auto const& card = cards_.back();
        require_alike(first, files_.front(), card, files_[cards_.size() - 1]);
        if (card.names_of_outputs() != first.names_of_outputs())
            fail_usage(fmt::format("{} and {} have other outputs: one campaign reads models of one kind",
                                   files_.front().string(), file.string()));
    }
    for (std::size_t i = 0; i < accessibility_files_.size(); ++i) load_accessibility_card(i);
    auto const& card = cards_.front();
    rules_.regions = settings.count("sites.window") > 0 ? settings.count("sites.window")
                                                        : static_cast<std::uint64_t>(card.window);
    auto const focus = settings.integer("sites.focus");
    rules_.focus = static_cast<std::uint64_t>(focus >= 0 ? focus : card.focus);
    if (rules_.focus >= rules_.regions)
        settings.refuse("sites.focus", fmt::format("{} lies outside a window of {} regions (counted from 0)",
                                                   rules_.focus, rules_.regions));
    rules_.max_span_bp = settings.integer("sites.max_span_bp");
    if (rules_.regions != static_cast<std::uint64_t>(card.window))
        log::info("warning: windows of {} regions, the models were trained on {}", rules_.regions,
                  card.window);
    elements_of_model_.resize(files_.size());
    for (std::uint64_t element = 0; element < library.size(); ++element)
        ++elements_of_model_[model_of(element)];
    if (auto const& cell_type = settings.text("atlas.cell_type");
        !cell_type.empty() && !atlas.has_cell_type(cell_type))
        settings.refuse("atlas.cell_type",
                        fmt::format("'{}' is not in {}{}", cell_type, atlas.file().string(),
                                    text::did_you_mean(cell_type, atlas.cell_types())));
    // That no site is left is told now, and not by the first unit of each model.
    for (std::size_t model = 0; model < cards_.size(); ++model)
        if (elements_of_model_[model] > 0) static_cast<void>(sites_of(model));
    check_loci();
}

void ScreenModels::load_accessibility_card(std::size_t i) {
    auto const& file = accessibility_files_[i];
    auto const card = model::Weights(file).card();
    require_fits(card, file);
    if (card.architecture.head != model::HeadKind::accessibility)
        fail_usage(fmt::format(
            "{}: accessibility.weights needs a model with the accessibility head, this one has '{}'",
            file.string(), model::name_of(card.architecture.head)));
    if (cards_[i].architecture.head == model::HeadKind::accessibility)
        settings_.refuse(
            "accessibility.weights",
            fmt::format("{} has the accessibility head already; leave this setting out, or give a "
                        "model with the expression head as model.weights",
                        files_[i].string()));
    require_alike(cards_[i], files_[i], card, file);
    // One vector an element goes into both models.
    if (card.scale_set != cards_[i].scale_set)
        fail_usage(fmt::format("{} was trained with the scale set '{}', {} with '{}': train both with one",
                               files_[i].string(), cards_[i].scale_set, file.string(), card.scale_set));
    accessibility_cards_.push_back(card);
}

void ScreenModels::require_fits(model::ModelCard const& card, std::filesystem::path const& file) const {
    if (card.architecture.head == model::HeadKind::masked)
        fail_usage(fmt::format(
            "{}: a pretrained model (masked head) predicts motifs, not expression; train a head first",
            file.string()));
    auto const& sets = atlas_.scale_sets();
    if (std::find(sets.begin(), sets.end(), card.scale_set) == sets.end())
        fail_usage(fmt::format("{}: the model's scale set '{}' is not in {}{}", file.string(), card.scale_set,
                               atlas_.file().string(), text::did_you_mean(card.scale_set, sets)));
    model::AtlasFacts facts;
    facts.assembly = atlas_.assembly();
    facts.motifs = atlas_.feature_names();
    facts.scan_hash = atlas_.scan_model().hash();
    auto const& cell_type =
        settings_.text("atlas.cell_type").empty() ? card.cell_type : settings_.text("atlas.cell_type");
    facts.cell_type = cell_type;
    // An atlas without that cell type can only serve models that were trained with the constant column.
    facts.accessibility =
        atlas_.has_cell_type(cell_type) ? card.accessibility : model::AccessibilityMode::constant;
    facts.scale_set = card.scale_set;
    auto const scales = atlas_.scale(card.scale_set);
    facts.scales.assign(scales.begin(), scales.end());
    model::require_matches(card, file, facts, atlas_.file());
}

void ScreenModels::check_loci() const {
    auto const& mode = settings_.text("model.unseen_locus");
    if (mode == "ignore") return;
    std::uint64_t seen = 0;
    std::uint64_t first_seen = 0;
    for (std::uint64_t element = 0; element < library_.size(); ++element) {
        auto const locus = library_.locus(element);
        if (!locus) continue;
        auto const model = model_of(element);
        if (is_unseen(cards_[model], *locus) &&
            (!has_accessibility() || is_unseen(accessibility_cards_[model], *locus)))
            continue;
        if (seen++ == 0) first_seen = element;
    }
    if (seen == 0) return;
    auto const& file = files_[model_of(first_seen)];
    auto const message = fmt::format(
        "{} of {} elements lie where their model was trained ('{}' and {}): their predictions are not held "
        "out",
        seen, library_.size(), library_.name(first_seen), file.string());
    if (mode == "refuse") settings_.refuse("model.unseen_locus", message);
    log::info("warning: {}", message);
}

std::size_t ScreenModels::model_of(std::uint64_t element) const {
    return names_.size() == 1 && names_.front().empty() ? 0 : library_.group(element);
}

std::vector<float> ScreenModels::scales_for(std::uint64_t element) const {
    return atlas_.scale(cards_[model_of(element)].scale_set);
}

genome::Sites ScreenModels::sites_of(std::size_t model) const {
    auto const& card = cards_[model];
    auto const& wanted = settings_.text("sites.regions");
    bool const accessible =
        wanted == "accessible" || (wanted == "model" && card.window_regions == "accessible");
    auto const& cell_type =
        settings_.text("atlas.cell_type").empty() ? card.cell_type : settings_.text("atlas.cell_type");
    auto intervals = held_out_of(card);
    if (has_accessibility()) {
        auto const more = held_out_of(accessibility_cards_[model]);
        intervals.insert(intervals.end(), more.begin(), more.end());
    }
    auto const held_out = genome::held_out_rows(atlas_.regions(), intervals, genome::Belongs::overlap);
    genome::SiteFilter filter;
    filter.chroms = settings_.texts("sites.chroms");
    filter.excluded = held_out;
    filter.site_class = atlas_.promoter();
    auto const& site_class = settings_.text("sites.class");
    if (site_class != "all") {
        if (atlas_.promoter().empty())
            settings_.refuse("sites.class",
                             atlas_.file().string() + " does not say which regions are promoters");
        filter.classes = {static_cast<std::uint8_t>(site_class == "promoter" ? 1 : 0)};
    }
    return {atlas_.regions(), accessible ? atlas_.accessible_rows(cell_type) : atlas_.all_rows(), rules_,
            filter};
}

std::unique_ptr<Screen> ScreenModels::load(std::size_t model) const {
    auto const& card = cards_[model];
    auto screen = std::make_unique<Screen>(Screen{sites_of(model), atlas_.scale(card.scale_set), {}, {}, {}});
    auto const& cell_type =
        settings_.text("atlas.cell_type").empty() ? card.cell_type : settings_.text("atlas.cell_type");
    if (card.accessibility == model::AccessibilityMode::quantitative)
        screen->accessibility = atlas_.accessibility(cell_type);

    model::FeatureTable table;
    table.regions = static_cast<std::int64_t>(atlas_.region_count());
    table.motifs = static_cast<std::int64_t>(atlas_.feature_count());
    table.features = atlas_.features();
    table.rows = screen->sites.chosen();
    table.scales = screen->scales;
    table.accessibility = screen->accessibility;

    model::InsertionOptions options;
    options.window = static_cast<std::int64_t>(rules_.regions);
    options.focus = static_cast<std::int64_t>(rules_.focus);
    options.micro_batch = settings_.integer("model.micro_batch");
    options.one_query = options.shared_embedding = settings_.flag("model.shortcuts");
    // The uninserted control depends on its window only. Where windows recur often enough, each is predicted
    // once and remembered, in fixed blocks; the rule decides bits, so it must not depend on the number of
    // ranks.
    auto const draws = elements_of_model_[model] * settings_.count("sites.insertions");
    options.remember_uninserted = settings_.flag("model.shortcuts") && draws >= 2 * screen->sites.size();
    options.uninserted_batch = options.micro_batch;
    options.shared_embedding_bytes = settings_.integer("model.shared_embedding_mb") << 20;
    options.check_every = settings_.integer("model.check_every");
    model::Compute compute{
        place_.device, place_.threads,
        settings_.text("model.precision") == "bf16" ? model::Precision::bf16 : model::Precision::f32};

    screen->expression =
        std::make_unique<model::InsertionPredictor>(model::Predictor(files_[model], compute), table, options);
    if (has_accessibility()) {
        table.accessibility = {};  // that model was trained with the column set to 1
        screen->accessibility_model = std::make_unique<model::InsertionPredictor>(
            model::Predictor(accessibility_files_[model], compute), table, options);
    }
    log::debug("{}: {}; {}", files_[model].string(), screen->expression->describe(),
               screen->sites.describe());
    return screen;
}

Screen& ScreenModels::for_element(std::uint64_t element) {
    std::size_t const model = model_of(element);
    auto const found =
        std::find_if(loaded_.begin(), loaded_.end(), [&](auto const& one) { return one.first == model; });
    if (found != loaded_.end()) {
        loaded_.splice(loaded_.begin(), loaded_, found);
    } else {
        if (loaded_.size() >= kModelsKept) loaded_.pop_back();
        loaded_.emplace_front(model, load(model));
    }
    return *loaded_.front().second;
}

nlohmann::json ScreenModels::hashes() const {
    nlohmann::json object = nlohmann::json::object();
    for (std::size_t i = 0; i < names_.size(); ++i) {
        auto const name = names_[i].empty() ? std::string("all") : names_[i];
        object["model." + name] = cards_[i].content_hash;
        if (has_accessibility()) object["accessibility." + name] = accessibility_cards_[i].content_hash;
    }
    return object;
}

std::string ScreenModels::describe() const {
    auto const& card = cards_.front();
    auto const& net = card.architecture;
    return fmt::format("{} model{} {}x{} ({} outputs{}), windows of {} regions, focus {}", cards_.size(),
                       cards_.size() == 1 ? "" : "s", net.dim, net.depth, net.outputs,
                       has_accessibility() ? " and accessibility" : "", rules_.regions, rules_.focus);
}

}  // namespace mpira::jobs
