#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

/// The baselines of spec/get.md 6 that are no networks: fitted in one go to single regions, each output by an
/// estimator of its own. Parameters are called, and are at first, as in scikit-learn. No Torch here.
namespace mpira::model {

/// How many numbers a row of inputs and a row of targets have.
struct EstimatorShape {
    std::uint64_t columns = 0;
    std::uint64_t outputs = 1;
};

/// Takes rows, then is fitted to them, then predicts. The fit depends on the rows in their order and on the
/// options alone. Errors of shape are ours.
///
/// Threads: one at a time; of estimators of svr one in a process (liblinear draws from rand()).
class Estimator {
public:
    virtual ~Estimator() = default;

    /// Appends rows: `x` (rows, columns), `y` (rows, outputs), row-major.
    virtual void add(std::span<float const> x, std::span<float const> y) = 0;
    /// To all rows added, of which there is one at least. Asks `stop_requested` (empty: never) all the while,
    /// with a million rows every few seconds; on true throws Error of Origin::stopped, and is of no use any
    /// more.
    virtual void fit(std::function<bool()> const& stop_requested) = 0;
    /// (rows, outputs) into `out`. Once fitted.
    virtual void predict(std::span<float const> x, std::span<float> out) const = 0;
    /// What to know of the fit, a phrase for the log; empty: nothing.
    [[nodiscard]] virtual std::string remark() const { return {}; }
};

/// Least squares with `alpha` |coefficients|^2 > 0 and an intercept that isn't penalised (ridge.hpp). Memory:
/// columns x columns, whatever the rows.
[[nodiscard]] std::unique_ptr<Estimator> make_ridge(EstimatorShape shape, double alpha);

/// Trees of squared error over all columns, each fitted to as many rows as there are, drawn with replacement
/// (bootstrap), or to the rows themselves; the prediction is their mean. Splits are exact, midway between two
/// values; of equally good ones the first column's, and in it the least, is taken.
struct ForestOptions {
    std::uint64_t trees = 10;
    std::uint64_t depth = 10;
    bool bootstrap = true;
    std::uint64_t seed = 0;
};
/// Memory: 8 bytes an input.
[[nodiscard]] std::unique_ptr<Estimator> make_forest(EstimatorShape shape, ForestOptions const& options);

/// Linear support vector regression, L1 loss outside `epsilon`, by liblinear's dual coordinate descent (as
/// scikit-learn's LinearSVR): the intercept is one more column of 1, and penalised like the others. liblinear
/// ends at `tolerance`, or after a number of iterations built into it (2.3: 1,000), which is then remarked.
struct SvrOptions {
    double epsilon = 0.2;
    double c = 1;
    double tolerance = 1e-4;
    std::uint64_t seed = 0;
};
/// Memory: 16 bytes an input that isn't 0.
[[nodiscard]] std::unique_ptr<Estimator> make_svr(EstimatorShape shape, SvrOptions const& options);

}  // namespace mpira::model
