#include "jobs/lentimpra.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <span>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "mpira/atlas/atlas.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/float16.hpp"
#include "mpira/base/philox.hpp"
#include "mpira/genome/elements.hpp"
#include "mpira/genome/scan_model.hpp"
#include "mpira/genome/scanner.hpp"
#include "mpira/genome/shuffle.hpp"
#include "mpira/model/insertion.hpp"
#include "mpira/model/predictor.hpp"

#include "jobs/entries.hpp"
#include "jobs/lentimpra_models.hpp"

namespace mpira::jobs {
namespace {

/// Stands for "all elements" where sites are shared: the sites' draws then have no element in their name.
constexpr std::uint32_t kSharedSites = 0xffffffff;

genome::ElementSource source_of(Settings const& settings) {
    genome::ElementSource source;
    source.fasta = settings.path("elements.fasta");
    source.bed = settings.path("elements.bed");
    source.genome = settings.path("elements.genome");
    source.vector = settings.path("elements.vector");
    source.placeholder = settings.text("elements.placeholder");
    source.groups = settings.path("elements.groups");
    source.group_column = static_cast<int>(settings.integer("elements.group_column"));
    if (source.fasta.empty() == source.bed.empty())
        settings.refuse("elements.fasta", "give exactly one of elements.fasta and elements.bed");
    if (!source.bed.empty() && source.genome.empty())
        settings.refuse("elements.genome", "elements.bed needs the FASTA its intervals are cut from");
    return source;
}

class LentiMpra final : public store::Job {
public:
    LentiMpra(Settings const& settings, Place const& place)
        : settings_(settings),
          atlas_(atlas::Atlas::open(settings.path("atlas.file"))),
          library_(genome::ElementLibrary::open(source_of(settings))),
          scanner_(atlas_.scan_model()),
          models_(settings, atlas_, library_, place),
          seed_(settings.count("seed")),
          insertions_(settings.count("sites.insertions")),
          shuffles_(settings.count("controls.shuffles")) {
        auto const length = settings.integer("elements.scan_length_bp");
        scan_length_bp_ = length < 0 ? atlas_.scan_length_bp() : static_cast<std::uint64_t>(length);
        shape_.outputs = models_.cards().front().names_of_outputs();
        shape_.has_accessibility = models_.has_accessibility();
        shape_.uninserted = settings.flag("controls.uninserted");
        shape_.shuffled = shuffles_ > 0;
        if (!atlas_.promoter().empty()) shape_.classes = {"distal", "promoter"};
        if (settings.text("elements.scale") == "library") library_scales_ = maxima_over_library();
        make_layout();
    }

    [[nodiscard]] store::ResultLayout const& layout() const override { return layout_; }
    [[nodiscard]] store::ResultTables tables() const override;
    [[nodiscard]] double relative_cost(std::uint64_t unit) const override {
        return static_cast<double>(layout_.row_count(unit));  // every element has the same number of windows
    }
    void run(std::uint64_t unit, store::UnitRows& rows, std::stop_token stop) override;
    std::optional<double> measured_seconds_per_cost() override;
    [[nodiscard]] std::string describe() const override {
        return fmt::format("{}\n{}\n{}\n{} insertions an element, {} sites, {} shuffles{}", atlas_.describe(),
                           library_.describe(), models_.describe(), insertions_, settings_.text("sites.mode"),
                           shuffles_, shape_.uninserted ? ", uninserted control" : "");
    }

private:
    void make_layout();
    void run_element(std::uint64_t element, std::uint64_t row, store::UnitRows& rows,
                     std::stop_token const& stop);
    void draw_sites(std::uint64_t element, Screen const& screen);
    [[nodiscard]] std::vector<float> maxima_over_library() const;
    [[nodiscard]] std::vector<float> scaled(std::string const& sequence, std::span<float const> scales) const;
    [[nodiscard]] std::vector<float> scales_for(std::uint64_t element) const {
        return library_scales_.empty() ? models_.scales_for(element) : library_scales_;
    }
    [[nodiscard]] std::size_t outputs() const { return shape_.outputs.size(); }

    Settings settings_;
    atlas::Atlas atlas_;
    genome::ElementLibrary library_;
    genome::Scanner scanner_;
    ScreenModels models_;
    std::uint64_t seed_;
    std::uint64_t insertions_;
    std::uint64_t shuffles_;
    std::uint64_t scan_length_bp_ = 0;
    model::ScreenShape shape_;
    std::vector<std::string> statistics_;
    std::vector<float> library_scales_;
    store::ResultLayout layout_;

    // One element's sites and results, reused.
    std::vector<std::int64_t> window_starts_;
    std::vector<std::int32_t> site_classes_;
    std::vector<double> values_;
    std::vector<float> raw_;
};

void LentiMpra::make_layout() {
    statistics_ = model::statistic_names(shape_);
    values_.resize(statistics_.size());
    layout_.job = "lentimpra";
    layout_.rows = library_.size();
    layout_.rows_per_unit = settings_.count("units.elements");
    layout_.row_arrays = {{"X", store::Type::f32, {statistics_.size()}},
                          {"obsm/features", store::Type::f32, {atlas_.feature_count()}},
                          {"obs/insertions", store::Type::i32, {}}};
    if (settings_.text("results.raw") != "none") {
        auto const type = settings_.text("results.raw") == "f16" ? store::Type::f16 : store::Type::f32;
        layout_.row_arrays.push_back({"obsm/raw", type, {insertions_, outputs()}});
    }

    // The vector's own motifs, without an element: what every element's features contain.
    auto const vector = scaled(library_.vector_scan_sequence(scan_length_bp_), scales_for(0));
    auto const bytes = std::as_bytes(std::span(vector));
    layout_.fixed_arrays = {
        {"uns/vector_features", store::Type::f32, {vector.size()}, {bytes.begin(), bytes.end()}}};

    layout_.identity = settings_.to_json(true);
    layout_.identity["atlas.content"] = atlas_.content_hash();
    layout_.identity["elements.content"] = library_.content_hash();
    layout_.identity["weights"] = models_.hashes();
}

store::ResultTables LentiMpra::tables() const {
    store::ResultTables tables;
    tables.obs.index_name = "element";
    tables.obs.index.reserve(library_.size());
    for (std::uint64_t element = 0; element < library_.size(); ++element)
        tables.obs.index.push_back(library_.name(element));
    if (!library_.group_names().empty()) {
        store::StringColumn group{"group", {}, true};
        for (std::uint64_t element = 0; element < library_.size(); ++element)
            group.values.push_back(library_.group_names()[library_.group(element)]);
        tables.obs.strings.push_back(std::move(group));
    }
    if (library_.locus(0)) {
        store::StringColumn chrom{"chrom", {}, true};
        store::IntegerColumn start{"start", {}};
        store::IntegerColumn end{"end", {}};
        for (std::uint64_t element = 0; element < library_.size(); ++element) {
            if (auto const locus = library_.locus(element)) {
                chrom.values.emplace_back(locus->chrom);
                start.values.push_back(locus->start);
                end.values.push_back(locus->end);
            }
        }
        tables.obs.strings.push_back(std::move(chrom));
        tables.obs.integers.push_back(std::move(start));
        tables.obs.integers.push_back(std::move(end));
    }
    tables.var.index_name = "statistic";
    tables.var.index = statistics_;

    auto& uns = tables.uns;
    uns["assembly"] = atlas_.assembly();
    uns["feature_names"] = atlas_.feature_names();
    uns["scan_length_bp"] = scan_length_bp_;
    uns["atlas"] = {{"content_hash", atlas_.content_hash()}, {"description", atlas_.describe()}};
    uns["library"] = library_.describe();
    // Cards nest deeper than uns may: kept as the JSON text that stands in the weights files.
    std::vector<std::string> cards;
    for (auto const& card : models_.cards()) cards.push_back(nlohmann::json(card).dump());
    uns["model_cards"] = cards;
    uns["notes"]["X"] =
        "quantity.arm.statistic; arms: element (inserted), uninserted (same windows, accessibility of the "
        "site 1), "
        "shuffled (dinucleotide-shuffled elements at the same sites), and paired differences; se = "
        "sd / sqrt(insertions), of independent draws of sites. Errors of the shuffled arm hold for the "
        "shuffles used: "
        "insertions that share a shuffle are correlated. Not a number: the sd of one insertion, the mean of "
        "a site "
        "class that no insertion fell into.";
    if (settings_.text("sites.mode") == "shared")
        uns["notes"]["sites"] =
            "All elements of a model share their sites: errors of their means are correlated. Compare "
            "elements by the "
            "paired differences (element-uninserted, element-shuffled).";
    return tables;
}

std::vector<float> LentiMpra::scaled(std::string const& sequence, std::span<float const> scales) const {
    std::vector<float> raw(atlas_.feature_count());
    std::vector<float> out(raw.size());
    scanner_.features(sequence, raw);
    atlas::scale_features(raw, scales, out);
    return out;
}

std::vector<float> LentiMpra::maxima_over_library() const {
    std::vector<float> maxima(atlas_.feature_count(), 0.0F);
    std::vector<float> raw(maxima.size());
    for (std::uint64_t element = 0; element < library_.size(); ++element) {
        scanner_.features(library_.scan_sequence(element, scan_length_bp_), raw);
        for (std::size_t f = 0; f < raw.size(); ++f) maxima[f] = std::max(maxima[f], raw[f]);
    }
    // A motif that no element has: any divisor gives 0.
    for (float& maximum : maxima) maximum = maximum > 0 ? maximum : 1.0F;
    return maxima;
}

void LentiMpra::draw_sites(std::uint64_t element, Screen const& screen) {
    bool const shared = settings_.text("sites.mode") == "shared";
    auto const name = shared ? kSharedSites : static_cast<std::uint32_t>(element);
    auto const promoter = atlas_.promoter();
    window_starts_.resize(insertions_);
    site_classes_.resize(shape_.classes.empty() ? 0 : insertions_);
    for (std::uint64_t i = 0; i < insertions_; ++i) {
        Draws draws(seed_, Stream::sites, name, static_cast<std::uint32_t>(i));
        auto const site = draws.below(screen.sites.size());
        window_starts_[i] = screen.sites.start(site);
        if (!site_classes_.empty()) site_classes_[i] = promoter[screen.sites.focus_row(site)] != 0 ? 1 : 0;
    }
}

void LentiMpra::run_element(std::uint64_t element, std::uint64_t row, store::UnitRows& rows,
                            std::stop_token const& stop) {
    Screen& screen = models_.for_element(element);
    auto const scales = scales_for(element);
    auto const features = scaled(library_.scan_sequence(element, scan_length_bp_), scales);
    std::vector<float> shuffled;
    shuffled.reserve(shuffles_ * features.size());
    auto const sequence = shuffles_ > 0 ? library_.sequence(element) : std::string();
    for (std::uint64_t k = 0; k < shuffles_; ++k) {
        auto const insert = genome::dinucleotide_shuffle(sequence, seed_, static_cast<std::uint32_t>(element),
                                                         static_cast<std::uint32_t>(k));
        auto const vector = scaled(library_.scan_sequence_of(insert, scan_length_bp_), scales);
        shuffled.insert(shuffled.end(), vector.begin(), vector.end());
    }
    draw_sites(element, screen);

    auto const& raw_type = settings_.text("results.raw");
    raw_.resize(raw_type == "none" ? 0 : insertions_ * outputs());
    model::ScreenInput const input{features, shuffled, window_starts_, site_classes_};
    model::RawPredictions const raw{raw_, {}, {}};
    model::screen_element(*screen.expression, screen.accessibility_model.get(), shape_, input, values_, raw,
                          stop);

    auto const x = rows.array<float>("X").subspan(row * values_.size(), values_.size());
    std::transform(values_.begin(), values_.end(), x.begin(),
                   [](double value) { return static_cast<float>(value); });
    std::copy(
        features.begin(), features.end(),
        rows.array<float>("obsm/features").begin() + static_cast<std::ptrdiff_t>(row * features.size()));
    rows.array<std::int32_t>("obs/insertions")[row] = static_cast<std::int32_t>(insertions_);
    if (raw_type == "f32") {
        std::copy(raw_.begin(), raw_.end(),
                  rows.array<float>("obsm/raw").begin() + static_cast<std::ptrdiff_t>(row * raw_.size()));
    } else if (raw_type == "f16") {
        auto const half = rows.array<std::uint16_t>("obsm/raw").subspan(row * raw_.size(), raw_.size());
        std::transform(raw_.begin(), raw_.end(), half.begin(), to_float16);
    }
}

std::optional<double> LentiMpra::measured_seconds_per_cost() {
    constexpr double kLongElement_s = 5;
    constexpr int kMicroBatches = 2;
    Screen& screen = models_.for_element(0);
    draw_sites(0, screen);
    auto const micro_batch = settings_.count("model.micro_batch");
    std::vector<std::int64_t> starts(micro_batch);
    for (std::uint64_t i = 0; i < micro_batch; ++i) starts[i] = window_starts_[i % window_starts_.size()];
    std::vector<float> const vector(atlas_.feature_count(), 0.5F);
    std::vector<std::int32_t> const inserted(micro_batch, 0);
    std::vector<float> out(micro_batch * outputs());
    auto const seconds_of_one = [&](model::InsertionPredictor& predictor) {
        using Clock = std::chrono::steady_clock;
        std::span<float> const results(out.data(),
                                       micro_batch * static_cast<std::size_t>(predictor.outputs()));
        predictor.predict(starts, vector, inserted, results);  // pays for memory and threads
        auto const begin = Clock::now();
        for (int i = 0; i < kMicroBatches; ++i) predictor.predict(starts, vector, inserted, results);
        return std::chrono::duration<double>(Clock::now() - begin).count() / kMicroBatches;
    };
    double batch_s = seconds_of_one(*screen.expression);
    if (screen.accessibility_model) batch_s += seconds_of_one(*screen.accessibility_model);
    // The uninserted control counts as an arm of its own, though recurring windows are remembered: an upper
    // bound.
    auto const arms = 1.0 + (shape_.uninserted ? 1 : 0) + (shape_.shuffled ? 1 : 0);
    double const element_s =
        arms * static_cast<double>(insertions_) / static_cast<double>(micro_batch) * batch_s;
    return element_s < kLongElement_s ? std::nullopt : std::optional(element_s);
}

void LentiMpra::run(std::uint64_t unit, store::UnitRows& rows, std::stop_token stop) {
    try {
        for (std::uint64_t row = 0; row < rows.row_count(); ++row)
            run_element(rows.first_row() + row, row, rows, stop);
    } catch (Error const&) {
        model::release_cached_device_memory();  // out of memory, perhaps: the retry starts with an empty
                                                // cache
        throw;
    }
    static_cast<void>(unit);
}

}  // namespace

JobEntry lentimpra_entry() {
    return {"lentimpra", "In-silico lentiMPRA: insert every element at many places of the genome and predict",
            "mpirun -n 2 mpira lentimpra --config config/quickstart.toml", lentimpra_settings,
            [](Settings const& settings, Place const& place) -> std::unique_ptr<store::Job> {
                return std::make_unique<LentiMpra>(settings, place);
            }};
}

}  // namespace mpira::jobs
