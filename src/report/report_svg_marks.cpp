#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "report/report_html.hpp"
#include "report/report_svg.hpp"

namespace mpira::report {
namespace {

/// Points that are drawn one by one, with what they are; of more, a path is a tenth of the size.
constexpr std::size_t kMostCircles = 400;

std::string colour_class(int colour) {
    return colour < 0 ? "cg" : fmt::format("c{}", colour % kPalette);
}

std::string line_path(Series const& series, Projection const& at) {
    std::string path;
    bool begins = true;
    for (std::size_t i = 0; i < series.x.size(); ++i) {
        if (!std::isfinite(series.x[i]) || !std::isfinite(series.y[i])) {
            begins = true;
            continue;
        }
        path += fmt::format("{}{:.1f} {:.1f}", begins ? 'M' : 'L', at.px(series.x[i]), at.py(series.y[i]));
        begins = false;
    }
    return path;
}

std::string line_svg(Series const& series, Projection const& at) {
    return fmt::format("<path class=\"ln {}\" d=\"{}\" stroke-width=\"{:.3g}\"{}{}/>",
                       colour_class(series.colour), line_path(series, at), series.size,
                       series.dashed ? " stroke-dasharray=\"6 4\"" : "",
                       series.opacity < 1 ? fmt::format(" opacity=\"{:.2g}\"", series.opacity) : "");
}

std::string bars_svg(Figure const& figure, Series const& series, Projection const& at) {
    std::string path;
    for (std::size_t i = 0; i < series.x.size(); ++i) {
        auto const place = figure.sideways ? series.y[i] : series.x[i];
        auto const value = figure.sideways ? series.x[i] : series.y[i];
        if (!std::isfinite(place) || !std::isfinite(value)) continue;
        auto const project = [&](double along, double across) {
            return figure.sideways ? std::pair(at.px(along), at.py(across))
                                   : std::pair(at.px(across), at.py(along));
        };
        auto const [x0, y0] = project(0, place - series.width / 2);
        auto const [x1, y1] = project(value, place + series.width / 2);
        path += fmt::format("M{:.1f} {:.1f}H{:.1f}V{:.1f}H{:.1f}Z", x0, y0, x1, y1, x0);
    }
    return fmt::format("<path class=\"br {}\" d=\"{}\"{}/>", colour_class(series.colour), path,
                       series.opacity < 1 ? fmt::format(" opacity=\"{:.2g}\"", series.opacity) : "");
}

std::string errors_svg(Figure const& figure, Series const& series, Projection const& at) {
    std::string path;
    for (std::size_t i = 0; i < series.error.size(); ++i) {
        auto const x = series.x[i], y = series.y[i], half = series.error[i];
        if (!std::isfinite(x) || !std::isfinite(y) || !std::isfinite(half)) continue;
        path += figure.sideways
                    ? fmt::format("M{:.1f} {:.1f}H{:.1f}", at.px(x - half), at.py(y), at.px(x + half))
                    : fmt::format("M{:.1f} {:.1f}V{:.1f}", at.px(x), at.py(y - half), at.py(y + half));
    }
    return fmt::format("<path class=\"ln {}\" d=\"{}\" stroke-width=\"1.5\"/>", colour_class(series.colour),
                       path);
}

std::string points_svg(Figure const& figure, Series const& series, Projection const& at) {
    std::string out;
    if (!series.error.empty()) out += errors_svg(figure, series, at);
    auto const kind = colour_class(series.colour);
    if (series.x.size() > kMostCircles) {
        std::string path;
        for (std::size_t i = 0; i < series.x.size(); ++i)
            if (std::isfinite(series.x[i]) && std::isfinite(series.y[i]))
                path += fmt::format("M{:.1f} {:.1f}h0", at.px(series.x[i]), at.py(series.y[i]));
        return out +
               fmt::format("<path class=\"ln dots {}\" d=\"{}\" stroke-width=\"{:.3g}\" opacity=\"{:.2g}\"/>",
                           kind, path, series.size, series.opacity);
    }
    for (std::size_t i = 0; i < series.x.size(); ++i) {
        if (!std::isfinite(series.x[i]) || !std::isfinite(series.y[i])) continue;
        auto const x = at.px(series.x[i]), y = at.py(series.y[i]);
        bool const is_labelled = i < series.labels.size() && !series.labels[i].empty();
        out += fmt::format("<circle class=\"br {}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.3g}\"{}>", kind, x, y,
                           series.size / 2,
                           series.opacity < 1 ? fmt::format(" opacity=\"{:.2g}\"", series.opacity) : "");
        if (is_labelled) out += fmt::format("<title>{}</title>", html(series.labels[i]));
        out += "</circle>";
        if (is_labelled && series.shows_labels)
            out += fmt::format("<text class=\"mid small halo\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>", x,
                               y - series.size / 2 - 3, html(shortened(series.labels[i], 16)));
    }
    return out;
}

std::string cells_svg(Cells const& cells, Projection const& at) {
    std::array<std::string, kLevels> paths;
    for (std::uint64_t row = 0; row < cells.rows; ++row) {
        auto const y0 = at.py(static_cast<double>(row) - 0.5), y1 = at.py(static_cast<double>(row) + 0.5);
        // Neighbours of one colour are one rectangle.
        for (std::uint64_t column = 0; column < cells.columns;) {
            auto const level = colour_level(cells.values[row * cells.columns + column], cells.most);
            auto end = column + 1;
            while (end < cells.columns &&
                   colour_level(cells.values[row * cells.columns + end], cells.most) == level)
                ++end;
            if (level >= 0) {
                auto const x0 = at.px(static_cast<double>(column) - 0.5);
                auto const x1 = at.px(static_cast<double>(end) - 0.5);
                paths[static_cast<std::size_t>(level)] +=
                    fmt::format("M{:.1f} {:.1f}H{:.1f}V{:.1f}H{:.1f}Z", x0, y0, x1, y1, x0);
            }
            column = end;
        }
    }
    std::string out;
    for (std::size_t level = 0; level < paths.size(); ++level)
        if (!paths[level].empty()) out += fmt::format("<path class=\"q{}\" d=\"{}\"/>", level, paths[level]);
    return out;
}

}  // namespace

int colour_level(double value, double most) {
    if (!std::isfinite(value)) return -1;
    if (!(most > 0)) return kLevels / 2;
    return static_cast<int>(std::lround((std::clamp(value / most, -1.0, 1.0) + 1) / 2 * (kLevels - 1)));
}

std::string marks_of(Figure const& figure, Projection const& at) {
    std::string out;
    if (figure.cells) out += cells_svg(*figure.cells, at);
    for (auto const& series : figure.series) {
        out += series.mark == Mark::line   ? line_svg(series, at)
               : series.mark == Mark::bars ? bars_svg(figure, series, at)
                                           : points_svg(figure, series, at);
    }
    return out;
}

}  // namespace mpira::report
