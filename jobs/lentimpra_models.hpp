#pragma once

#include <cstdint>
#include <filesystem>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mpira/atlas/atlas.hpp"
#include "mpira/base/settings.hpp"
#include "mpira/genome/elements.hpp"
#include "mpira/genome/windows.hpp"
#include "mpira/jobs/table.hpp"
#include "mpira/model/insertion.hpp"
#include "mpira/model/model_card.hpp"

#include "jobs/seen_loci.hpp"

namespace mpira::jobs {

/// A model made ready: its sites and its predictors.
struct Screen {
    genome::Sites sites;
    std::vector<float> scales;         ///< of the model's scale set; the predictor looks at them
    std::vector<float> accessibility;  ///< the column, one value a region; empty: 1
    std::unique_ptr<model::InsertionPredictor> expression;
    std::unique_ptr<model::InsertionPredictor> accessibility_model;  ///< null: none given
};

/// Which weights predict which elements, and where those may be inserted. Checks at the start that each model
/// fits the atlas and (by setting) that nothing was seen of its elements' loci, by it or a base of it, as
/// seen_loci.hpp says; loads a model when its first element comes and keeps the last ones, two or as many as
/// fit into 2 GiB (on a GPU 4).
class ScreenModels {
public:
    ScreenModels(Settings const& settings, atlas::Atlas const& atlas, genome::ElementLibrary const& library,
                 Place const& place);

    /// The models and sites of an element. Valid until the next call.
    [[nodiscard]] Screen& for_element(std::uint64_t element);

    /// Which model predicts the element; a unit asks for one after the other.
    [[nodiscard]] std::size_t model_of(std::uint64_t element) const;
    /// All expression cards, in order of their groups. The first one gives the names of the outputs.
    [[nodiscard]] std::vector<model::ModelCard> const& cards() const noexcept { return cards_; }
    [[nodiscard]] bool has_accessibility() const noexcept { return !accessibility_files_.empty(); }
    [[nodiscard]] genome::WindowRules const& rules() const noexcept { return rules_; }
    /// {"group": content hash}: part of a campaign's identity.
    [[nodiscard]] nlohmann::json hashes() const;
    /// The card of the model that predicts this element.
    [[nodiscard]] model::ModelCard const& card_of(std::uint64_t element) const;
    /// Whether no model that reads this element saw a base of its locus (seen_loci.hpp); false without a
    /// locus.
    [[nodiscard]] bool is_unseen(std::uint64_t element) const;
    /// The atlas's scale set that divides the windows and elements which a model reads.
    [[nodiscard]] std::string const& scale_set_of(model::ModelCard const& card) const;
    [[nodiscard]] std::string describe() const;

private:
    /// The most that one of the models which read this element saw; the element has a locus.
    [[nodiscard]] Seen seen_of(std::uint64_t element) const;
    struct Loaded {
        std::size_t model;
        std::unique_ptr<Screen> screen;
        std::uint64_t bytes;  ///< about
    };
    [[nodiscard]] Loaded load(std::size_t model) const;
    void remember_uninserted(std::size_t model, genome::Sites const& sites,
                             model::InsertionOptions& options) const;
    [[nodiscard]] genome::Sites sites_of(std::size_t model) const;
    /// The cell type whose accessibility and scales a model is given: the setting, else its own.
    [[nodiscard]] std::string const& cell_type_of(model::ModelCard const& card) const;
    void require_fits(model::ModelCard const& card, std::filesystem::path const& file) const;
    void check_loci() const;
    void load_accessibility_card(std::size_t i);

    Settings settings_;
    Place place_;
    atlas::Atlas const& atlas_;
    genome::ElementLibrary const& library_;
    genome::WindowRules rules_;
    std::vector<std::string> names_;  ///< of the groups, "" for the only one
    std::vector<std::filesystem::path> files_;
    std::vector<std::filesystem::path> accessibility_files_;
    std::vector<model::ModelCard> cards_;
    std::vector<model::ModelCard> accessibility_cards_;
    std::vector<SeenLoci> seen_;  ///< by the models, then by the accessibility models
    std::vector<std::uint64_t> elements_of_model_;
    std::list<Loaded> loaded_;  ///< most recent first
};

}  // namespace mpira::jobs
