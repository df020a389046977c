#include "report/report_svg.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "report/report_html.hpp"

namespace mpira::report {
namespace {

constexpr double kLetterWidth = 6.3;  // px, of 11 px letters
constexpr double kLineHeight = 14;
constexpr double kAngle = 0.9;  // radians that names below a plot are turned by where they need it
constexpr std::size_t kMostLetters = 22;

/// Grows to hold values.
struct Extent {
    double low = std::numeric_limits<double>::infinity();
    double high = -std::numeric_limits<double>::infinity();
    void hold(double value) {
        if (!std::isfinite(value)) return;
        low = std::min(low, value);
        high = std::max(high, value);
    }
    [[nodiscard]] bool is_empty() const { return !(low <= high); }
};

/// Room beside the data, but not beyond a 0 that bars stand on.
Span padded(Extent extent, bool stands_on_zero) {
    if (stands_on_zero && !extent.is_empty()) extent.hold(0);
    if (extent.is_empty() || (extent.low == 0 && extent.high == 0)) return {0, 1};
    auto length = extent.high - extent.low;
    if (length <= 0) length = std::max(std::abs(extent.high), 1.0);
    constexpr double kRoom = 0.04;
    return {extent.low == 0 ? 0 : extent.low - kRoom * length,
            extent.high == 0 ? 0 : extent.high + kRoom * length};
}

Span of_names(std::size_t names, Extent const& extent) {
    Extent all = extent;
    all.hold(-0.5);
    all.hold(static_cast<double>(names) - 0.5);
    return {all.low, all.high};
}

struct Label {
    double at;
    std::string text;
};

/// Ticks of a numbered axis, or the names that there is room for.
std::vector<Label> labels_of(Axis const& axis, Span span, double length_px, double least_px, int wanted) {
    std::vector<Label> labels;
    if (axis.hidden) return labels;
    if (axis.names.empty()) {
        for (auto const tick : ticks_of(span, wanted)) labels.push_back({tick, short_number(tick)});
        return labels;
    }
    auto const per_name = length_px / std::max(1.0, std::abs(span.high - span.low));
    auto const step = static_cast<std::size_t>(std::max(1.0, std::ceil(least_px / per_name)));
    for (std::size_t i = 0; i < axis.names.size(); i += step)
        labels.push_back({static_cast<double>(i), shortened(axis.names[i], kMostLetters)});
    return labels;
}

double widest(std::vector<Label> const& labels) {
    std::size_t most = 0;
    for (auto const& label : labels) most = std::max(most, length_of(label.text));
    return kLetterWidth * static_cast<double>(most);
}

/// Both axes in equal units: the one with too much room gets more to show.
void make_square(Projection& at) {
    auto const per_x = (at.right - at.left) / (at.x.high - at.x.low);
    auto const per_y = (at.bottom - at.top) / (at.y.high - at.y.low);
    auto const widen = [](Span& span, double factor) {
        auto const middle = (span.low + span.high) / 2, half = (span.high - span.low) / 2 * factor;
        span = {middle - half, middle + half};
    };
    if (per_x > per_y)
        widen(at.x, per_x / per_y);
    else
        widen(at.y, per_y / per_x);
}

std::string axis_title(std::string const& text, double x, double y, bool upright) {
    if (text.empty()) return {};
    return fmt::format("<text class=\"mid\" x=\"{0:.1f}\" y=\"{1:.1f}\"{2}>{3}</text>", x, y,
                       upright ? fmt::format(" transform=\"rotate(-90 {:.1f} {:.1f})\"", x, y) : "",
                       html(text));
}

nlohmann::json rounded(std::vector<double> const& values) {
    auto array = nlohmann::json::array();
    for (auto const value : values) {
        if (std::isfinite(value))
            array.push_back(std::stod(fmt::format("{:.5g}", value)));
        else
            array.push_back(nullptr);
    }
    return array;
}

nlohmann::json axis_json(Axis const& axis, Span span) {
    nlohmann::json json{{"r", {span.low, span.high}}};
    if (!axis.title.empty()) json["t"] = axis.title;
    if (axis.hidden) json["h"] = true;
    if (axis.names.empty()) return json;
    json["n"] = nlohmann::json::array();
    for (auto const& name : axis.names) json["n"].push_back(shortened(name, 60));
    return json;
}

}  // namespace

std::vector<double> ticks_of(Span span, int wanted) {
    auto const low = std::min(span.low, span.high), high = std::max(span.low, span.high);
    if (!(high > low)) return {low};
    auto const raw = (high - low) / wanted;
    auto const power = std::pow(10, std::floor(std::log10(raw)));
    double step = 10 * power;
    for (double const factor : {1.0, 2.0, 5.0}) {
        if (factor * power < raw) continue;
        step = factor * power;
        break;
    }
    std::vector<double> ticks;
    auto const first = std::ceil(low / step - 1e-9);
    // Counted: beside large values a step may be too small to be added.
    for (int i = 0; i <= 2 * wanted; ++i) {
        auto const tick = (first + i) * step;
        if (!(tick <= high + 1e-9 * step)) break;
        ticks.push_back(tick);
    }
    return ticks;
}

std::pair<Span, Span> spans_of(Figure const& figure) {
    Extent x, y;
    bool has_bars = false;
    for (auto const& series : figure.series) {
        bool const bars = series.mark == Mark::bars;
        has_bars = has_bars || bars;
        for (std::size_t i = 0; i < series.x.size(); ++i) {
            if (!std::isfinite(series.x[i]) || !std::isfinite(series.y[i])) continue;
            auto const half = bars ? series.width / 2 : 0;
            auto const error =
                i < series.error.size() && std::isfinite(series.error[i]) ? series.error[i] : 0;
            auto const dx = figure.sideways ? error : half, dy = figure.sideways ? half : error;
            x.hold(series.x[i] - dx);
            x.hold(series.x[i] + dx);
            y.hold(series.y[i] - dy);
            y.hold(series.y[i] + dy);
        }
    }
    auto const on_x = has_bars && figure.sideways, on_y = has_bars && !figure.sideways;
    auto const span_x = figure.x.names.empty() ? padded(x, on_x) : of_names(figure.x.names.size(), x);
    auto span_y = figure.y.names.empty() ? padded(y, on_y) : of_names(figure.y.names.size(), y);
    if (!figure.y.names.empty()) std::swap(span_y.low, span_y.high);
    return {span_x, span_y};
}

std::string svg_of(Figure const& figure) {
    auto const [x, y] = spans_of(figure);
    auto const height = figure.height;
    Projection at{x, y, 14, kFigureWidth - 14, 12, height - 12};
    auto const rows = labels_of(figure.y, y, height - 60, 11, 6);
    at.left += rows.empty() ? 0 : widest(rows) + 8;
    if (!figure.y.title.empty()) at.left += kLineHeight + 4;
    auto const columns = labels_of(figure.x, x, at.right - at.left, 11, 8);
    auto const per_name = (at.right - at.left) / std::max(1.0, std::abs(x.high - x.low));
    bool const turned = !figure.x.names.empty() && widest(columns) + 6 > per_name;
    if (!columns.empty()) at.bottom -= turned ? widest(columns) * std::sin(kAngle) + 12 : kLineHeight + 4;
    if (!figure.x.title.empty()) at.bottom -= kLineHeight + 2;
    if (figure.square) make_square(at);

    std::string out = fmt::format(
        "<svg class=\"static\" viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
        "role=\"img\" "
        "xmlns=\"http://www.w3.org/2000/svg\"><title>{2}</title>",
        kFigureWidth, height, html(figure.title));
    std::string grid;
    if (figure.y.names.empty())
        for (auto const& label : rows)
            grid += fmt::format("M{:.1f} {:.1f}H{:.1f}", at.left, at.py(label.at), at.right);
    if (figure.x.names.empty())
        for (auto const& label : columns)
            grid += fmt::format("M{:.1f} {:.1f}V{:.1f}", at.px(label.at), at.top, at.bottom);
    if (!grid.empty()) out += fmt::format("<path class=\"grid\" d=\"{}\"/>", grid);
    out += marks_of(figure, at);
    if (!figure.x.hidden && figure.x.names.empty() && !figure.cells)
        out +=
            fmt::format("<path class=\"axis\" d=\"M{:.1f} {:.1f}H{:.1f}\"/>", at.left, at.bottom, at.right);
    for (auto const& label : rows)
        out += fmt::format("<text class=\"end\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>", at.left - 6,
                           at.py(label.at) + 4, html(label.text));
    for (auto const& label : columns) {
        auto const lx = at.px(label.at), ly = at.bottom + kLineHeight;
        out += turned ? fmt::format(
                            "<text class=\"end\" x=\"{0:.1f}\" y=\"{1:.1f}\" transform=\"rotate(-52 {0:.1f} "
                            "{1:.1f})\">{2}</text>",
                            lx + 3, ly - 3, html(label.text))
                      : fmt::format("<text class=\"mid\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>", lx, ly,
                                    html(label.text));
    }
    out += axis_title(figure.x.title, (at.left + at.right) / 2, height - 5, false);
    out += axis_title(figure.y.title, 13, (at.top + at.bottom) / 2, true);
    return out + "</svg>";
}

nlohmann::json plot_json(Figure const& figure) {
    auto const [x, y] = spans_of(figure);
    nlohmann::json json{{"x", axis_json(figure.x, x)}, {"y", axis_json(figure.y, y)}, {"h", figure.height}};
    if (figure.sideways) json["k"] = true;
    if (figure.square) json["q"] = true;
    auto& all = json["s"] = nlohmann::json::array();
    for (auto const& series : figure.series) {
        char const* const mark = series.mark == Mark::line ? "l" : series.mark == Mark::bars ? "b" : "p";
        nlohmann::json one{{"m", mark},
                           {"c", series.colour < 0 ? -1 : series.colour % kPalette},
                           {"x", rounded(series.x)},
                           {"y", rounded(series.y)},
                           {"z", series.size}};
        if (!series.name.empty()) one["n"] = series.name;
        if (!series.error.empty()) one["e"] = rounded(series.error);
        if (!series.labels.empty()) one["l"] = series.labels;
        if (series.shows_labels) one["sl"] = true;
        if (series.mark == Mark::bars) one["w"] = series.width;
        if (series.dashed) one["d"] = true;
        if (series.opacity < 1) one["o"] = series.opacity;
        all.push_back(std::move(one));
    }
    if (figure.cells) {
        json["z"] = {{"r", figure.cells->rows},
                     {"c", figure.cells->columns},
                     {"v", rounded(figure.cells->values)},
                     {"m", figure.cells->most},
                     {"u", figure.cells->unit}};
    }
    return json;
}

}  // namespace mpira::report
