#pragma once

#include <span>

/// Figures of predictions against targets. Sums are taken in double, in the order of the entries, so equal
/// inputs give equal bits. A figure that is not defined (a constant column, one class only) is NaN.
namespace mpira::train {

/// Pearson's r. NaN when either side is constant or there are fewer than two entries.
[[nodiscard]] double pearson(std::span<float const> predicted, std::span<float const> target);

/// Area under the ROC curve of `predicted` for target > 0.5, ties by midranks (Mann-Whitney U / (n+ n-)).
/// NaN when one class is missing.
[[nodiscard]] double auroc(std::span<float const> predicted, std::span<float const> target);

/// Mean of p - y log(p + 1e-8): the Poisson negative log-likelihood of spec/get.md 1.4.
[[nodiscard]] double poisson_nll(std::span<float const> predicted, std::span<float const> target);

/// Whether every entry is 0 or 1, with both present: only then is an AUROC meant.
[[nodiscard]] bool is_binary(std::span<float const> target);

}  // namespace mpira::train
