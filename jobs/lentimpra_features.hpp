#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mpira/atlas/atlas.hpp"
#include "mpira/base/settings.hpp"
#include "mpira/genome/elements.hpp"
#include "mpira/genome/scanner.hpp"

#include "jobs/lentimpra_models.hpp"

namespace mpira::jobs {

/// Elements as a model sees them: motifs found in the element and its vector, as the atlas's regions were
/// scanned, divided by the scales of the element's model. Where the atlas's features were imported, another
/// atlas of the same features says how to scan (elements.scanned_as). Holds references: they must outlive it.
class ElementFeatures {
public:
    ElementFeatures(Settings const& settings, atlas::Atlas const& atlas,
                    genome::ElementLibrary const& library, ScreenModels const& models);

    [[nodiscard]] std::uint64_t scan_length_bp() const noexcept { return scan_length_bp_; }
    [[nodiscard]] std::size_t size() const noexcept { return atlas_.feature_count(); }

    /// (features), in [0, 1].
    [[nodiscard]] std::vector<float> of_element(std::uint64_t element) const;
    /// The same of another insert in the element's place, such as its shuffle.
    [[nodiscard]] std::vector<float> of_insert(std::uint64_t element, std::string_view insert) const;
    /// Whether the scan reads only the middle of the element.
    [[nodiscard]] bool is_cut(std::uint64_t element) const;

    /// The scale sets that elements are divided by: those of the models, or "library".
    [[nodiscard]] std::vector<std::string> const& scale_sets() const noexcept { return scale_sets_; }
    /// The vector's own motifs, without an element: (scale sets, features).
    [[nodiscard]] std::vector<float> of_vector() const;

    /// Where elements.scanned_as is used, what is taken from it (scan model, scales), as a hash; else "".
    [[nodiscard]] std::string const& scanned_as() const noexcept { return scanned_as_; }
    /// What a scan of regions finds at most, over what the atlas has at most, by scale set and feature: far
    /// from 1, elements are on another scale than what the model was trained on. Empty: one scan for all.
    [[nodiscard]] std::vector<float> const& scale_ratios() const noexcept { return ratios_; }

    /// Says how many elements are cut and how many have no motif: of a sample, where all would take long.
    void warn() const;

private:
    ElementFeatures(Settings const& settings, atlas::Atlas const& atlas,
                    genome::ElementLibrary const& library, ScreenModels const& models,
                    std::optional<atlas::Atlas> const& scanned);
    [[nodiscard]] std::vector<float> raw(std::string_view sequence) const;
    [[nodiscard]] std::vector<float> scaled(std::string_view sequence, std::size_t scale_set) const;
    [[nodiscard]] std::size_t scale_set_of(std::uint64_t element) const;
    [[nodiscard]] std::vector<float> maxima_over_library() const;
    void warn_of_ratios() const;

    atlas::Atlas const& atlas_;
    genome::ElementLibrary const& library_;
    ScreenModels const& models_;
    genome::Scanner scanner_;
    std::uint64_t scan_length_bp_ = 0;
    std::vector<std::string> scale_sets_;
    std::vector<std::vector<float>> scales_;  ///< a vector a scale set
    std::string scanned_as_;
    std::vector<float> ratios_;  ///< (scale sets, features)
};

}  // namespace mpira::jobs
