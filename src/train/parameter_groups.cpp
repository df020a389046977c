#include "parameter_groups.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace mpira::train {

std::vector<model::Parameter> in_groups(std::vector<model::Parameter> parameters) {
    std::stable_sort(parameters.begin(), parameters.end(), [](auto const& a, auto const& b) {
        return std::pair(a.depth_id, b.decay) < std::pair(b.depth_id, a.decay);
    });
    return parameters;
}

std::vector<ParameterGroup> groups_of(std::span<model::Parameter const> grouped, Recipe const& recipe,
                                      std::int64_t depth) {
    std::vector<ParameterGroup> groups;
    for (std::size_t i = 0; i < grouped.size(); ++i) {
        auto const& parameter = grouped[i];
        if (i == 0 || parameter.depth_id != grouped[i - 1].depth_id ||
            parameter.decay != grouped[i - 1].decay) {
            groups.push_back({.tensors = {},
                              .weight_decay = parameter.decay ? recipe.weight_decay : 0,
                              .lr_scale = std::pow(recipe.layer_decay,
                                                   static_cast<double>(depth + 1 - parameter.depth_id))});
        }
        groups.back().tensors.push_back(parameter.tensor);
    }
    return groups;
}

}  // namespace mpira::train
