#include "jobs/enhancer_scores.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "mpira/base/error.hpp"

namespace mpira::jobs {

double contact(PowerLaw const& law, std::int64_t distance_bp) {
    auto const distance = static_cast<double>(std::max(distance_bp, law.least_bp));
    return std::exp(law.scale - law.gamma * std::log(distance + 1));
}

double average_precision(std::span<double const> scores, std::span<std::uint8_t const> positive) {
    ensure(scores.size() == positive.size() &&
               std::ranges::none_of(scores, [](double score) { return std::isnan(score); }),
           "average_precision: a label is missing, or a score");
    std::vector<std::size_t> order(scores.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::sort(order, [&](auto a, auto b) { return scores[a] > scores[b]; });
    double area = 0, found = 0, found_before = 0;
    for (std::size_t i = 0; i < order.size(); ++i) {
        found += positive[order[i]];
        bool const is_last_of_score = i + 1 == order.size() || scores[order[i + 1]] != scores[order[i]];
        if (!is_last_of_score) continue;
        area += (found - found_before) * found / static_cast<double>(i + 1);
        found_before = found;
    }
    return found > 0 ? area / found : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace mpira::jobs
