#include "jobs/window_rules.hpp"

#include <fmt/format.h>

namespace mpira::jobs {

genome::WindowRules window_rules(Settings const& settings, WindowKeys const& keys,
                                 model::ModelCard const& card) {
    genome::WindowRules rules;
    auto const regions = settings.count(keys.regions);
    rules.regions = regions > 0 ? regions : static_cast<std::uint64_t>(card.window);
    auto const focus = settings.integer(keys.focus);
    rules.focus = static_cast<std::uint64_t>(focus >= 0 ? focus : card.focus);
    if (rules.focus >= rules.regions)
        settings.refuse(keys.focus, fmt::format("{} lies outside a window of {} regions (counted from 0)",
                                                rules.focus, rules.regions));
    rules.max_span_bp = settings.integer(keys.max_span_bp);
    return rules;
}

}  // namespace mpira::jobs
