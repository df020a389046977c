#pragma once

#include <string_view>

#include "mpira/base/settings.hpp"
#include "mpira/genome/windows.hpp"
#include "mpira/model/model_card.hpp"

namespace mpira::jobs {

/// Under which names a job has the settings of its windows.
struct WindowKeys {
    std::string_view regions;      ///< 0: as the model was trained
    std::string_view focus;        ///< -1: as the model was trained
    std::string_view max_span_bp;  ///< of a window
};

/// The windows a model is read in. A focus outside the window is refused by its key.
genome::WindowRules window_rules(Settings const& settings, WindowKeys const& keys,
                                 model::ModelCard const& card);

}  // namespace mpira::jobs
