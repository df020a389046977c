// A folder that `mpira evaluate` wrote: a screen beside what the assay measured.
#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "mpira/base/error.hpp"
#include "mpira/base/mapped_text.hpp"
#include "mpira/base/text.hpp"

#include "report/report_file.hpp"
#include "report/report_html.hpp"
#include "report/report_statistics.hpp"
#include "report/text_table.hpp"

namespace mpira::report {
namespace {

namespace fs = std::filesystem;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr std::string_view kAll = "all";
constexpr std::uint64_t kMostPoints = 3000;

double number_of(nlohmann::json const& facts, char const* key) {
    auto const found = facts.find(key);
    return found != facts.end() && found->is_number() ? found->get<double>() : kNone;
}
std::string text_of(nlohmann::json const& facts, char const* key) {
    auto const found = facts.find(key);
    return found != facts.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// Of predictions, not of a screen.
bool is_of_regions(nlohmann::json const& facts) {
    return text_of(facts, "job") == "predict";
}

void add_facts(nlohmann::json const& facts, Section& section) {
    Facts shown;
    auto const count = [&](char const* key, std::string name) {
        if (auto const value = number_of(facts, key); std::isfinite(value))
            shown.entries.emplace_back(std::move(name), fmt::format("{:.0f}", value));
    };
    if (is_of_regions(facts)) {
        count("sequences", "regions compared");
        count("in_screen_not_measured", "predicted, not observed");
        count("without_other_score", "without the other score");
    } else {
        count("sequences", "sequences compared");
        count("measured_not_in_screen", "measured, not screened");
        count("in_screen_not_measured", "screened, not measured");
    }
    if (auto const pairs = facts.find("replicates"); pairs != facts.end() && pairs->is_array()) {
        for (auto const& pair : *pairs)
            shown.entries.emplace_back(
                fmt::format("replicates {} and {}", text_of(pair, "one"), text_of(pair, "other")),
                fmt::format("r = {}", short_number(number_of(pair, "pearson"))));
    }
    if (auto const ceiling = number_of(facts, "ceiling_pearson"); std::isfinite(ceiling))
        shown.entries.emplace_back("a perfect prediction reaches",
                                   fmt::format("r = {}", short_number(ceiling)));
    if (auto const above = number_of(facts, "active_above"); std::isfinite(above))
        shown.entries.emplace_back("active above", short_number(above));
    section.blocks.emplace_back(std::move(shown));
    if (is_of_regions(facts)) {
        section.blocks.emplace_back(Paragraph{fmt::format(
            "Observed: {}. Intervals: {}.", text_of(facts, "activity"), text_of(facts, "intervals"))});
        return;
    }
    section.blocks.emplace_back(Paragraph{
        fmt::format("Activity: {}. Intervals: {}.{}", text_of(facts, "activity"), text_of(facts, "intervals"),
                    std::isfinite(number_of(facts, "active_above"))
                        ? " Active is what exceeds the 95th percentile of the assay's negative controls."
                        : " Without negative controls nothing is called active, and there is no AUPRC.")});
}

/// A figure with its interval for each of the rows, named down the side; `limit`: a dashed line.
void add_intervals(TextTable const& table, std::vector<std::size_t> const& rows, std::string_view named_by,
                   std::string const& figure_name, std::string title,
                   std::pair<std::string, double> const& limit, Section& section) {
    auto const value = table.column(figure_name);
    auto const low = table.column(figure_name + "_low");
    auto const high = table.column(figure_name + "_high");
    auto const name = table.column(named_by);
    Figure figure{.title = std::move(title),
                  .caption = "Lines: 95 % intervals.",
                  .x = {.title = figure_name},
                  .sideways = true};
    Series bars{.mark = Mark::line, .size = 2}, points{.mark = Mark::points, .size = 9};
    for (auto const row : rows) {
        if (!std::isfinite(table.number(row, value))) continue;
        auto const y = static_cast<double>(figure.y.names.size());
        figure.y.names.emplace_back(table.rows()[row][name]);
        points.x.push_back(table.number(row, value));
        points.y.push_back(y);
        for (double const x : {table.number(row, low), table.number(row, high), kNone}) {
            bars.x.push_back(x);
            bars.y.push_back(std::isfinite(x) ? y : kNone);
        }
    }
    if (figure.y.names.empty()) return;
    auto const places = static_cast<double>(figure.y.names.size());
    figure.series = {std::move(bars), std::move(points)};
    if (std::isfinite(limit.second))
        figure.series.push_back({.name = limit.first,
                                 .colour = kGrey,
                                 .x = {limit.second, limit.second},
                                 .y = {-0.5, places - 0.5},
                                 .dashed = true});
    constexpr double kRow = 22, kAround = 90;
    figure.height = kAround + kRow * places;
    section.blocks.emplace_back(std::move(figure));
}

void add_figures(TextTable const& table, nlohmann::json const& facts, Section& section) {
    auto const subset = table.column("subset");
    auto const score = table.column("score");
    std::vector<std::size_t> overall, by_subset;
    for (std::size_t row = 0; row < table.rows().size(); ++row) {
        if (table.rows()[row][subset] == kAll) overall.push_back(row);
        if (table.rows()[row][score] == table.rows().front()[score]) by_subset.push_back(row);
    }
    if (overall.empty()) return;
    std::pair<std::string, double> const ceiling{"replicates' ceiling", number_of(facts, "ceiling_pearson")};
    add_intervals(table, overall, "score", "pearson", "Pearson correlation with what was measured", ceiling,
                  section);
    add_intervals(table, overall, "score", "spearman", "Spearman correlation with what was measured",
                  {"", kNone}, section);
    add_intervals(table, overall, "score", "auprc", "Active elements: area under precision and recall",
                  {"share of active elements", table.number(overall.front(), table.column("positives"))},
                  section);
    if (by_subset.size() > 1)
        add_intervals(table, by_subset, "subset", "pearson",
                      fmt::format("Pearson correlation of {}, by subset", table.rows().front()[score]),
                      {"", kNone}, section);

    Table shown{.name = "evaluation_figures",
                .title = "Figures",
                .caption =
                    "Of each subset and score: correlations with what was measured, the area under "
                    "precision and recall of active elements, and the share of these (positives).",
                .shown = 40};
    for (auto const& column : table.columns()) shown.columns.emplace_back(column);
    for (std::size_t row = 0; row < table.rows().size(); ++row) {
        std::vector<Cell> cells;
        for (std::size_t column = 0; column < table.columns().size(); ++column) {
            auto const text = table.rows()[row][column];
            if (column == subset || column == score)
                cells.emplace_back(std::string(text));
            else if (auto const integer = text::to_integer(text))
                cells.emplace_back(*integer);
            else
                cells.emplace_back(table.number(row, column));
        }
        shown.rows.push_back(std::move(cells));
    }
    section.blocks.emplace_back(std::move(shown));
}

/// The first score and the measured activity, a point a sequence.
void add_points(TextTable const& table, std::string_view score, bool of_regions, Section& section) {
    auto const x = table.column(score);
    auto const y = table.column("measured");
    auto const control = table.column("control");
    auto const name = table.column("elements");
    std::vector<std::size_t> usable;
    for (std::size_t row = 0; row < table.rows().size(); ++row)
        if (std::isfinite(table.number(row, x)) && std::isfinite(table.number(row, y))) usable.push_back(row);
    Series elements{
        .name = of_regions ? "regions" : "elements", .mark = Mark::points, .size = 4, .opacity = 0.5};
    Series controls{
        .name = "negative controls", .mark = Mark::points, .colour = 1, .size = 4, .opacity = 0.7};
    for (auto const i : thinned(usable.size(), kMostPoints)) {
        auto const row = usable[i];
        auto& series = table.rows()[row][control] == "1" ? controls : elements;
        series.x.push_back(table.number(row, x));
        series.y.push_back(table.number(row, y));
        series.labels.push_back(shortened(table.rows()[row][name], 60));
    }
    Figure figure{.title = of_regions ? "Predicted and observed" : "Predicted and measured activity",
                  .x = {.title = std::string(score)},
                  .y = {.title = of_regions ? "observed" : "measured activity"}};
    if (usable.size() > kMostPoints)
        figure.caption = fmt::format("{} of {} sequences, evenly chosen.", kMostPoints, usable.size());
    for (auto* const series : {&elements, &controls})
        if (!series->x.empty()) figure.series.push_back(std::move(*series));
    if (!figure.series.empty()) section.blocks.emplace_back(std::move(figure));
}

void add_scores(nlohmann::json const& facts, Section& section) {
    auto const scores = facts.find("scores");
    if (scores == facts.end() || !scores->is_object()) return;
    Table table{.name = "evaluation_scores",
                .title = "What the scores are",
                .columns = {"score", "meaning"},
                .folded = true};
    for (auto const& [name, meaning] : scores->items())
        table.rows.push_back({name, meaning.is_string() ? meaning.get<std::string>() : std::string()});
    section.blocks.emplace_back(std::move(table));
}

}  // namespace

std::optional<Section> evaluation_section(fs::path const& folder) {
    if (!fs::is_directory(folder)) return std::nullopt;
    auto const json = folder / "evaluation.json";
    require(fs::exists(json),
            fmt::format("{}: a folder; of folders those are reported that `mpira evaluate` wrote",
                        folder.string()));
    MappedText const text(json);
    auto const facts = nlohmann::json::parse(text.all(), nullptr, /*allow_exceptions=*/false);
    require(facts.is_object(), fmt::format("{}: no JSON object", json.string()));
    auto const name = (folder / "").parent_path().filename().string();
    Section section{
        .title = name.empty() ? folder.string() : name,
        .subtitle = fmt::format("mpira evaluate: {} beside what was measured", text_of(facts, "screen"))};
    TextTable const figures(folder / "figures.tsv");
    TextTable const sequences(folder / "sequences.tsv");
    add_facts(facts, section);
    add_figures(figures, facts, section);
    if (!figures.rows().empty()) {
        auto const score = figures.rows().front()[figures.column("score")];
        add_points(sequences, score, is_of_regions(facts), section);
    }
    add_scores(facts, section);
    return section;
}

}  // namespace mpira::report
