#include "jobs/lentimpra.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <numeric>
#include <optional>
#include <span>

#include <fmt/format.h>

#include "mpira/atlas/atlas.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/float16.hpp"
#include "mpira/base/log.hpp"
#include "mpira/base/philox.hpp"
#include "mpira/genome/elements.hpp"
#include "mpira/genome/shuffle.hpp"
#include "mpira/model/insertion.hpp"
#include "mpira/model/predictor.hpp"

#include "jobs/entries.hpp"
#include "jobs/lentimpra_features.hpp"
#include "jobs/lentimpra_layout.hpp"
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
    if (source.group_column > 0 && (source.bed.empty() || !source.groups.empty()))
        settings.refuse("elements.group_column", "is of elements.bed, and excludes elements.groups");
    return source;
}

class LentiMpra final : public store::Job {
public:
    LentiMpra(Settings const& settings, Place const& place)
        : settings_(settings),
          atlas_(atlas::Atlas::open(settings.path("atlas.file"))),
          library_(genome::ElementLibrary::open(source_of(settings))),
          models_(settings, atlas_, library_, place),
          features_(settings, atlas_, library_, models_),
          seed_(settings.count("seed")),
          insertions_(settings.count("sites.insertions")),
          shuffles_(settings.count("controls.shuffles")),
          stop_se_(settings.number("early_stop.se")) {
        shape_.outputs = models_.cards().front().names_of_outputs();
        shape_.has_accessibility = models_.has_accessibility();
        shape_.uninserted = settings.flag("controls.uninserted");
        shape_.shuffled = shuffles_ > 0;
        if (stop_se_ > 0 && !shape_.uninserted)
            settings.refuse("early_stop.se",
                            "it looks at the difference to the windows without an element; set "
                            "controls.uninserted = true");
        if (!atlas_.promoter().empty()) shape_.classes = {"distal", "promoter"};
        statistics_ = model::statistic_names(shape_);
        values_.resize(statistics_.size());
        layout_ = screen_layout(parts());
        features_.warn();
    }

    [[nodiscard]] store::ResultLayout const& layout() const override { return layout_; }
    [[nodiscard]] store::ResultTables tables() const override { return screen_tables(parts()); }
    [[nodiscard]] double relative_cost(std::uint64_t unit) const override {
        return static_cast<double>(layout_.row_count(unit));  // every element has the same number of windows
    }
    void run(std::uint64_t unit, store::UnitRows& rows, std::stop_token stop) override;
    void finish(store::FinishedRows& rows) override;
    std::optional<double> measured_seconds_per_cost() override;
    [[nodiscard]] std::string describe() const override {
        auto const stops =
            stop_se_ > 0 ? fmt::format(", fewer once the paired difference's standard error is {}", stop_se_)
                         : std::string();
        return fmt::format("{}\n{}\n{}\n{} insertions an element{}, {} sites, {} shuffles{}",
                           atlas_.describe(), library_.describe(), models_.describe(), insertions_, stops,
                           settings_.text("sites.mode"), shuffles_,
                           shape_.uninserted ? ", uninserted control" : "");
    }

private:
    [[nodiscard]] ScreenParts parts() const {
        return {settings_, atlas_, library_, models_, features_, statistics_};
    }
    void run_element(std::uint64_t element, std::uint64_t row, store::UnitRows& rows,
                     std::stop_token const& stop);
    void draw_sites(std::uint64_t element, Screen const& screen);
    [[nodiscard]] std::size_t outputs() const { return shape_.outputs.size(); }

    Settings settings_;
    atlas::Atlas atlas_;
    genome::ElementLibrary library_;
    ScreenModels models_;
    ElementFeatures features_;
    std::uint64_t seed_;
    std::uint64_t insertions_;
    std::uint64_t shuffles_;
    double stop_se_;
    model::ScreenShape shape_;
    std::vector<std::string> statistics_;
    store::ResultLayout layout_;

    // One element's sites and results, reused.
    std::vector<std::int64_t> window_starts_;
    std::vector<std::int32_t> site_classes_;
    std::vector<double> values_;
    std::vector<float> raw_;
};

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
    auto const features = features_.of_element(element);
    std::vector<float> shuffled;
    shuffled.reserve(shuffles_ * features.size());
    auto const sequence = library_.sequence(element);
    for (std::uint64_t k = 0; k < shuffles_; ++k) {
        auto const insert = genome::dinucleotide_shuffle(sequence, seed_, static_cast<std::uint32_t>(element),
                                                         static_cast<std::uint32_t>(k));
        auto const vector = features_.of_insert(element, insert);
        shuffled.insert(shuffled.end(), vector.begin(), vector.end());
    }
    draw_sites(element, screen);

    auto const& raw_type = settings_.text("results.raw");
    raw_.resize(raw_type == "none" ? 0 : insertions_ * outputs());
    model::ScreenInput const input{features, shuffled, window_starts_, site_classes_, stop_se_};
    model::RawPredictions const raw{raw_, {}, {}};
    auto const used = model::screen_element(*screen.expression, screen.accessibility_model.get(), shape_,
                                            input, values_, raw, stop);

    auto const x = rows.array<float>("X").subspan(row * values_.size(), values_.size());
    std::transform(values_.begin(), values_.end(), x.begin(),
                   [](double value) { return static_cast<float>(value); });
    std::copy(
        features.begin(), features.end(),
        rows.array<float>("obsm/features").begin() + static_cast<std::ptrdiff_t>(row * features.size()));
    rows.array<std::int32_t>("obs/insertions")[row] = static_cast<std::int32_t>(used);
    rows.array<float>("obs/gc")[row] = genome::gc_share(sequence);
    bool const no_motif = std::ranges::all_of(features, [](float value) { return value == 0; });
    rows.array<std::uint8_t>("obs/no_motif")[row] = no_motif ? 1 : 0;
    rows.array<std::uint8_t>("obs/cut_to_middle")[row] = features_.is_cut(element) ? 1 : 0;
    if (parts().has_loci()) rows.array<std::uint8_t>("obs/unseen")[row] = models_.is_unseen(element) ? 1 : 0;
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
    // The uninserted control counts as an arm of its own, though recurring windows are remembered.
    auto const arms = 1.0 + (shape_.uninserted ? 1 : 0) + (shape_.shuffled ? 1 : 0);
    double const element_s =
        arms * static_cast<double>(insertions_) / static_cast<double>(micro_batch) * batch_s;
    return element_s < kLongElement_s ? std::nullopt : std::optional(element_s);
}

void LentiMpra::run(std::uint64_t unit, store::UnitRows& rows, std::stop_token stop) {
    try {
        std::vector<std::uint64_t> order(rows.row_count());
        std::iota(order.begin(), order.end(), std::uint64_t{0});
        std::ranges::stable_sort(order, {},
                                 [&](std::uint64_t row) { return models_.model_of(rows.first_row() + row); });
        for (auto const row : order) run_element(rows.first_row() + row, row, rows, stop);
    } catch (Error const&) {
        // Out of memory, perhaps: the retry starts with an empty cache.
        model::release_cached_device_memory();
        throw;
    }
    static_cast<void>(unit);
}

void LentiMpra::finish(store::FinishedRows& rows) {
    auto const count = [&](std::string_view flags) {
        return std::ranges::count_if(rows.array<std::uint8_t>(flags),
                                     [](std::uint8_t flag) { return flag != 0; });
    };
    log::info(
        "of {} elements, {} have no motif (obs/no_motif) and {} are cut to their middle (obs/cut_to_middle)",
        layout_.rows, count("obs/no_motif"), count("obs/cut_to_middle"));
    if (stop_se_ <= 0) return;
    auto const used = rows.array<std::int32_t>("obs/insertions");
    auto const early = std::ranges::count_if(
        used, [&](std::int32_t n) { return static_cast<std::uint64_t>(n) < insertions_; });
    log::info(
        "{} of {} elements stopped early; {:.1f} of {} insertions were used on average (obs/insertions)",
        early, layout_.rows,
        static_cast<double>(std::accumulate(used.begin(), used.end(), std::int64_t{0})) /
            static_cast<double>(layout_.rows),
        insertions_);
}

}  // namespace

JobEntry lentimpra_entry() {
    return {"lentimpra", "In-silico lentiMPRA: insert every element at many places of the genome and predict",
            "mpirun -n 2 mpira lentimpra --config config/quickstart.toml", lentimpra_settings,
            [](Settings const& settings, Place const& place) -> std::unique_ptr<store::Job> {
                return std::make_unique<LentiMpra>(settled(settings, std::array{kInsertionBatch}, place),
                                                   place);
            }};
}

}  // namespace mpira::jobs
