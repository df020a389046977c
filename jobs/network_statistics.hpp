#pragma once

#include <cstdint>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include <Eigen/Core>

/// Motif-motif networks from a gene-by-motif matrix (Fu et al. 2025; rows 52 and 53 of spec/systems.md).
/// Matrices are (genes, motifs), finite. Pure functions.
namespace mpira::jobs {

/// Spearman's correlation of the columns: Pearson's of their ranks, ties with their mean rank. (p, p). Not a
/// number for a constant column.
Eigen::MatrixXd spearman(Eigen::MatrixXd const& x);

/// A linear causal model: x_i = sum of adjacency(i, j) x_j + noise, j before i in `order`.
struct Lingam {
    std::vector<std::int32_t> order;  ///< columns, causes first
    Eigen::MatrixXd adjacency;        ///< (p, p): effect of column j on row i
};

/// DirectLiNGAM (Shimizu et al. 2011) with the pairwise likelihood ratios of Hyvarinen and Smith 2013 and
/// their entropy approximation; edges pruned by the adaptive lasso with BIC (weights: the absolute
/// coefficients of least squares), what is left fitted by least squares: what the Python package lingam
/// computes. Order and edges are the same, coefficients to 1e-6 (tests/python/network_test.py).
///
/// Time: p^3 / 3 passes over n values, each two exponentials. Memory: twice x. Looks at
/// `stop` and throws Error(Origin::stopped). Throws Origin::usage when there are not more rows than columns,
/// a column is constant, or two columns are multiples of each other up to what was already explained; with
/// `names` of the columns.
Lingam direct_lingam(Eigen::MatrixXd const& x, std::span<std::string const> names,
                     std::stop_token const& stop = {});

/// A column that those before it explain, and the one of them that does so most.
struct Collinear {
    Eigen::Index column = 0;
    Eigen::Index with = 0;
};
/// Columns, ascending, of whose variance those before them leave less than 1e-10: what is left without them,
/// direct_lingam takes. The columns must vary. Time: a Gram matrix and its Cholesky decomposition.
std::vector<Collinear> collinear(Eigen::MatrixXd const& x);

/// Least-angle path of the lasso (Efron et al. 2004) on a correlation matrix `gram` with correlations `xy`
/// to the target of variance 1, `n` samples: the coefficients where BIC is least. A path ends where the
/// largest correlation falls to 1.2e-7, as in scikit-learn's LassoLarsIC.
Eigen::VectorXd lasso_by_bic(Eigen::MatrixXd const& gram, Eigen::VectorXd const& xy, double n);

namespace kernels {

/// Sums over i of log cosh u and u exp(-u^2 / 2).
struct EntropySums {
    double log_cosh = 0;
    double gauss = 0;
};
EntropySums entropy_sums(double const* u, std::int64_t n);
/// The same of both residuals of a standardised pair: u = (x - rho y) * inverse_sd, v = (y - rho x) *
/// inverse_sd.
struct PairSums {
    EntropySums u, v;
};
PairSums residual_sums(double const* x, double const* y, std::int64_t n, double rho, double inverse_sd);

}  // namespace kernels
}  // namespace mpira::jobs
