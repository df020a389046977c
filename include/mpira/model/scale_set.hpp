#pragma once

#include <string>

#include "mpira/model/model_card.hpp"

namespace mpira::model {

/// The card has no scale set of its own: each cell type's maxima divide its inputs.
inline bool has_scales_of_cell_type(ModelCard const& card) {
    return card.scale_set == "cell_type";
}

/// The atlas's scale set that divides a model's inputs in a cell type: the card's, or the cell type's own
/// where the model was trained so.
inline std::string const& scale_set_of(ModelCard const& card, std::string const& cell_type) {
    return has_scales_of_cell_type(card) ? cell_type : card.scale_set;
}

}  // namespace mpira::model
