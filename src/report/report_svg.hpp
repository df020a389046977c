#pragma once

#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "report/report_page.hpp"

namespace mpira::report {

inline constexpr double kFigureWidth = 720;

/// What an axis spans.
struct Span {
    double low = 0;
    double high = 1;
};
/// (x, y) of a figure, the same for the static and the interactive plot. Rows with names go downward: the
/// first is on top, and `low` is then below `high` on the screen's other side.
std::pair<Span, Span> spans_of(Figure const& figure);

/// About `wanted` round numbers in a span.
std::vector<double> ticks_of(Span span, int wanted);

/// Where data come to lie on the screen.
struct Projection {
    Span x, y;                        ///< of the data
    double left, right, top, bottom;  ///< px
    [[nodiscard]] double px(double value) const {
        return left + (value - x.low) / (x.high - x.low) * (right - left);
    }
    [[nodiscard]] double py(double value) const {
        return bottom - (value - y.low) / (y.high - y.low) * (bottom - top);
    }
};

/// The series and cells as SVG.
std::string marks_of(Figure const& figure, Projection const& at);

/// A figure as an <svg> element that needs no script: title, axes, marks.
std::string svg_of(Figure const& figure);

/// The same for report.js.
nlohmann::json plot_json(Figure const& figure);

/// Which of the colours a value has, 0 to 10, in the middle 0; -1: it is no number.
int colour_level(double value, double most);
inline constexpr int kLevels = 11;

}  // namespace mpira::report
