#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace mpira::report {

/// Ridge regression with an intercept that isn't penalised (scikit-learn's Ridge), each row predicted by the
/// fit to the rows of the other folds. `x`: (rows, columns); `fold`: one number a row, at least two different
/// ones; `alpha` > 0. Memory: a columns x columns matrix a fold.
[[nodiscard]] std::vector<double> out_of_fold_ridge(std::span<float const> x, std::span<double const> y,
                                                    std::span<std::uint32_t const> fold, double alpha);

}  // namespace mpira::report
