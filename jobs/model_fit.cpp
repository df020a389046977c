#include "jobs/model_fit.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"
#include "mpira/model/scale_set.hpp"

namespace mpira::jobs {

void require_fits(model::ModelCard const& card, std::filesystem::path const& file, atlas::Atlas const& atlas,
                  std::string const& cell_type, model::AccessibilityMode given, Settings const& settings,
                  std::string_view key) {
    if (card.architecture.head == model::HeadKind::masked)
        fail_usage(fmt::format(
            "{}: a pretrained model (masked head) predicts motifs, not expression; train a head first",
            file.string()));
    auto const& sets = atlas.scale_sets();
    auto const& set = model::scale_set_of(card, cell_type);
    if (std::ranges::find(sets, set) == sets.end()) {
        if (model::has_scales_of_cell_type(card))
            settings.refuse(
                key,
                fmt::format("{} was trained with the scales of each cell type: name the one whose scales "
                            "divide its inputs here; '{}' has none in {}{} (mpira features --set "
                            "scales=cell_type makes them)",
                            file.string(), cell_type, atlas.file().string(),
                            text::did_you_mean(cell_type, sets)));
        fail_usage(fmt::format("{}: the model's scale set '{}' is not in {}{}", file.string(), set,
                               atlas.file().string(), text::did_you_mean(set, sets)));
    }
    model::AtlasFacts facts;
    facts.assembly = atlas.assembly();
    facts.motifs = atlas.feature_names();
    facts.scan_hash = atlas.scan_hash();
    facts.cell_type = cell_type;
    facts.accessibility = given;
    facts.scale_set = card.scale_set;
    // Of each cell type's own scales the card can only hold some: there is nothing to compare.
    if (model::has_scales_of_cell_type(card)) {
        facts.scales = card.scales;
    } else {
        auto const scales = atlas.scale(set);
        facts.scales.assign(scales.begin(), scales.end());
    }
    model::require_matches(card, file, facts, atlas.file());
}

}  // namespace mpira::jobs
