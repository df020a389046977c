#pragma once

#include <limits>
#include <span>

/// Figures of predictions against targets. Sums are taken in double, in the order of the entries, so equal
/// inputs give equal bits. A figure that is not defined (a constant column, one class only) is NaN.
namespace mpira::train {

/// A figure that isn't defined.
inline constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

/// Pearson's r. NaN when either side is constant or there are fewer than two entries.
[[nodiscard]] double pearson(std::span<float const> predicted, std::span<float const> target);

/// Spearman's rho: Pearson's r of the midranks. NaN as pearson().
[[nodiscard]] double spearman(std::span<float const> predicted, std::span<float const> target);

/// Coefficient of determination 1 - SSE / SST, SST around the targets' mean (what scikit-learn's r2_score
/// is; no square of a correlation, and negative for predictions worse than the mean). NaN when the targets
/// are constant or there are fewer than two entries.
[[nodiscard]] double r2(std::span<float const> predicted, std::span<float const> target);

/// Area under the ROC curve of `predicted` for target > 0.5, ties by midranks (Mann-Whitney U / (n+ n-)).
/// NaN when one class is missing.
[[nodiscard]] double auroc(std::span<float const> predicted, std::span<float const> target);

/// Mean of p - y log(p + 1e-8): the Poisson negative log-likelihood of spec/get.md 1.4. A prediction below 0,
/// which no network makes but a linear model does, counts as 0.
[[nodiscard]] double poisson_nll(std::span<float const> predicted, std::span<float const> target);

/// Whether every entry is 0 or 1, with both present: only then is an AUROC meant.
[[nodiscard]] bool is_binary(std::span<float const> target);

}  // namespace mpira::train
