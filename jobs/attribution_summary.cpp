#include "jobs/attribution_summary.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "mpira/base/error.hpp"

namespace mpira::jobs {
void scale_scores(std::span<double> scores, std::span<std::int64_t const> centres, std::int64_t start,
                  std::size_t focus, ScoreScaling const& how) {
    if (how.nearest == 0) return;
    std::vector<std::size_t> order;
    for (std::size_t r = 0; r < scores.size(); ++r)
        if (how.own || r != focus) order.push_back(r);
    std::ranges::stable_sort(order, {}, [&](std::size_t r) { return std::abs(centres[r] - start); });
    order.resize(std::min<std::size_t>(order.size(), how.nearest));
    double const sum = std::accumulate(order.begin(), order.end(), 0.0, [&](double before, std::size_t r) {
        return before + std::abs(scores[r]);
    });
    for (double& score : scores) score = sum > 0 ? score / sum : 0;
}

GeneValue gene_value_named(std::string_view name) {
    auto const found = std::ranges::find(kGeneValueNames, name);
    ensure(found != kGeneValueNames.end(), fmt::format("'{}' is no gene value", name));
    return static_cast<GeneValue>(found - kGeneValueNames.begin());
}

void gene_value(GeneValue how, std::span<float const> rows, std::span<float const> predicted,
                std::span<float> out) {
    auto const values = out.size();
    auto const count = predicted.size();
    if (how == GeneValue::highest_predicted) {
        auto const best = static_cast<std::size_t>(std::ranges::max_element(predicted) - predicted.begin());
        std::ranges::copy(rows.subspan(best * values, values), out.begin());
        return;
    }
    for (std::size_t v = 0; v < values; ++v) {
        double sum = 0;
        float most = rows[v];
        for (std::size_t i = 0; i < count; ++i) {
            sum += static_cast<double>(rows[i * values + v]);
            most = std::max(most, rows[i * values + v]);
        }
        if (how == GeneValue::max)
            out[v] = most;
        else
            out[v] = static_cast<float>(how == GeneValue::sum ? sum : sum / static_cast<double>(count));
    }
}

float float16_scale(std::span<float const> values) {
    constexpr int kExponent = 15;  // of the largest magnitude; float16 ends at 65504
    float most = 0;
    for (float const value : values) most = std::max(most, std::abs(value));
    if (!(most > 0) || !std::isfinite(most)) return 1;
    int exponent = 0;
    static_cast<void>(std::frexp(most, &exponent));  // most = [0.5, 1) * 2^exponent
    // A scale that float32 can't hold would be 0 or infinite: gradients there are zeros of their own.
    return std::ldexp(1.0F, std::max(exponent - kExponent, -126));
}

}  // namespace mpira::jobs
