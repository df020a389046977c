#include "report/report_statistics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <fmt/format.h>

namespace mpira::report {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr std::uint64_t kMostBins = 60;

}  // namespace

std::vector<double> finite(std::span<double const> values) {
    std::vector<double> kept;
    std::ranges::copy_if(values, std::back_inserter(kept), [](double value) { return std::isfinite(value); });
    return kept;
}

double quantile(std::span<double const> sorted, double share) {
    if (sorted.empty()) return kNone;
    auto const place = share * static_cast<double>(sorted.size() - 1);
    auto const below = static_cast<std::size_t>(place);
    auto const above = std::min(below + 1, sorted.size() - 1);
    return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

double mean_of(std::span<double const> values) {
    double sum = 0, count = 0;
    for (auto const value : values) {
        if (!std::isfinite(value)) continue;
        sum += value;
        ++count;
    }
    return count > 0 ? sum / count : kNone;
}

double sd_of(std::span<double const> values) {
    auto const mean = mean_of(values);
    double squares = 0, count = 0;
    for (auto const value : values) {
        if (!std::isfinite(value)) continue;
        squares += (value - mean) * (value - mean);
        ++count;
    }
    return count > 1 ? std::sqrt(squares / (count - 1)) : kNone;
}

double auc(std::span<double const> scores, std::vector<bool> const& positive) {
    std::vector<std::uint64_t> order;
    for (std::uint64_t i = 0; i < scores.size(); ++i)
        if (std::isfinite(scores[i])) order.push_back(i);
    std::ranges::sort(order, {}, [&](std::uint64_t i) { return scores[i]; });
    double ranks = 0, positives = 0;
    for (std::size_t first = 0; first < order.size();) {
        auto end = first;
        double here = 0;
        while (end < order.size() && scores[order[end]] == scores[order[first]])
            here += positive[order[end++]] ? 1 : 0;
        ranks += here * (static_cast<double>(first + end - 1) / 2 + 1);  // equal scores share their mean rank
        positives += here;
        first = end;
    }
    auto const others = static_cast<double>(order.size()) - positives;
    return positives > 0 && others > 0 ? (ranks - positives * (positives + 1) / 2) / (positives * others)
                                       : kNone;
}

std::vector<std::uint64_t> thinned(std::uint64_t count, std::uint64_t most) {
    std::vector<std::uint64_t> chosen(std::min(count, most));
    for (std::uint64_t i = 0; i < chosen.size(); ++i) chosen[i] = count <= most ? i : i * count / most;
    return chosen;
}

Bins Bins::over(std::span<std::vector<double> const> lists, std::uint64_t most) {
    double low = std::numeric_limits<double>::infinity(), high = -low;
    std::uint64_t longest = 0;
    for (auto const& list : lists) {
        std::uint64_t count = 0;
        for (auto const value : list) {
            if (!std::isfinite(value)) continue;
            low = std::min(low, value);
            high = std::max(high, value);
            ++count;
        }
        longest = std::max(longest, count);
    }
    if (!(low <= high) || !std::isfinite(high - low)) return {};
    if (low == high) return {low - 0.5, 1, 1};
    auto const wanted =
        static_cast<std::uint64_t>(std::ceil(2 * std::cbrt(static_cast<double>(longest))));  // Rice's rule
    auto const count = std::clamp<std::uint64_t>(wanted, 5, most);
    return {low, (high - low) / static_cast<double>(count), count};
}

std::vector<double> Bins::counts(std::span<double const> values) const {
    std::vector<double> heights(count);
    for (auto const value : values) {
        if (!std::isfinite(value)) continue;
        auto const bin = std::clamp((value - low) / width, 0.0, static_cast<double>(count - 1));
        ++heights[static_cast<std::size_t>(bin)];
    }
    return heights;
}

Series Bins::outline(std::span<double const> heights) const {
    Series line;
    line.x.push_back(low);
    line.y.push_back(0);
    for (std::size_t i = 0; i < heights.size(); ++i) {
        auto const left = low + width * static_cast<double>(i);
        line.x.insert(line.x.end(), {left, left + width});
        line.y.insert(line.y.end(), {heights[i], heights[i]});
    }
    line.x.push_back(low + width * static_cast<double>(heights.size()));
    line.y.push_back(0);
    return line;
}

Figure histogram(std::string title, std::string unit, std::string const& of,
                 std::vector<std::string> const& names, std::span<std::vector<double> const> lists) {
    Figure figure{.title = std::move(title), .x = {.title = std::move(unit)}, .y = {.title = of}};
    auto const bins = Bins::over(lists, kMostBins);
    std::uint64_t no_number = 0;
    for (std::size_t i = 0; i < lists.size(); ++i) {
        auto const heights = bins.counts(lists[i]);
        no_number += lists[i].size() - finite(lists[i]).size();
        Series series;
        if (lists.size() == 1) {
            series.mark = Mark::bars;
            series.width = bins.width;
            for (std::size_t b = 0; b < heights.size(); ++b) {
                series.x.push_back(bins.low + bins.width * (static_cast<double>(b) + 0.5));
                series.y.push_back(heights[b]);
            }
        } else {
            series = bins.outline(heights);
            series.dashed = i % 2 == 1;
        }
        series.name = lists.size() == 1 ? std::string() : names[i];
        series.colour = static_cast<int>(i);
        figure.series.push_back(std::move(series));
    }
    figure.caption = fmt::format("Histogram of {} {} in {} bins.", lists.empty() ? 0 : lists.front().size(),
                                 of, bins.count);
    if (no_number > 0) figure.caption += fmt::format(" {} values are not a number and left out.", no_number);
    return figure;
}

Figure quartiles(std::string title, std::string unit, std::vector<std::string> const& names,
                 std::span<std::vector<double> const> lists) {
    Figure figure{.title = std::move(title),
                  .caption = "Median (point), quartiles (thick line), 5 % to 95 % (thin line).",
                  .x = {.title = std::move(unit)},
                  .y = {.names = names}};
    Series thin{.size = 1.5}, thick{.size = 8, .opacity = 0.55}, medians{.mark = Mark::points, .size = 8};
    for (std::size_t i = 0; i < lists.size(); ++i) {
        auto sorted = finite(lists[i]);
        std::ranges::sort(sorted);
        auto const y = static_cast<double>(i);
        auto const add = [&](Series& line, double low, double high) {
            line.x.insert(line.x.end(), {quantile(sorted, low), quantile(sorted, high), kNone});
            line.y.insert(line.y.end(), {y, y, kNone});
        };
        add(thin, 0.05, 0.95);
        add(thick, 0.25, 0.75);
        medians.x.push_back(quantile(sorted, 0.5));
        medians.y.push_back(y);
        medians.labels.push_back(fmt::format("{}: median of {}", names[i], sorted.size()));
    }
    constexpr double kRow = 24, kAround = 70;
    figure.height = kAround + kRow * static_cast<double>(std::max<std::size_t>(lists.size(), 2));
    figure.series = {thin, thick, medians};
    return figure;
}

}  // namespace mpira::report
