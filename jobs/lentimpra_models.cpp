#include "jobs/lentimpra_models.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/base/text.hpp"
#include "mpira/genome/scan_model.hpp"
#include "mpira/model/scale_set.hpp"

#include "jobs/device_settings.hpp"
#include "jobs/model_fit.hpp"
#include "jobs/script_trust.hpp"
#include "jobs/weights_table.hpp"
#include "jobs/window_rules.hpp"

namespace mpira::jobs {
namespace {

/// Elements of a library that isn't sorted by model ask for another one each time: all are kept that fit into
/// so much, and two at least.
constexpr std::uint64_t kKeptOnHost = std::uint64_t{2} << 30;
constexpr std::uint64_t kKeptOnGpu = std::uint64_t{4} << 30;
constexpr std::size_t kLeastKept = 2;

/// What its model and tables take, about: weights are held as they are and packed.
std::uint64_t bytes_of(std::filesystem::path const& weights, model::InsertionPredictor const& predictor) {
    return 2 * std::filesystem::file_size(weights) + static_cast<std::uint64_t>(predictor.table_bytes());
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
    auto const lines = read_weights_table(table, table_key, "group");
    std::map<std::string, std::filesystem::path> const by_group(lines.begin(), lines.end());
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

/// Windows of all blocks of `size` consecutive starts that hold a site.
std::uint64_t windows_in_blocks(genome::Sites const& sites, std::uint64_t size) {
    std::uint64_t blocks = 0;
    for (std::uint64_t site = 0; site < sites.size(); ++site)
        if (site == 0 || sites.start(site) / size != sites.start(site - 1) / size) ++blocks;
    return blocks * size;
}

std::vector<genome::HeldOutInterval> held_out_of(model::ModelCard const& card) {
    std::vector<genome::HeldOutInterval> intervals;
    for (auto const& one : card.held_out) intervals.push_back({one.chromosome, one.start, one.end});
    return intervals;
}

/// How far the bases scanned for a region reach beyond it at most.
std::int64_t scan_reach_bp(atlas::Atlas const& atlas) {
    return atlas.is_scanned() ? atlas.scan_model().scan_length / 2 : 0;
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
    same("input.least_accessibility", first.least_accessibility, other.least_accessibility);
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
        cards_.push_back(read_model(file, settings, false));
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
    rules_ = window_rules(settings, {"sites.window", "sites.focus", "sites.max_span_bp"}, card);
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
    for (std::size_t i = 0; i < cards_.size(); ++i)
        seen_.emplace_back(cards_[i], files_[i], scan_reach_bp(atlas_));
    for (std::size_t i = 0; i < accessibility_cards_.size(); ++i)
        seen_.emplace_back(accessibility_cards_[i], accessibility_files_[i], scan_reach_bp(atlas_));
    check_loci();
}

void ScreenModels::load_accessibility_card(std::size_t i) {
    auto const& file = accessibility_files_[i];
    auto const card = read_model(file, settings_, false);
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
    if (auto const& one = scale_set_of(cards_[i]), &other = scale_set_of(card); one != other)
        fail_usage(
            fmt::format("{} reads inputs divided by the scale set '{}', {} by '{}': train both with one",
                        files_[i].string(), one, file.string(), other));
    accessibility_cards_.push_back(card);
}

void ScreenModels::require_fits(model::ModelCard const& card, std::filesystem::path const& file) const {
    auto const& cell_type = cell_type_of(card);
    // An atlas without that cell type can only serve models that were trained with the constant column.
    auto const given =
        atlas_.has_cell_type(cell_type) ? card.accessibility : model::AccessibilityMode::constant;
    jobs::require_fits(card, file, atlas_, cell_type, given, settings_, "atlas.cell_type");
}

void ScreenModels::check_loci() const {
    auto const& mode = settings_.text("model.unseen_locus");
    if (mode == "ignore") return;
    std::map<Seen, std::uint64_t> counts;
    std::uint64_t first_seen = library_.size();
    for (std::uint64_t element = 0; element < library_.size(); ++element) {
        if (!library_.locus(element)) continue;
        auto const seen = seen_of(element);
        if (seen == Seen::nothing) continue;
        ++counts[seen];
        first_seen = std::min(first_seen, element);
    }
    if (counts.empty()) return;
    auto const& file = files_[model_of(first_seen)];
    auto const message = fmt::format(
        "{} of {} elements lie where their model was trained ('{}' and {}): {} not wholly in what it holds "
        "out, {} where "
        "it or a base of it saw what it predicts, {} where only inputs were seen, as motif features in "
        "pretraining (a "
        "region counts with the {} bp that its scan may reach beyond it; holdout.margin_bp keeps them "
        "apart). Their "
        "predictions are not held out",
        counts[Seen::not_held_out] + counts[Seen::targets] + counts[Seen::inputs], library_.size(),
        library_.name(first_seen), file.string(), counts[Seen::not_held_out], counts[Seen::targets],
        counts[Seen::inputs], scan_reach_bp(atlas_));
    if (mode == "refuse") settings_.refuse("model.unseen_locus", message);
    log::info("warning: {}", message);
}

Seen ScreenModels::seen_of(std::uint64_t element) const {
    auto const locus = library_.locus(element).value();
    auto const by = [&](std::size_t model) { return seen_[model].of(locus.chrom, locus.start, locus.end); };
    auto const model = model_of(element);
    return has_accessibility() ? std::max(by(model), by(cards_.size() + model)) : by(model);
}

bool ScreenModels::is_unseen(std::uint64_t element) const {
    return library_.locus(element) && seen_of(element) == Seen::nothing;
}

std::size_t ScreenModels::model_of(std::uint64_t element) const {
    return names_.size() == 1 && names_.front().empty() ? 0 : library_.group(element);
}

model::ModelCard const& ScreenModels::card_of(std::uint64_t element) const {
    return cards_[model_of(element)];
}

std::string const& ScreenModels::scale_set_of(model::ModelCard const& card) const {
    return model::scale_set_of(card, cell_type_of(card));
}

std::string const& ScreenModels::cell_type_of(model::ModelCard const& card) const {
    auto const& chosen = settings_.text("atlas.cell_type");
    return chosen.empty() ? card.cell_type : chosen;
}

genome::Sites ScreenModels::sites_of(std::size_t model) const {
    auto const& card = cards_[model];
    auto const least = card.least_accessibility_of(settings_.text("sites.regions"));
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
    return {atlas_.regions(), least ? atlas_.accessible_rows(cell_type_of(card), *least) : atlas_.all_rows(),
            rules_, filter};
}

/// The uninserted control depends on its window only, so each window is predicted once and remembered, in
/// fixed blocks (InsertionOptions), where that pays: alone on a host, which costs a small network 2.7 times
/// as much as in a micro-batch, in blocks on a GPU, of which each rank soon computes all, with all their
/// windows. The memory is a rank's, but the rule decides bits and must not depend on the number of ranks:
/// with as many draws a window as here, 16 and 128 ranks gain. Elements that share their sites repeat one
/// call, which is remembered anyway.
void ScreenModels::remember_uninserted(std::size_t model, genome::Sites const& sites,
                                       model::InsertionOptions& options) const {
    bool const on_host = compute_of(settings_, place_).device < 0;
    auto const draws = elements_of_model_[model] * settings_.count("sites.insertions");
    auto const batch = static_cast<std::uint64_t>(options.micro_batch);
    options.remember_uninserted =
        settings_.flag("model.shortcuts") && settings_.text("sites.mode") != "shared" &&
        draws >= (on_host ? 16 * sites.size() : 128 * windows_in_blocks(sites, batch));
    options.uninserted_batch = on_host ? 1 : options.micro_batch;
}

ScreenModels::Loaded ScreenModels::load(std::size_t model) const {
    auto const& card = cards_[model];
    auto screen =
        std::make_unique<Screen>(Screen{sites_of(model), atlas_.scale(scale_set_of(card)), {}, {}, {}});
    if (card.accessibility == model::AccessibilityMode::quantitative)
        screen->accessibility = atlas_.accessibility(cell_type_of(card));

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
    remember_uninserted(model, screen->sites, options);
    options.shared_embedding_bytes = settings_.integer("model.shared_embedding_mb") << 20;
    options.check_every = settings_.integer("model.check_every");
    auto const compute = compute_of(settings_, place_);

    auto const trust = script_trust(settings_);
    screen->expression = std::make_unique<model::InsertionPredictor>(
        model::Predictor(files_[model], compute, trust), table, options);
    if (has_accessibility()) {
        table.accessibility = {};  // that model was trained with the column set to 1
        screen->accessibility_model = std::make_unique<model::InsertionPredictor>(
            model::Predictor(accessibility_files_[model], compute, trust), table, options);
    }
    log::debug("{}: {}; {}", files_[model].string(), screen->expression->describe(),
               screen->sites.describe());
    auto bytes = bytes_of(files_[model], *screen->expression);
    if (has_accessibility()) bytes += bytes_of(accessibility_files_[model], *screen->accessibility_model);
    return {model, std::move(screen), bytes};
}

Screen& ScreenModels::for_element(std::uint64_t element) {
    std::size_t const model = model_of(element);
    auto const found =
        std::find_if(loaded_.begin(), loaded_.end(), [&](auto const& one) { return one.model == model; });
    if (found != loaded_.end()) {
        loaded_.splice(loaded_.begin(), loaded_, found);
    } else {
        auto const room = compute_of(settings_, place_).device < 0 ? kKeptOnHost : kKeptOnGpu;
        auto const with_another = [&] {  // about as large as the last one
            return std::accumulate(loaded_.begin(), loaded_.end(), loaded_.front().bytes,
                                   [](std::uint64_t sum, Loaded const& one) { return sum + one.bytes; });
        };
        while (loaded_.size() >= kLeastKept && with_another() > room) loaded_.pop_back();
        loaded_.push_front(load(model));
    }
    return *loaded_.front().screen;
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
    auto const size = card.script ? std::string(card.network()) : fmt::format("{}x{}", net.dim, net.depth);
    return fmt::format("{} model{} {} ({} outputs{}), windows of {} regions, focus {}", cards_.size(),
                       cards_.size() == 1 ? "" : "s", size, net.outputs,
                       has_accessibility() ? " and accessibility" : "", rules_.regions, rules_.focus);
}

}  // namespace mpira::jobs
