#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "report/report_page.hpp"

/// Small figures of many values. What is no number is left out everywhere.
namespace mpira::report {

[[nodiscard]] std::vector<double> finite(std::span<double const> values);
/// Between order statistics linearly, as numpy has it; NaN of none. `sorted` ascends.
[[nodiscard]] double quantile(std::span<double const> sorted, double share);
[[nodiscard]] double mean_of(std::span<double const> values);
/// With n - 1; NaN of fewer than two.
[[nodiscard]] double sd_of(std::span<double const> values);

/// The area under the ROC curve: how often a positive is above another, ties half. NaN without both kinds.
[[nodiscard]] double auc(std::span<double const> scores, std::vector<bool> const& positive);

/// About `most` of [0, count), evenly spaced.
[[nodiscard]] std::vector<std::uint64_t> thinned(std::uint64_t count, std::uint64_t most);

/// Equal bins over what all of several lists span.
struct Bins {
    double low = 0;
    double width = 1;
    std::uint64_t count = 1;
    static Bins over(std::span<std::vector<double> const> lists, std::uint64_t most);
    [[nodiscard]] std::vector<double> counts(std::span<double const> values) const;
    /// The outline of a histogram, as a line.
    [[nodiscard]] Series outline(std::span<double const> heights) const;
};

/// A histogram of one list as bars, or of several as outlines. `of`: what is counted ("elements").
[[nodiscard]] Figure histogram(std::string title, std::string unit, std::string const& of,
                               std::vector<std::string> const& names,
                               std::span<std::vector<double> const> lists);

/// Median, quartiles and whiskers (5 % and 95 %) of lists, a row each, on names down the side.
[[nodiscard]] Figure quartiles(std::string title, std::string unit, std::vector<std::string> const& names,
                               std::span<std::vector<double> const> lists);

}  // namespace mpira::report
