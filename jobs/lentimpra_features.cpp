#include "jobs/lentimpra_features.hpp"

#include <algorithm>
#include <functional>
#include <iterator>
#include <numeric>
#include <span>
#include <string_view>
#include <unordered_map>

#include <fmt/format.h>

#include "mpira/base/checksum.hpp"
#include "mpira/base/log.hpp"
#include "mpira/base/text.hpp"
#include "mpira/genome/scan_model.hpp"

namespace mpira::jobs {
namespace {

/// Elements looked at when a campaign starts: a few tenths of a second at most.
constexpr std::uint64_t kSample = 1000;

/// The scan model of another atlas, with its features in this one's order.
genome::ScanModel scan_model_of(atlas::Atlas const& scanned, atlas::Atlas const& atlas,
                                Settings const& settings) {
    constexpr char const* kKey = "elements.scanned_as";
    if (scanned.assembly() != atlas.assembly())
        settings.refuse(kKey, fmt::format("{} is of {}, but {} of {}", scanned.file().string(),
                                          scanned.assembly(), atlas.file().string(), atlas.assembly()));
    auto model = scanned.scan_model();
    std::unordered_map<std::string_view, std::int32_t> columns;
    for (std::size_t i = 0; i < atlas.feature_names().size(); ++i)
        columns.emplace(atlas.feature_names()[i], static_cast<std::int32_t>(i));
    auto const refuse = [&](std::string const& name, atlas::Atlas const& has, atlas::Atlas const& lacks) {
        settings.refuse(kKey, fmt::format("{} has a feature '{}' that {} lacks{}; both need the same "
                                          "(motifs.clusters names them)",
                                          has.file().string(), name, lacks.file().string(),
                                          text::did_you_mean(name, lacks.feature_names())));
    };
    for (auto const& name : model.feature_names)
        if (!columns.contains(name)) refuse(name, scanned, atlas);
    for (auto const& name : atlas.feature_names())
        if (std::ranges::find(model.feature_names, name) == model.feature_names.end())
            refuse(name, atlas, scanned);
    for (auto& feature : model.features)
        feature = columns.at(model.feature_names[static_cast<std::size_t>(feature)]);
    model.feature_names = atlas.feature_names();
    return model;
}

genome::ScanModel choose_scan_model(Settings const& settings, atlas::Atlas const& atlas,
                                    std::optional<atlas::Atlas> const& scanned) {
    if (atlas.is_scanned()) {
        settings.refuse_given(
            "elements.scanned_as",
            fmt::format("the regions of {} were scanned, and elements are scanned like them",
                        atlas.file().string()));
        return atlas.scan_model();
    }
    if (!scanned)
        settings.refuse(
            "elements.scanned_as",
            fmt::format("the features of {} were not scanned (source: {}), so it doesn't say how to scan "
                        "elements: name an atlas of the same features that `mpira features` scanned",
                        atlas.file().string(), atlas.feature_source()));
    return scan_model_of(*scanned, atlas, settings);
}

std::optional<atlas::Atlas> open_scanned(Settings const& settings) {
    auto const file = settings.path("elements.scanned_as");
    if (file.empty()) return std::nullopt;
    return atlas::Atlas::open(file);
}

/// The scales of the other atlas over all its regions, in this one's order.
std::vector<float> scales_in_order(atlas::Atlas const& scanned, atlas::Atlas const& atlas) {
    auto const scales = scanned.scale("all_regions");
    std::vector<float> ordered;
    for (auto const& name : atlas.feature_names())
        ordered.push_back(scales[static_cast<std::size_t>(std::ranges::find(scanned.feature_names(), name) -
                                                          scanned.feature_names().begin())]);
    return ordered;
}

}  // namespace

ElementFeatures::ElementFeatures(Settings const& settings, atlas::Atlas const& atlas,
                                 genome::ElementLibrary const& library, ScreenModels const& models)
    : ElementFeatures(settings, atlas, library, models, open_scanned(settings)) {}

ElementFeatures::ElementFeatures(Settings const& settings, atlas::Atlas const& atlas,
                                 genome::ElementLibrary const& library, ScreenModels const& models,
                                 std::optional<atlas::Atlas> const& scanned)
    : atlas_(atlas),
      library_(library),
      models_(models),
      scanner_(choose_scan_model(settings, atlas, scanned)) {
    auto const length = settings.integer("elements.scan_length_bp");
    scan_length_bp_ = static_cast<std::uint64_t>(length < 0 ? scanner_.model().scan_length : length);
    auto const& scale = settings.text("elements.scale");
    if (scale == "scanned_as" && !scanned)
        settings.refuse("elements.scale", "'scanned_as' takes the scales of elements.scanned_as: name it");
    for (auto const& card : models.cards()) {
        auto const& set = models.scale_set_of(card);
        if (std::ranges::find(scale_sets_, set) != scale_sets_.end()) continue;
        scale_sets_.push_back(set);
        scales_.push_back(atlas.scale(set));
    }
    if (scanned) {
        auto const of_scan = scales_in_order(*scanned, atlas);
        ContentHash hash;
        hash.add(scanner_.model().hash()).add(std::as_bytes(std::span(of_scan)));
        scanned_as_ = hash.hex();
        for (auto const& scales : scales_)
            std::ranges::transform(of_scan, scales, std::back_inserter(ratios_), std::divides<>());
        if (scale == "scanned_as") {
            scale_sets_ = {"scanned_as"};
            scales_ = {of_scan};
        }
    }
    if (scale == "library") {
        scale_sets_ = {"library"};
        scales_ = {maxima_over_library()};
    }
}

std::size_t ElementFeatures::scale_set_of(std::uint64_t element) const {
    if (scale_sets_.size() == 1) return 0;
    auto const found = std::ranges::find(scale_sets_, models_.scale_set_of(models_.card_of(element)));
    return static_cast<std::size_t>(found - scale_sets_.begin());
}

std::vector<float> ElementFeatures::raw(std::string_view sequence) const {
    std::vector<float> features(size());
    scanner_.features(sequence, features);
    return features;
}

std::vector<float> ElementFeatures::scaled(std::string_view sequence, std::size_t scale_set) const {
    std::vector<float> features(size());
    atlas::scale_features(raw(sequence), scales_[scale_set], features);
    return features;
}

std::vector<float> ElementFeatures::of_element(std::uint64_t element) const {
    return of_insert(element, library_.sequence(element));
}

std::vector<float> ElementFeatures::of_insert(std::uint64_t element, std::string_view insert) const {
    return scaled(library_.scan_sequence_of(insert, scan_length_bp_), scale_set_of(element));
}

bool ElementFeatures::is_cut(std::uint64_t element) const {
    return scan_length_bp_ > 0 && library_.length(element) > scan_length_bp_;
}

std::vector<float> ElementFeatures::of_vector() const {
    auto const sequence = library_.vector_scan_sequence(scan_length_bp_);
    std::vector<float> rows;
    for (std::size_t set = 0; set < scale_sets_.size(); ++set) {
        auto const row = scaled(sequence, set);
        rows.insert(rows.end(), row.begin(), row.end());
    }
    return rows;
}

std::vector<float> ElementFeatures::maxima_over_library() const {
    std::vector<float> maxima(size(), 0.0F);
    for (std::uint64_t element = 0; element < library_.size(); ++element) {
        auto const features = raw(library_.scan_sequence(element, scan_length_bp_));
        std::ranges::transform(maxima, features, maxima.begin(),
                               [](float a, float b) { return std::max(a, b); });
    }
    // A motif that no element has: any divisor gives 0.
    for (float& maximum : maxima) maximum = maximum > 0 ? maximum : 1.0F;
    return maxima;
}

void ElementFeatures::warn() const {
    if (!ratios_.empty()) warn_of_ratios();
    std::uint64_t cut = 0;
    for (std::uint64_t element = 0; element < library_.size(); ++element) cut += is_cut(element) ? 1 : 0;
    if (cut > 0) {
        log::info(
            "warning: {} of {} elements are longer than the {} bp that are scanned: only their middle is "
            "read "
            "(obs/cut_to_middle in the result; elements.scan_length_bp sets the length)",
            cut, library_.size(), scan_length_bp_);
    }
    std::uint64_t const looked_at = std::min(kSample, library_.size());
    std::uint64_t bare = 0;
    for (std::uint64_t i = 0; i < looked_at; ++i) {
        auto const features = raw(library_.scan_sequence(i * library_.size() / looked_at, scan_length_bp_));
        bare += std::ranges::all_of(features, [](float value) { return value == 0; }) ? 1 : 0;
    }
    if (bare > 0) {
        log::info(
            "warning: {} of {}{} elements have no motif: to the model they are an open region and nothing "
            "else "
            "(obs/no_motif in the result). If that is most of them, are they DNA of the right kind, and is "
            "the "
            "scan.p_value of {} too strict for them?",
            bare, looked_at, looked_at < library_.size() ? " sampled" : "", atlas_.file().string());
    }
}

/// In the scale set of the first model; all of them are in the result.
void ElementFeatures::warn_of_ratios() const {
    auto const& names = atlas_.feature_names();
    std::vector<std::size_t> order(size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::sort(order, {}, [&](std::size_t i) { return ratios_[i]; });
    auto const said = [&](std::size_t place) {
        return fmt::format("{:.3g} ({})", ratios_[order[place]], names[order[place]]);
    };
    log::warning(
        "features of regions were imported ({}), those of elements are scanned: a scan of regions finds at "
        "most {} to {} of what the atlas has at most, median {} (uns/scale_ratios in the result); "
        "elements.scale = \"scanned_as\" divides elements by what a scan finds at most",
        atlas_.feature_source(), said(0), said(size() - 1), said(size() / 2));
}

}  // namespace mpira::jobs
