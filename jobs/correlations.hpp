#pragma once

#include <span>

namespace mpira::jobs {

/// Correlations of two columns of equal length; not a number where one side doesn't vary.
struct Correlations {
    double pearson = 0;
    double spearman = 0;
};
Correlations correlations(std::span<double const> one, std::span<double const> other);

}  // namespace mpira::jobs
