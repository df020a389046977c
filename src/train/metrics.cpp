#include "mpira/train/metrics.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <vector>

#include "mpira/base/error.hpp"

namespace mpira::train {

namespace {

template <typename Values>
double mean(Values const& values) {
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// Of two ranges of equal length.
template <typename Values>
double pearson_of(Values const& predicted, Values const& target) {
    if (predicted.size() < 2) return kUndefined;
    double const mean_p = mean(predicted);
    double const mean_t = mean(target);
    double pp = 0;
    double tt = 0;
    double pt = 0;
    for (std::size_t i = 0; i < predicted.size(); ++i) {
        double const p = predicted[i] - mean_p;
        double const t = target[i] - mean_t;
        pp += p * p;
        tt += t * t;
        pt += p * t;
    }
    if (pp <= 0 || tt <= 0) return kUndefined;
    return pt / std::sqrt(pp * tt);
}

// 1 for the smallest; equal values share the mean of their ranks.
std::vector<double> midranks(std::span<float const> values) {
    std::vector<std::size_t> order(values.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
    std::vector<double> ranks(values.size());
    for (std::size_t first = 0; first < order.size();) {
        std::size_t last = first + 1;
        while (last < order.size() && !(values[order[first]] < values[order[last]])) ++last;
        double const midrank = 0.5 * static_cast<double>(first + 1 + last);
        for (std::size_t i = first; i < last; ++i) ranks[order[i]] = midrank;
        first = last;
    }
    return ranks;
}

void require_same_size(std::span<float const> predicted, std::span<float const> target) {
    ensure(predicted.size() == target.size(), "predictions and targets differ in number");
}

}  // namespace

double pearson(std::span<float const> predicted, std::span<float const> target) {
    require_same_size(predicted, target);
    return pearson_of(predicted, target);
}

double spearman(std::span<float const> predicted, std::span<float const> target) {
    require_same_size(predicted, target);
    return pearson_of(midranks(predicted), midranks(target));
}

double r2(std::span<float const> predicted, std::span<float const> target) {
    require_same_size(predicted, target);
    if (predicted.size() < 2) return kUndefined;
    double const mean_t = mean(target);
    double sse = 0;
    double sst = 0;
    for (std::size_t i = 0; i < predicted.size(); ++i) {
        double const error = double{target[i]} - double{predicted[i]};
        double const deviation = target[i] - mean_t;
        sse += error * error;
        sst += deviation * deviation;
    }
    if (sst <= 0) return kUndefined;
    return 1 - sse / sst;
}

double auroc(std::span<float const> predicted, std::span<float const> target) {
    require_same_size(predicted, target);
    auto const ranks = midranks(predicted);
    double positive_ranks = 0;
    double positives = 0;
    for (std::size_t i = 0; i < ranks.size(); ++i) {
        if (target[i] > 0.5F) {
            positive_ranks += ranks[i];
            positives += 1;
        }
    }
    double const negatives = static_cast<double>(predicted.size()) - positives;
    if (positives < 1 || negatives < 1) return kUndefined;
    return (positive_ranks - positives * (positives + 1) / 2) / (positives * negatives);
}

double poisson_nll(std::span<float const> predicted, std::span<float const> target) {
    require_same_size(predicted, target);
    if (predicted.empty()) return kUndefined;
    double sum = 0;
    for (std::size_t i = 0; i < predicted.size(); ++i) {
        double const p = std::max(predicted[i], 0.0F);
        sum += p - target[i] * std::log(p + 1e-8);
    }
    return sum / static_cast<double>(predicted.size());
}

bool is_binary(std::span<float const> target) {
    bool zero = false;
    bool one = false;
    for (float const value : target) {
        if (std::equal_to<>{}(value, 0.0F)) {
            zero = true;
        } else if (std::equal_to<>{}(value, 1.0F)) {
            one = true;
        } else {
            return false;
        }
    }
    return zero && one;
}

}  // namespace mpira::train
