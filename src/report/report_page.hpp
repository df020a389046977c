#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

/// What a page consists of, before it is HTML, SVG or TSV: sections of facts, tables and figures. All texts
/// are as they are in files; escaping is the writers' (report_html.hpp).
namespace mpira::report {

/// Colours are numbers of the palette (report.css: Okabe and Ito's, for light and dark pages).
inline constexpr int kGrey = -1;
inline constexpr int kPalette = 7;

enum class Mark : std::uint8_t { line, points, bars };

struct Series {
    std::string name{};  ///< empty: not in the legend
    Mark mark = Mark::line;
    int colour = 0;
    std::vector<double> x{};
    std::vector<double> y{};            ///< not a number: a line is interrupted, a point is not drawn
    std::vector<double> error{};        ///< of points: half the length of the bar, along the axis of values
    std::vector<std::string> labels{};  ///< of points and bars: what they are, told when pointed at
    bool shows_labels = false;          ///< and written beside points
    double size = 2;                    ///< px: a line's width, a point's diameter
    double width = 1;                   ///< a bar's, in units of its axis
    bool dashed = false;
    double opacity = 1;
};

/// A matrix as coloured squares: cell (r, c) about x = c, y = r.
struct Cells {
    std::uint64_t rows = 0;
    std::uint64_t columns = 0;
    std::vector<double> values{};  ///< row-major
    double most = 1;               ///< the magnitude of the last colour; colours are symmetric about 0
    std::string unit{};
};

struct Axis {
    std::string title{};
    std::vector<std::string> names{};  ///< of the places 0, 1, ...; empty: numbers
    bool hidden = false;
};

struct Figure {
    std::string title{};
    std::string caption{};
    Axis x{};
    Axis y{};
    std::vector<Series> series{};
    std::optional<Cells> cells{};
    bool sideways = false;  ///< bars and errors lie along x
    bool square = false;    ///< a unit is as long in x as in y
    double height = 320;    ///< px of 720
};

using Cell = std::variant<std::string, std::int64_t, double>;

/// Whole in a TSV file; the first rows on the page.
struct Table {
    std::string name{};  ///< of the file
    std::string title{};
    std::string caption{};
    std::vector<std::string> columns{};
    std::vector<std::vector<Cell>> rows{};
    std::uint64_t shown = 25;
    bool folded = false;  ///< on the page only when asked for
};

struct Heading {
    std::string text;
};
struct Paragraph {
    std::string text;
};
/// What counts, in large letters.
struct Facts {
    std::vector<std::pair<std::string, std::string>> entries;  ///< (name, value)
};

using Block = std::variant<Heading, Paragraph, Facts, Table, Figure>;

/// What is told of one file.
struct Section {
    std::string title{};     ///< the file's name
    std::string subtitle{};  ///< the job
    std::vector<Block> blocks{};
};

struct Page {
    std::string title{};
    std::string program{};  ///< who made it
    std::string made{};     ///< when
    std::vector<Section> sections{};
};

/// The page as HTML, complete.
std::string html_of(Page const& page);
/// (file name, text) of each table.
std::vector<std::pair<std::string, std::string>> tables_of(Page const& page);

}  // namespace mpira::report
