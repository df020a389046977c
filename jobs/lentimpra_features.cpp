#include "jobs/lentimpra_features.hpp"

#include <algorithm>

#include "mpira/base/log.hpp"
#include "mpira/genome/scan_model.hpp"

namespace mpira::jobs {
namespace {

/// Elements looked at when a campaign starts: a few tenths of a second at most.
constexpr std::uint64_t kSample = 1000;

}  // namespace

ElementFeatures::ElementFeatures(Settings const& settings, atlas::Atlas const& atlas,
                                 genome::ElementLibrary const& library, ScreenModels const& models)
    : atlas_(atlas), library_(library), models_(models), scanner_(atlas.scan_model()) {
    auto const length = settings.integer("elements.scan_length_bp");
    scan_length_bp_ = length < 0 ? atlas.scan_length_bp() : static_cast<std::uint64_t>(length);
    if (settings.text("elements.scale") == "library") {
        scale_sets_ = {"library"};
        scales_ = {maxima_over_library()};
        return;
    }
    for (auto const& card : models.cards()) {
        auto const& set = models.scale_set_of(card);
        if (std::ranges::find(scale_sets_, set) != scale_sets_.end()) continue;
        scale_sets_.push_back(set);
        scales_.push_back(atlas.scale(set));
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

}  // namespace mpira::jobs
