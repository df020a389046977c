#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace mpira::model {

/// A linear model of one output.
struct LinearFit {
    std::vector<double> coefficients;  ///< one a column
    double intercept = 0;

    [[nodiscard]] double predict(std::span<float const> row) const {
        double sum = intercept;
        for (std::size_t i = 0; i < coefficients.size(); ++i) sum += coefficients[i] * double{row[i]};
        return sum;
    }
};

/// Sums over rows, in double, from which ridge regressions with an intercept that isn't penalised
/// (scikit-learn's Ridge) are fitted; so rows need not be kept, and the sums of all rows less those of a fold
/// are the other folds'. A value. Threads: one at a time.
class RidgeSums {
public:
    explicit RidgeSums(std::uint64_t columns, std::uint64_t outputs = 1);

    /// `x` (rows, columns), `y` (rows, outputs), row-major.
    void add(std::span<float const> x, std::span<double const> y);
    RidgeSums& operator+=(RidgeSums const& other);
    RidgeSums& operator-=(RidgeSums const& other);

    /// One fit an output; alpha > 0, and a row at least.
    [[nodiscard]] std::vector<LinearFit> fit(double alpha) const;

private:
    template <typename Fn>
    void each_with(RidgeSums const& other, Fn fn);

    std::uint64_t columns_, outputs_;
    double rows_ = 0;
    // Column-major: (columns, columns), of which the lower half counts, (columns), (columns, outputs),
    // (outputs).
    std::vector<double> xx_, x_, xy_, y_;
};

}  // namespace mpira::model
