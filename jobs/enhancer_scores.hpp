#pragma once

#include <cstdint>
#include <span>

/// Scores of enhancer-gene pairs and how they are judged. Pure functions.
namespace mpira::jobs {

/// How contact falls off with distance where no Hi-C is at hand (Fulco et al. 2019; the ABC model's power law
/// of K562 Hi-C, spec/systems.md 61).
struct PowerLaw {
    double gamma = 1.024238616787792;
    double scale = 5.9594510043736655;
    std::int64_t least_bp = 5000;  ///< shorter distances count as this
};
/// exp(scale - gamma ln(max(d, least_bp) + 1)).
[[nodiscard]] double contact(PowerLaw const& law, std::int64_t distance_bp);

/// The area under the precision-recall curve as average precision: the sum over distinct scores, from the
/// highest down, of the recall gained there times the precision there. Pairs of one score are taken together,
/// in whatever order they stand (as sklearn.metrics.average_precision_score does); nothing is interpolated. A
/// random order has the share of positives. Not a number without a positive. `positive`: 0 or 1, one a score.
[[nodiscard]] double average_precision(std::span<double const> scores,
                                       std::span<std::uint8_t const> positive);

}  // namespace mpira::jobs
