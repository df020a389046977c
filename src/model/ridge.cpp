#include "mpira/model/ridge.hpp"

#include <algorithm>
#include <functional>

#include <Eigen/Cholesky>
#include <Eigen/Core>

#include "mpira/base/error.hpp"
#include "mpira/model/estimator.hpp"

namespace mpira::model {

namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::RowMajor;
using RowsXf = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, RowMajor>;
using RowsXd = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, RowMajor>;

class Ridge final : public Estimator {
public:
    Ridge(EstimatorShape shape, double alpha)
        : shape_(shape), alpha_(alpha), sums_(shape.columns, shape.outputs) {}

    void add(std::span<float const> x, std::span<float const> y) override {
        sums_.add(x, std::vector<double>(y.begin(), y.end()));
    }

    void fit(std::function<bool()> const& stop_requested) override {
        if (stop_requested && stop_requested()) throw Error(Origin::stopped, "stopped within a fit");
        fits_ = sums_.fit(alpha_);
    }

    void predict(std::span<float const> x, std::span<float> out) const override {
        ensure(!fits_.empty() && x.size() * shape_.outputs == out.size() * shape_.columns,
               "ridge: rows of another shape");
        for (std::size_t i = 0; i < out.size(); ++i) {
            auto const row = x.subspan(i / shape_.outputs * shape_.columns, shape_.columns);
            out[i] = static_cast<float>(fits_[i % shape_.outputs].predict(row));
        }
    }

private:
    EstimatorShape shape_;
    double alpha_;
    RidgeSums sums_;
    std::vector<LinearFit> fits_;
};

}  // namespace

RidgeSums::RidgeSums(std::uint64_t columns, std::uint64_t outputs)
    : columns_(columns),
      outputs_(outputs),
      xx_(columns * columns, 0.0),
      x_(columns, 0.0),
      xy_(columns * outputs, 0.0),
      y_(outputs, 0.0) {
    ensure(columns > 0 && outputs > 0, "ridge without columns");
}

void RidgeSums::add(std::span<float const> x, std::span<double const> y) {
    ensure(y.size() % outputs_ == 0 && x.size() * outputs_ == y.size() * columns_,
           "ridge: rows of another shape");
    auto const columns = static_cast<Index>(columns_);
    auto const outputs = static_cast<Index>(outputs_);
    Eigen::Map<MatrixXd> xx(xx_.data(), columns, columns);
    Eigen::Map<Eigen::VectorXd> sum_x(x_.data(), columns);
    Eigen::Map<MatrixXd> xy(xy_.data(), columns, outputs);
    Eigen::Map<Eigen::VectorXd> sum_y(y_.data(), outputs);
    auto const rows = static_cast<Index>(y.size() / outputs_);
    Eigen::Map<RowsXf const> const all_x(x.data(), rows, columns);
    Eigen::Map<RowsXd const> const all_y(y.data(), rows, outputs);
    constexpr Index kBlock = 1024;  // rows in double at a time
    for (Index first = 0; first < rows; first += kBlock) {
        auto const count = std::min(kBlock, rows - first);
        MatrixXd const block = all_x.middleRows(first, count).cast<double>();
        auto const targets = all_y.middleRows(first, count);
        xx.selfadjointView<Eigen::Lower>().rankUpdate(block.transpose());
        xy.noalias() += block.transpose() * targets;
        sum_x += block.colwise().sum().transpose();
        sum_y += targets.colwise().sum().transpose();
    }
    rows_ += static_cast<double>(rows);
}

template <typename Fn>
void RidgeSums::each_with(RidgeSums const& other, Fn fn) {
    ensure(columns_ == other.columns_ && outputs_ == other.outputs_, "ridge: sums of another shape");
    rows_ = fn(rows_, other.rows_);
    auto const both = [&](std::vector<double>& mine, std::vector<double> const& theirs) {
        std::ranges::transform(mine, theirs, mine.begin(), fn);
    };
    both(xx_, other.xx_);
    both(x_, other.x_);
    both(xy_, other.xy_);
    both(y_, other.y_);
}

RidgeSums& RidgeSums::operator+=(RidgeSums const& other) {
    each_with(other, std::plus<>());
    return *this;
}

RidgeSums& RidgeSums::operator-=(RidgeSums const& other) {
    each_with(other, std::minus<>());
    return *this;
}

std::vector<LinearFit> RidgeSums::fit(double alpha) const {
    ensure(alpha > 0 && rows_ > 0, "ridge: nothing to fit");
    auto const columns = static_cast<Index>(columns_);
    auto const outputs = static_cast<Index>(outputs_);
    Eigen::VectorXd const mean = Eigen::Map<Eigen::VectorXd const>(x_.data(), columns) / rows_;
    Eigen::VectorXd const mean_y = Eigen::Map<Eigen::VectorXd const>(y_.data(), outputs) / rows_;
    MatrixXd gram = Eigen::Map<MatrixXd const>(xx_.data(), columns, columns);
    gram.triangularView<Eigen::Lower>() -= rows_ * mean * mean.transpose();
    gram.diagonal().array() += alpha;
    MatrixXd const moments =
        Eigen::Map<MatrixXd const>(xy_.data(), columns, outputs) - rows_ * mean * mean_y.transpose();
    MatrixXd const slopes = gram.selfadjointView<Eigen::Lower>().ldlt().solve(moments);
    std::vector<LinearFit> fits;
    for (Index output = 0; output < outputs; ++output) {
        auto const slope = slopes.col(output);
        fits.push_back(
            {.coefficients = {slope.begin(), slope.end()}, .intercept = mean_y[output] - mean.dot(slope)});
    }
    return fits;
}

std::unique_ptr<Estimator> make_ridge(EstimatorShape shape, double alpha) {
    return std::make_unique<Ridge>(shape, alpha);
}

}  // namespace mpira::model
