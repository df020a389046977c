#include "report/report_page.hpp"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "report/report_assets.hpp"
#include "report/report_html.hpp"
#include "report/report_svg.hpp"

namespace mpira::report {
namespace {

template <typename... Ts>
struct Overloaded : Ts... {
    using Ts::operator()...;
};
template <typename... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

/// More names than this below a plot need a plot that scrolls on a phone.
constexpr std::size_t kWideNames = 25;
constexpr std::size_t kLongText = 32;

std::string legend_of(Figure const& figure) {
    std::string items;
    for (std::size_t i = 0; i < figure.series.size(); ++i) {
        auto const& series = figure.series[i];
        if (series.name.empty()) continue;
        char const* const shape = series.mark != Mark::line ? "" : series.dashed ? " dash" : " thin";
        items += fmt::format("<li data-series=\"{}\"><span class=\"swatch{} {}\"></span>{}</li>", i, shape,
                             series.colour < 0 ? "cg" : fmt::format("c{}", series.colour % kPalette),
                             html(series.name));
    }
    std::string out;
    if (!items.empty()) out = fmt::format("<ul class=\"legend\">{}</ul>\n", items);
    if (!figure.cells) return out;
    out += fmt::format("<ul class=\"legend scale\"><li class=\"text\">{}</li>",
                       short_number(-figure.cells->most));
    for (int level = 0; level < kLevels; ++level)
        out += fmt::format("<li><span class=\"swatch q{}\"></span></li>", level);
    return out + fmt::format("<li class=\"text\">{} {}</li></ul>\n", short_number(figure.cells->most),
                             html(figure.cells->unit));
}

std::string figure_html(Figure const& figure) {
    bool const wide = std::max(figure.x.names.size(), figure.cells ? figure.cells->columns : 0) > kWideNames;
    auto const json = plot_json(figure).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    auto out =
        fmt::format("<figure data-plot>\n<h4>{}</h4>\n{}<div class=\"plot{}\" tabindex=\"0\">\n{}\n</div>\n",
                    html(figure.title), legend_of(figure), wide ? " wide" : "", svg_of(figure));
    out += fmt::format("<script type=\"application/json\">{}</script>\n", json_in_script(json));
    return out + fmt::format("<figcaption>{}</figcaption>\n</figure>\n", html(figure.caption));
}

/// Of columns whose cells are numbers.
bool is_number_column(Table const& table, std::size_t column) {
    return !table.rows.empty() && std::ranges::all_of(table.rows, [column](auto const& row) {
        return !std::holds_alternative<std::string>(row[column]);
    });
}

std::string table_html(Table const& table, std::string const& file) {
    std::vector<bool> is_number;
    for (std::size_t i = 0; i < table.columns.size(); ++i) is_number.push_back(is_number_column(table, i));
    auto caption = html(table.caption);
    if (table.rows.size() > table.shown)
        caption += fmt::format("{}The first {} of {} rows; the others are in {} of --tables.",
                               caption.empty() ? "" : " ", table.shown, table.rows.size(), html(file));
    // Beside the table, not its <caption>: that would be as wide as the table where it scrolls.
    auto out = table.folded ? std::string() : fmt::format("<h4 class=\"title\">{}</h4>\n", html(table.title));
    if (!caption.empty()) out += fmt::format("<p class=\"note\">{}</p>\n", caption);
    out += fmt::format("<div class=\"scroll\" tabindex=\"0\">\n<table aria-label=\"{}\">\n<thead><tr>",
                       html(table.title));
    for (std::size_t i = 0; i < table.columns.size(); ++i)
        out += fmt::format("<th scope=\"col\"{}>{}</th>", is_number[i] ? " class=\"number\"" : "",
                           html(table.columns[i]));
    out += "</tr></thead>\n<tbody>\n";
    for (std::size_t r = 0; r < std::min<std::size_t>(table.rows.size(), table.shown); ++r) {
        out += "<tr>";
        for (std::size_t i = 0; i < table.columns.size(); ++i) {
            auto const text = shown_text(table.rows[r][i]);
            char const* const kind = is_number[i]              ? " class=\"number\""
                                     : text.size() > kLongText ? " class=\"long\""
                                                               : "";
            out += fmt::format("<td{}>{}</td>", kind, html(text));
        }
        out += "</tr>\n";
    }
    out += "</tbody>\n</table>\n</div>\n";
    if (!table.folded) return out;
    return fmt::format("<details>\n<summary>{} ({})</summary>\n{}</details>\n", html(table.title),
                       table.rows.size(), out);
}

std::string facts_html(Facts const& facts) {
    std::string out = "<dl class=\"facts\">\n";
    for (auto const& [name, value] : facts.entries)
        out += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", html(name), html(value));
    return out + "</dl>\n";
}

/// The part of a file's name that a section is called by in names of tables.
std::string stem_of(std::string_view title) {
    auto const slash = title.find_last_of('/');
    if (slash != std::string_view::npos) title.remove_prefix(slash + 1);
    title = title.substr(0, title.find('.'));
    constexpr std::size_t kMost = 60;
    std::string stem(title.substr(0, kMost));
    for (auto& letter : stem)
        if (std::isalnum(static_cast<unsigned char>(letter)) == 0 && letter != '-') letter = '_';
    return stem.empty() ? "file" : stem;
}

std::string table_file(Page const& page, std::size_t section, Table const& table) {
    return fmt::format("{}.{}.{}.tsv", section + 1, stem_of(page.sections[section].title), table.name);
}

std::string section_html(Page const& page, std::size_t number) {
    auto const& section = page.sections[number];
    auto out = fmt::format("<section id=\"file{}\">\n<h2>{}</h2>\n<p class=\"subtitle\">{}</p>\n", number + 1,
                           html(section.title), html(section.subtitle));
    for (auto const& block : section.blocks) {
        out += std::visit(
            Overloaded{[](Heading const& one) { return fmt::format("<h3>{}</h3>\n", html(one.text)); },
                       [](Paragraph const& one) { return fmt::format("<p>{}</p>\n", html(one.text)); },
                       [](Facts const& one) { return facts_html(one); },
                       [&](Table const& one) { return table_html(one, table_file(page, number, one)); },
                       [](Figure const& one) { return figure_html(one); }},
            block);
    }
    return out + "</section>\n";
}

std::string footer_html(Page const& page) {
    auto out = fmt::format(
        "<footer>\n<p>Made by {} on {}. The page holds everything it shows; nothing is loaded.</p>\n",
        html(page.program), html(page.made));
    if (!plotly_js().empty())
        out += fmt::format(
            "<details>\n<summary>Licence of plotly.js, which is part of this page</summary>\n<pre>{}</pre>\n"
            "</details>\n",
            html(plotly_licence()));
    return out + "</footer>\n";
}

}  // namespace

std::string html_of(Page const& page) {
    // Scripts are named by their content: any other, whatever got into the page, doesn't run.
    std::string policy =
        "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'unsafe-inline'; img-src data: "
        "blob:; script-src";
    for (auto const script : {plotly_js(), report_js()})
        if (!script.empty()) policy += ' ' + policy_hash(script);
    std::string out = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";
    out += fmt::format("<meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n", policy);
    out +=
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n";
    out += fmt::format("<title>{}</title>\n<style>\n{}</style>\n</head>\n<body>\n", html(page.title),
                       report_css());
    out += fmt::format("<header>\n<h1>{}</h1>\n<p>{}, {}</p>\n</header>\n", html(page.title),
                       html(page.program), html(page.made));
    if (page.sections.size() > 1) {
        out += "<nav aria-label=\"Files\"><ul>\n";
        for (std::size_t i = 0; i < page.sections.size(); ++i)
            out += fmt::format("<li><a href=\"#file{}\">{}</a>: {}</li>\n", i + 1,
                               html(page.sections[i].title), html(page.sections[i].subtitle));
        out += "</ul></nav>\n";
    }
    out += "<main>\n";
    for (std::size_t i = 0; i < page.sections.size(); ++i) out += section_html(page, i);
    out += "</main>\n" + footer_html(page);
    for (auto const script : {plotly_js(), report_js()})
        if (!script.empty()) out += fmt::format("<script>{}</script>\n", script);
    return out + "</body>\n</html>\n";
}

std::vector<std::pair<std::string, std::string>> tables_of(Page const& page) {
    std::vector<std::pair<std::string, std::string>> files;
    for (std::size_t i = 0; i < page.sections.size(); ++i) {
        for (auto const& block : page.sections[i].blocks) {
            auto const* const table = std::get_if<Table>(&block);
            if (table == nullptr) continue;
            std::string text;
            for (std::size_t c = 0; c < table->columns.size(); ++c)
                text += fmt::format("{}{}", c == 0 ? "" : "\t", file_text(table->columns[c]));
            for (auto const& row : table->rows) {
                text += '\n';
                for (std::size_t c = 0; c < row.size(); ++c)
                    text += fmt::format("{}{}", c == 0 ? "" : "\t", file_text(row[c]));
            }
            files.emplace_back(table_file(page, i, *table), text + '\n');
        }
    }
    return files;
}

}  // namespace mpira::report
