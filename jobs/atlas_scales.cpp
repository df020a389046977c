#include "jobs/atlas_scales.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace mpira::jobs {

std::vector<std::size_t> fill_scales(std::span<float const> features, std::span<float const> accessibility,
                                     std::size_t feature_count, std::size_t cell_types, std::size_t sets,
                                     std::span<float> scale) {
    std::vector<std::vector<float>> maxima(sets, std::vector<float>(feature_count, 0.0F));
    for (std::size_t row = 0; row < features.size() / feature_count; ++row) {
        auto const values = features.subspan(row * feature_count, feature_count);
        for (std::size_t set = 0; set < sets; ++set) {
            if (set > 0 && !(accessibility[row * cell_types + set - 1] > 0)) continue;
            std::ranges::transform(maxima[set], values, maxima[set].begin(),
                                   [](float a, float b) { return std::max(a, b); });
        }
    }
    for (std::size_t feature = 0; feature < feature_count; ++feature)
        for (std::size_t set = 0; set < sets; ++set)
            // A feature that never occurs is 0 everywhere, whatever divides it.
            scale[feature * sets + set] = maxima[set][feature] > 0 ? maxima[set][feature] : 1.0F;
    std::vector<std::size_t> never;
    for (std::size_t feature = 0; feature < feature_count; ++feature)
        if (maxima[0][feature] == 0) never.push_back(feature);
    return never;
}

std::string some_of(std::span<std::size_t const> numbers, std::span<std::string const> names) {
    constexpr std::size_t kMost = 5;
    std::vector<std::string> some;
    for (auto const number : numbers.first(std::min(numbers.size(), kMost))) some.push_back(names[number]);
    if (some.empty()) return {};
    return fmt::format(" ({}{})", fmt::join(some, ", "), numbers.size() > kMost ? ", ..." : "");
}

}  // namespace mpira::jobs
