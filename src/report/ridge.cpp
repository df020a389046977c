#include "report/ridge.hpp"

#include <map>

#include <Eigen/Cholesky>
#include <Eigen/Core>

#include "mpira/base/error.hpp"

namespace mpira::report {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

/// Sums from which a fit can be made; those of all rows less those of a fold are the other folds'.
struct Sums {
    explicit Sums(Index columns) : xx(MatrixXd::Zero(columns, columns)), x(VectorXd::Zero(columns)), xy(x) {}
    void add(MatrixXd const& rows, VectorXd const& targets) {
        xx.selfadjointView<Eigen::Lower>().rankUpdate(rows.transpose());
        xy += rows.transpose() * targets;
        x += rows.colwise().sum().transpose();
        y += targets.sum();
        n += static_cast<double>(rows.rows());
    }
    MatrixXd xx;  ///< lower half
    VectorXd x, xy;
    double y = 0, n = 0;
};

}  // namespace

std::vector<double> out_of_fold_ridge(std::span<float const> x, std::span<double const> y,
                                      std::span<std::uint32_t const> fold, double alpha) {
    auto const rows = y.size();
    ensure(rows > 0 && x.size() % rows == 0 && fold.size() == rows && alpha > 0,
           "out_of_fold_ridge: other shapes");
    auto const columns = static_cast<Index>(x.size() / rows);
    auto const row_of = [&](std::size_t row) {
        return Eigen::Map<Eigen::RowVectorXf const>(x.data() + row * static_cast<std::size_t>(columns),
                                                    columns);
    };
    std::map<std::uint32_t, std::vector<std::size_t>> rows_of;
    for (std::size_t row = 0; row < rows; ++row) rows_of[fold[row]].push_back(row);
    ensure(rows_of.size() > 1, "out_of_fold_ridge: one fold");

    Sums all(columns);
    std::map<std::uint32_t, Sums> of;
    for (auto const& [number, members] : rows_of) {
        Sums sums(columns);
        constexpr std::size_t kBlock = 1024;
        for (std::size_t first = 0; first < members.size(); first += kBlock) {
            auto const count = std::min(kBlock, members.size() - first);
            MatrixXd block(static_cast<Index>(count), columns);
            VectorXd targets(static_cast<Index>(count));
            for (std::size_t i = 0; i < count; ++i) {
                block.row(static_cast<Index>(i)) = row_of(members[first + i]).cast<double>();
                targets[static_cast<Index>(i)] = y[members[first + i]];
            }
            sums.add(block, targets);
        }
        all.xx += sums.xx;
        all.x += sums.x;
        all.xy += sums.xy;
        all.y += sums.y;
        all.n += sums.n;
        of.emplace(number, std::move(sums));
    }

    std::vector<double> predicted(rows);
    for (auto const& [number, members] : rows_of) {
        auto const& own = of.at(number);
        double const n = all.n - own.n;
        VectorXd const mean = (all.x - own.x) / n;
        double const mean_y = (all.y - own.y) / n;
        MatrixXd gram = all.xx - own.xx;
        gram.triangularView<Eigen::Lower>() -= n * mean * mean.transpose();
        gram.diagonal().array() += alpha;
        VectorXd const moments = all.xy - own.xy - n * mean_y * mean;
        VectorXd const slope = gram.selfadjointView<Eigen::Lower>().ldlt().solve(moments);
        for (auto const row : members)
            predicted[row] = mean_y + (row_of(row).cast<double>().transpose() - mean).dot(slope);
    }
    return predicted;
}

}  // namespace mpira::report
