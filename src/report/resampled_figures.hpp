#pragma once

#include <cstdint>
#include <span>
#include <vector>

/// How well scores agree with measurements, with intervals from resampling loci: neighbours share what they
/// are made of, so that single elements would be resampled as if they told more than they do.
namespace mpira::report {

/// Of fewer loci, 95 % of the resamples are a handful of different ones.
inline constexpr std::uint64_t kFewestLoci = 10;

/// A value with its 95 % interval; not a number where it is not defined.
struct Estimate {
    double value = 0;
    double low = 0;
    double high = 0;
};

struct Figures {
    std::uint64_t elements = 0;
    std::uint64_t loci = 0;
    Estimate pearson;
    Estimate spearman;  ///< Pearson's r of midranks
    Estimate auprc;  ///< average precision, ties together, as scikit-learn's; not a number without positives
    double positives = 0;  ///< their share: the average precision of a random order
};

/// Columns of equal length. `positive`: 0 or 1 an element, or empty. `locus`: elements with the same number
/// are drawn together, with replacement, as many loci as there are. Draws depend on `seed` alone; fewer
/// than kFewestLoci have no interval. Without NaN.
[[nodiscard]] Figures resampled_figures(std::span<double const> scores, std::span<double const> measured,
                                        std::span<std::uint8_t const> positive,
                                        std::span<std::uint32_t const> locus, std::uint64_t resamples,
                                        std::uint64_t seed);

/// numpy.percentile's: linear between order statistics. `values` without NaN, not empty.
[[nodiscard]] double percentile(std::vector<double> values, double percent);

}  // namespace mpira::report
