#include "jobs/correlations.hpp"

#include <limits>

#include <Eigen/Core>

#include "mpira/base/error.hpp"

#include "jobs/network_statistics.hpp"

namespace mpira::jobs {
namespace {

using Eigen::Index;

double pearson(Eigen::VectorXd const& one, Eigen::VectorXd const& other) {
    Eigen::VectorXd const x = one.array() - one.mean(), y = other.array() - other.mean();
    bool const varies = one.maxCoeff() > one.minCoeff() && other.maxCoeff() > other.minCoeff();
    return varies ? x.dot(y) / (x.norm() * y.norm()) : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

Correlations correlations(std::span<double const> one, std::span<double const> other) {
    ensure(one.size() == other.size() && !one.empty(), "correlations: different lengths");
    Eigen::MatrixXd both(static_cast<Index>(one.size()), 2);
    both.col(0) = Eigen::Map<Eigen::VectorXd const>(one.data(), both.rows());
    both.col(1) = Eigen::Map<Eigen::VectorXd const>(other.data(), both.rows());
    return {pearson(both.col(0), both.col(1)), spearman(both)(0, 1)};
}

}  // namespace mpira::jobs
