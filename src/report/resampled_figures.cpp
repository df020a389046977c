#include "report/resampled_figures.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <unordered_map>

#include "mpira/base/error.hpp"
#include "mpira/base/philox.hpp"

namespace mpira::report {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

/// The values sorted once; each resample is then a pass over them with other weights.
struct Order {
    std::vector<std::uint32_t> rows;  ///< ascending by value
    std::vector<std::uint32_t> ends;  ///< where each run of equal values ends
};

Order order_of(std::span<double const> values) {
    Order order;
    order.rows.resize(values.size());
    std::iota(order.rows.begin(), order.rows.end(), 0U);
    std::ranges::stable_sort(order.rows, [&](auto a, auto b) { return values[a] < values[b]; });
    for (std::uint32_t i = 0; i < order.rows.size(); ++i)
        if (i + 1 == order.rows.size() || values[order.rows[i + 1]] != values[order.rows[i]])
            order.ends.push_back(i + 1);
    return order;
}

/// Midranks of rows that are there `weight` times each, less their mean.
void centred_ranks(Order const& order, std::span<double const> weight, std::vector<double>& ranks) {
    double const total = std::accumulate(weight.begin(), weight.end(), 0.0);
    double before = 0;
    std::uint32_t begin = 0;
    for (auto const end : order.ends) {
        double here = 0;
        for (auto i = begin; i < end; ++i) here += weight[order.rows[i]];
        double const rank = before + here / 2 - total / 2;
        for (auto i = begin; i < end; ++i) ranks[order.rows[i]] = rank;
        before += here;
        begin = end;
    }
}

double weighted_pearson(std::span<double const> x, std::span<double const> y,
                        std::span<double const> weight) {
    double w = 0, mean_x = 0, mean_y = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        w += weight[i];
        mean_x += weight[i] * x[i];
        mean_y += weight[i] * y[i];
    }
    mean_x /= w;
    mean_y /= w;
    double xx = 0, yy = 0, xy = 0;
    double scale_x = 0, scale_y = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        double const dx = x[i] - mean_x, dy = y[i] - mean_y;
        xx += weight[i] * dx * dx;
        yy += weight[i] * dy * dy;
        xy += weight[i] * dx * dy;
        scale_x += weight[i] * x[i] * x[i];
        scale_y += weight[i] * y[i] * y[i];
    }
    // What is left of equal values by rounding is no spread.
    constexpr double kRounding = 1e-26;
    bool const varies = xx > kRounding * scale_x && yy > kRounding * scale_y;
    return varies ? std::clamp(xy / std::sqrt(xx * yy), -1.0, 1.0) : kNone;
}

/// Average precision: from the highest score down, equal ones together.
double weighted_precision(Order const& order, std::span<std::uint8_t const> positive,
                          std::span<double const> weight) {
    double area = 0, found = 0, seen = 0;
    for (auto run = order.ends.size(); run-- > 0;) {
        double const before = found;
        for (auto i = run == 0 ? 0 : order.ends[run - 1]; i < order.ends[run]; ++i) {
            auto const row = order.rows[i];
            seen += weight[row];
            if (positive[row] != 0) found += weight[row];
        }
        if (found > before) area += (found - before) * found / seen;
    }
    return found > 0 ? area / found : kNone;
}

Estimate with_interval(double value, std::vector<double> resampled) {
    std::erase_if(resampled, [](double one) { return std::isnan(one); });
    if (std::isnan(value) || resampled.empty()) return {value, kNone, kNone};
    return {value, percentile(resampled, 2.5), percentile(resampled, 97.5)};
}

}  // namespace

double percentile(std::vector<double> values, double percent) {
    ensure(!values.empty(), "percentile: of nothing");
    std::ranges::sort(values);
    double const place = percent / 100 * static_cast<double>(values.size() - 1);
    auto const below = static_cast<std::size_t>(place);
    auto const above = std::min(below + 1, values.size() - 1);
    return values[below] + (values[above] - values[below]) * (place - static_cast<double>(below));
}

Figures resampled_figures(std::span<double const> scores, std::span<double const> measured,
                          std::span<std::uint8_t const> positive, std::span<std::uint32_t const> locus,
                          std::uint64_t resamples, std::uint64_t seed) {
    auto const n = scores.size();
    ensure(measured.size() == n && locus.size() == n && (positive.empty() || positive.size() == n),
           "resampled_figures: columns of different lengths");
    Figures figures;
    figures.elements = n;
    if (n == 0) return {0, 0, {kNone, kNone, kNone}, {kNone, kNone, kNone}, {kNone, kNone, kNone}, kNone};
    std::unordered_map<std::uint32_t, std::uint32_t> numbers;
    std::vector<std::uint32_t> place(n);
    for (std::size_t i = 0; i < n; ++i)
        place[i] = numbers.try_emplace(locus[i], static_cast<std::uint32_t>(numbers.size())).first->second;
    figures.loci = numbers.size();
    auto const by_score = order_of(scores), by_measured = order_of(measured);

    std::vector<double> weight(n, 1), rank_score(n), rank_measured(n);
    struct Values {
        double pearson, spearman, auprc;
    };
    auto const values_now = [&]() -> Values {
        centred_ranks(by_score, weight, rank_score);
        centred_ranks(by_measured, weight, rank_measured);
        return {weighted_pearson(scores, measured, weight),
                weighted_pearson(rank_score, rank_measured, weight),
                positive.empty() ? kNone : weighted_precision(by_score, positive, weight)};
    };
    auto const all = values_now();
    if (positive.empty()) {
        figures.positives = kNone;
    } else {
        figures.positives =
            static_cast<double>(std::ranges::count(positive, std::uint8_t{1})) / static_cast<double>(n);
    }
    if (numbers.size() < kFewestLoci) resamples = 0;
    std::vector<double> pearson, spearman, auprc, times(numbers.size());
    for (std::uint64_t resample = 0; resample < resamples; ++resample) {
        Draws draws(seed, Stream::resampling, static_cast<std::uint32_t>(resample));
        std::ranges::fill(times, 0);
        for (std::size_t i = 0; i < times.size(); ++i) ++times[draws.below(times.size())];
        for (std::size_t i = 0; i < n; ++i) weight[i] = times[place[i]];
        auto const now = values_now();
        pearson.push_back(now.pearson);
        spearman.push_back(now.spearman);
        auprc.push_back(now.auprc);
    }
    figures.pearson = with_interval(all.pearson, std::move(pearson));
    figures.spearman = with_interval(all.spearman, std::move(spearman));
    figures.auprc = with_interval(all.auprc, std::move(auprc));
    return figures;
}

}  // namespace mpira::report
