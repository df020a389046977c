#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "mpira/model/adaptor.hpp"
#include "mpira/model/baseline_config.hpp"
#include "mpira/model/get_config.hpp"

namespace mpira::model {

/// How the accessibility column of the training data was made (spec/get.md 1.3).
enum class AccessibilityMode {
    constant,     ///< 1 in all rows: no accessibility was measured
    binarised,    ///< only open regions are rows, with 1
    quantitative  ///< log10 counts per million, scaled to [0, 1]
};
std::string_view name_of(AccessibilityMode mode);
/// Throws Origin::usage with the known names; `where` says where it was written.
AccessibilityMode accessibility_mode(std::string_view name, std::string_view where);

/// Half-open, 0-based, as in BED.
struct Interval {
    std::string chromosome;
    std::int64_t start = 0;
    std::int64_t end = 0;
    bool operator==(Interval const&) const = default;
};

/// What a weights file holds.
enum class WeightsKind {
    get,       ///< a whole GET
    adaptor,   ///< LoRA adaptors of a GET and its head (adaptor.hpp)
    baseline,  ///< a CNN or MLP (baseline_config.hpp)
    script,    ///< another program's model (script.hpp); never a weights file
    any
};

/// What a weights file says about itself, so that it cannot be applied to the wrong input unnoticed. Stored
/// as JSON in the safetensors metadata under "mpira".
struct ModelCard {
    static constexpr std::int64_t kFormat = 1;

    GetConfig architecture;  ///< adaptor: of the adapted model; baseline: features, outputs and head only
    std::optional<BaselineConfig> baseline;  ///< of a CNN or MLP
    std::optional<AdaptorFacts> adaptor;     ///< of an adaptor file
    bool script = false;   ///< of a TorchScript file; architecture: features, outputs and head only
    std::string assembly;  ///< "dm3"
    std::vector<std::string> motifs;  ///< names of the feature columns, in order, without accessibility
    std::string scan_hash;            ///< content hash of the scanner's model (motifs, threshold, background)
    std::int64_t window = 200;        ///< regions
    std::int64_t focus = 100;         ///< index in the window that is read
    AccessibilityMode accessibility = AccessibilityMode::constant;
    std::string cell_type;
    std::string scale_set;           ///< name of the scales in the atlas
    std::vector<double> scales;      ///< one a motif: feature = raw / scale, clipped to 1
    std::vector<Interval> held_out;  ///< seen neither in training nor in selection
    std::string window_regions;      ///< which regions were rows of windows ("all", "promoters", a file)
    double least_accessibility = 0;  ///< "accessible" regions below this were none; written where it is not 0
    std::vector<std::string> parents;  ///< content hashes of the weights this came from
    /// What they learned from, parents included (train/provenance.hpp); null: not recorded.
    nlohmann::json seen;
    std::vector<std::string> output_names;               ///< empty: default_output_names
    nlohmann::json training = nlohmann::json::object();  ///< recipe, seeds, metrics: for people
    /// Of the tensors (model::content_hash): set by write_weights, checked by Weights. A converter may leave
    /// it empty; Weights fills it in.
    std::string content_hash;

    [[nodiscard]] std::vector<std::string> names_of_outputs() const;
    /// Whether all of a locus lies in held-out intervals, which may adjoin.
    [[nodiscard]] bool holds_out(std::string_view chrom, std::int64_t start, std::int64_t end) const;
    /// Which regions windows consist of where a setting says `wanted`: "all" of the atlas, nothing; else
    /// those accessible, and not less than this: "accessible", or "model", as the model was trained.
    [[nodiscard]] std::optional<double> least_accessibility_of(std::string_view wanted) const;
    [[nodiscard]] WeightsKind kind() const;
    [[nodiscard]] std::string_view network() const;  ///< "GET", "LoRA adaptor", "CNN", "MLP", "TorchScript"
};

/// The tensors a file with this card holds, in their order.
std::vector<TensorSpec> tensors_of(ModelCard const& card);

void to_json(nlohmann::json& json, ModelCard const& card);
/// Throws Origin::usage naming the key.
void from_json(nlohmann::json const& json, ModelCard& card);

/// The same facts, as an atlas states them.
struct AtlasFacts {
    std::string assembly;
    std::vector<std::string> motifs;
    std::string scan_hash;
    AccessibilityMode accessibility = AccessibilityMode::constant;
    std::string cell_type;
    std::string scale_set;
    std::vector<double> scales;
};

/// Refuses (Origin::usage) a model and an atlas that disagree on assembly, motifs or their order, scan model,
/// accessibility mode or scales (more than 1e-6 apart, relative), naming the fact, both files and both
/// values. A cell type of its own is allowed: predicting an unseen cell type is what GET is for.
void require_matches(ModelCard const& card, std::filesystem::path const& weights, AtlasFacts const& atlas,
                     std::filesystem::path const& atlas_file);

}  // namespace mpira::model
