#include "jobs/network_statistics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include <Eigen/Cholesky>
#include <fmt/format.h>

#include "mpira/base/error.hpp"

namespace mpira::jobs {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

/// Columns with mean 0 and (population) variance 1.
void standardise(Eigen::Ref<VectorXd> column) {
    column.array() -= column.mean();
    column /= std::sqrt(column.squaredNorm() / static_cast<double>(column.size()));
}

/// Mean ranks.
VectorXd ranks_of(Eigen::Ref<VectorXd const> const& column) {
    std::vector<Index> order(static_cast<std::size_t>(column.size()));
    std::iota(order.begin(), order.end(), Index{0});
    std::ranges::sort(order, {}, [&](Index i) { return column[i]; });
    VectorXd ranks(column.size());
    for (std::size_t first = 0; first < order.size();) {
        auto end = first + 1;
        while (end < order.size() && column[order[end]] == column[order[first]]) ++end;
        auto const rank = 0.5 * static_cast<double>(first + end + 1);  // mean of first + 1 .. end
        for (; first < end; ++first) ranks[order[first]] = rank;
    }
    return ranks;
}

/// The maximum-entropy approximation of differential entropy of Hyvarinen 1998, of a standardised variable.
double entropy(kernels::EntropySums const& sums, Index n) {
    constexpr double kK1 = 79.047;
    constexpr double kK2 = 7.4129;
    constexpr double kGamma = 0.37457;
    double const a = sums.log_cosh / static_cast<double>(n) - kGamma;
    double const b = sums.gauss / static_cast<double>(n);
    return (1 + std::log(2 * std::numbers::pi)) / 2 - kK1 * a * a - kK2 * b * b;
}

[[noreturn]] void fail_collinear(std::string const& one, std::string const& other) {
    fail_usage(
        fmt::format("'{}' and '{}' are multiples of each other, up to what other motifs explain: name one of "
                    "them in matrix.drop",
                    one, other));
}

/// The column that is most likely to cause the others and be caused by none. `z`: standardised columns of the
/// remaining variables.
Index most_exogenous(MatrixXd const& z, std::vector<Index> const& columns, std::span<std::string const> names,
                     std::stop_token const& stop) {
    auto const n = z.rows();
    auto const count = z.cols();
    std::vector<double> own(static_cast<std::size_t>(count)), penalty(own.size(), 0.0);
    for (Index i = 0; i < count; ++i)
        own[static_cast<std::size_t>(i)] = entropy(kernels::entropy_sums(z.col(i).data(), n), n);
    for (Index i = 0; i < count; ++i) {
        if (stop.stop_requested()) throw Error(Origin::stopped, "stopped within a network");
        for (Index j = i + 1; j < count; ++j) {
            double const rho = z.col(i).dot(z.col(j)) / static_cast<double>(n);
            double const left = 1 - rho * rho;
            if (!(left > 1e-12))
                fail_collinear(names[static_cast<std::size_t>(columns[static_cast<std::size_t>(i)])],
                               names[static_cast<std::size_t>(columns[static_cast<std::size_t>(j)])]);
            auto const sums =
                kernels::residual_sums(z.col(i).data(), z.col(j).data(), n, rho, 1 / std::sqrt(left));
            // Difference of mutual information of "i causes j" and "j causes i".
            double const difference = (own[static_cast<std::size_t>(j)] + entropy(sums.u, n)) -
                                      (own[static_cast<std::size_t>(i)] + entropy(sums.v, n));
            auto const of_i = std::min(0.0, difference);
            auto const of_j = std::min(0.0, -difference);
            penalty[static_cast<std::size_t>(i)] += of_i * of_i;
            penalty[static_cast<std::size_t>(j)] += of_j * of_j;
        }
    }
    return std::ranges::min_element(penalty) - penalty.begin();
}

MatrixXd part(MatrixXd const& matrix, std::vector<Index> const& rows, std::vector<Index> const& columns) {
    return matrix(rows, columns);
}

/// Coefficients of least squares of `target` on `predictors`, from a covariance matrix.
VectorXd least_squares(MatrixXd const& covariance, std::vector<Index> const& predictors, Index target) {
    MatrixXd const gram = part(covariance, predictors, predictors);
    VectorXd const xy = part(covariance, predictors, {target});
    return gram.ldlt().solve(xy);
}

}  // namespace

MatrixXd spearman(MatrixXd const& x) {
    MatrixXd ranks(x.rows(), x.cols());
    for (Index j = 0; j < x.cols(); ++j) {
        ranks.col(j) = ranks_of(x.col(j));
        standardise(ranks.col(j));
    }
    MatrixXd correlation = MatrixXd::Zero(x.cols(), x.cols());
    correlation.selfadjointView<Eigen::Lower>().rankUpdate(ranks.transpose(),
                                                           1.0 / static_cast<double>(x.rows()));
    correlation.triangularView<Eigen::StrictlyUpper>() = correlation.transpose();
    for (Index j = 0; j < x.cols(); ++j)
        if (!std::isnan(correlation(j, j))) correlation(j, j) = 1;
    return correlation;
}

VectorXd lasso_by_bic(MatrixXd const& gram, VectorXd const& xy, double n) {
    constexpr double kLeastCorrelation = std::numeric_limits<float>::epsilon();
    constexpr double kLeastPivot = 1e-7;
    constexpr int kMostSteps = 500;
    auto const p = gram.cols();
    double const noise = std::max(1 - xy.dot(gram.ldlt().solve(xy)), std::numeric_limits<double>::min()) * n /
                         (n - static_cast<double>(p) - 1);
    VectorXd beta = VectorXd::Zero(p);
    VectorXd best = beta;
    double least = std::numeric_limits<double>::infinity();
    auto const judge = [&] {
        double const residual = n * (1 - 2 * beta.dot(xy) + beta.dot(gram * beta));
        auto const used = (beta.array().abs() > std::numeric_limits<double>::epsilon()).count();
        double const bic = residual / noise + std::log(n) * static_cast<double>(used);
        if (bic < least) {
            least = bic;
            best = beta;
        }
    };
    std::vector<Index> active;
    std::vector<bool> is_out(static_cast<std::size_t>(p), false);  // active, or degenerate for good
    bool dropped = false;
    VectorXd correlation = xy;
    judge();
    for (int step = 0; step < kMostSteps; ++step) {
        Index next = -1;
        double most = 0;
        for (Index j = 0; j < p; ++j) {
            if (is_out[static_cast<std::size_t>(j)] || std::abs(correlation[j]) <= most) continue;
            most = std::abs(correlation[j]);
            next = j;
        }
        if (most <= kLeastCorrelation) break;
        if (static_cast<Index>(active.size()) >= p) break;
        if (!dropped) {
            active.push_back(next);
            is_out[static_cast<std::size_t>(next)] = true;
        }
        // Equiangular direction: all active correlations fall alike.
        Eigen::LLT<MatrixXd> const factor(part(gram, active, active));
        if (factor.info() != Eigen::Success || factor.matrixLLT().diagonal().minCoeff() < kLeastPivot) {
            active.pop_back();  // stays out for good
            if (active.empty()) break;
            continue;
        }
        VectorXd sign(active.size());
        for (std::size_t a = 0; a < active.size(); ++a)
            sign[static_cast<Index>(a)] = correlation[active[a]] > 0 ? 1 : -1;
        VectorXd const direction = factor.solve(sign);
        VectorXd slope = VectorXd::Zero(p);
        for (std::size_t a = 0; a < active.size(); ++a)
            slope += gram.col(active[a]) * direction[static_cast<Index>(a)];
        double length = most;
        for (Index j = 0; j < p; ++j) {
            if (is_out[static_cast<std::size_t>(j)]) continue;
            for (double const candidate :
                 {(most - correlation[j]) / (1 - slope[j]), (most + correlation[j]) / (1 + slope[j])})
                if (candidate > 0 && candidate < length) length = candidate;
        }
        dropped = false;
        std::size_t gone = 0;
        for (std::size_t a = 0; a < active.size(); ++a) {
            double const zero = -beta[active[a]] / direction[static_cast<Index>(a)];
            if (zero > 0 && zero < length) {
                length = zero;
                gone = a;
                dropped = true;
            }
        }
        for (std::size_t a = 0; a < active.size(); ++a)
            beta[active[a]] += length * direction[static_cast<Index>(a)];
        if (dropped) {
            beta[active[gone]] = 0;
            is_out[static_cast<std::size_t>(active[gone])] = false;
            active.erase(active.begin() + static_cast<std::ptrdiff_t>(gone));
        }
        correlation = xy - gram * beta;
        judge();
    }
    return best;
}

std::vector<Collinear> collinear(MatrixXd const& x) {
    // direct_lingam refuses 1e-12 of what is left at some point of its way, which may be little already.
    constexpr double kLeastLeft = 1e-10;
    auto const p = x.cols();
    MatrixXd z = x;
    for (Index j = 0; j < p; ++j) standardise(z.col(j));
    MatrixXd const correlation = z.transpose() * z / static_cast<double>(x.rows());
    std::vector<Collinear> found;
    std::vector<Index> kept;
    MatrixXd lower = MatrixXd::Zero(p, p);  // Cholesky factor of the kept columns
    for (Index j = 0; j < p; ++j) {
        auto const count = static_cast<Index>(kept.size());
        VectorXd const row = lower.topLeftCorner(count, count)
                                 .triangularView<Eigen::Lower>()
                                 .solve(part(correlation, kept, {j}).col(0));
        double const left = 1 - row.squaredNorm();
        if (left > kLeastLeft) {
            lower.row(count).head(count) = row;
            lower(count, count) = std::sqrt(left);
            kept.push_back(j);
            continue;
        }
        Index most = 0;
        least_squares(correlation, kept, j).cwiseAbs().maxCoeff(&most);
        found.push_back({j, kept[static_cast<std::size_t>(most)]});
    }
    return found;
}

Lingam direct_lingam(MatrixXd const& x, std::span<std::string const> names, std::stop_token const& stop) {
    auto const n = x.rows();
    auto const p = x.cols();
    require(n > p + 1,
            fmt::format("DirectLiNGAM of {} variables needs more than {} rows, there are {}", p, p + 1, n));
    Lingam model;
    MatrixXd z = x;  // standardised residuals of the variables that are left
    for (Index j = 0; j < p; ++j) {
        standardise(z.col(j));
        require(z.col(j).allFinite(),
                fmt::format("'{}' is constant: name it in matrix.drop", names[static_cast<std::size_t>(j)]));
    }
    MatrixXd const correlation = z.transpose() * z / static_cast<double>(n);
    std::vector<Index> left(static_cast<std::size_t>(p));
    std::iota(left.begin(), left.end(), Index{0});
    while (!left.empty()) {
        auto const chosen = left.size() == 1 ? Index{0} : most_exogenous(z, left, names, stop);
        model.order.push_back(static_cast<std::int32_t>(left[static_cast<std::size_t>(chosen)]));
        VectorXd const cause = z.col(chosen);
        Index kept = 0;
        for (Index j = 0; j < z.cols(); ++j) {
            if (j == chosen) continue;
            double const rho = z.col(j).dot(cause) / static_cast<double>(n);
            if (kept != j) z.col(kept) = z.col(j);
            z.col(kept) -= rho * cause;
            standardise(z.col(kept));
            ++kept;
        }
        z.conservativeResize(Eigen::NoChange, kept);
        left.erase(left.begin() + chosen);
    }

    VectorXd sd(p);
    for (Index j = 0; j < p; ++j) sd[j] = std::sqrt((x.col(j).array() - x.col(j).mean()).square().mean());
    model.adjacency = MatrixXd::Zero(p, p);
    std::vector<Index> before;
    for (auto const name : model.order) {
        if (stop.stop_requested()) throw Error(Origin::stopped, "stopped within a network");
        Index const target = name;
        if (!before.empty()) {
            VectorXd const weight = least_squares(correlation, before, target).cwiseAbs();
            MatrixXd const gram =
                weight.asDiagonal() * part(correlation, before, before) * weight.asDiagonal();
            VectorXd const xy = weight.asDiagonal() * part(correlation, before, {target}).col(0);
            VectorXd const kept = lasso_by_bic(gram, xy, static_cast<double>(n));
            std::vector<Index> causes;
            for (Index k = 0; k < kept.size(); ++k)
                if (kept[k] != 0) causes.push_back(before[static_cast<std::size_t>(k)]);
            if (!causes.empty()) {
                VectorXd const effect = least_squares(correlation, causes, target);
                for (Index k = 0; k < effect.size(); ++k) {
                    auto const cause = causes[static_cast<std::size_t>(k)];
                    model.adjacency(target, cause) = effect[k] * sd[target] / sd[cause];
                }
            }
        }
        before.push_back(target);
    }
    return model;
}

}  // namespace mpira::jobs
