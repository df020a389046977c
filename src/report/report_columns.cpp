// Any job: what its columns hold.
#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "report/report_file.hpp"
#include "report/report_statistics.hpp"

namespace mpira::report {
namespace {

constexpr std::uint64_t kMostRows = 20000;  // of which figures are taken
constexpr std::uint64_t kMostValues = 1 << 24;
constexpr std::size_t kMostFigures = 4;
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

struct Figures {
    double mean = kNone, sd = kNone, low = kNone, high = kNone, zeros = kNone;
    std::uint64_t numbers = 0;
};

Figures figures_of(std::vector<double> const& all) {
    auto const values = finite(all);
    Figures out{.numbers = values.size()};
    if (values.empty()) return out;
    out.mean = mean_of(values);
    out.sd = sd_of(values);
    auto const [low, high] = std::ranges::minmax(values);
    out.low = low;
    out.high = high;
    out.zeros = static_cast<double>(std::ranges::count(values, 0.0)) / static_cast<double>(values.size());
    return out;
}

void add_line(Table& table, std::string const& name, std::vector<double> const& values) {
    auto const figures = figures_of(values);
    table.rows.push_back({name, static_cast<std::int64_t>(figures.numbers), figures.mean, figures.sd,
                          figures.low, figures.high, figures.zeros});
}

/// Evenly spaced done rows of X, a list a column.
std::vector<std::vector<double>> sampled(ReportFile const& file, std::vector<std::uint64_t> const& chosen) {
    auto const width = file.rows->variables().size();
    std::vector<std::vector<double>> lists(width);
    std::vector<double> row;
    for (auto const i : chosen) {
        file.rows->rows().read("X", file.rows->chosen()[i], 1, row);
        for (std::size_t c = 0; c < width; ++c) lists[c].push_back(row[c]);
    }
    return lists;
}

void add_cell_types(ReportFile const& file, Section& section) {
    auto const types = file.texts("cell_types");
    if (types.empty() || !file.has("obsm/accessibility")) return;
    std::vector<std::uint64_t> columns;
    for (std::uint64_t i = 0; i < types.size(); ++i) columns.push_back(i);
    if (file.rows->rows().find("obsm/accessibility")->row_shape != std::vector<std::uint64_t>{types.size()})
        return;
    constexpr std::uint64_t kMost = std::uint64_t{1} << 26;
    if (types.size() * file.count() > kMost) return;
    auto const lists = file.columns("obsm/accessibility", columns);
    Table table{.name = "cell_types",
                .title = "Accessibility of cell types",
                .columns = {"cell_type", "regions", "open_regions", "mean", "max"},
                .shown = 60};
    for (std::size_t i = 0; i < types.size(); ++i) {
        auto const figures = figures_of(lists[i]);
        auto const open = std::ranges::count_if(lists[i], [](double value) { return value > 0; });
        table.rows.push_back({types[i], static_cast<std::int64_t>(lists[i].size()),
                              static_cast<std::int64_t>(open), figures.mean, figures.high});
    }
    section.blocks.emplace_back(std::move(table));
}

/// crispri: the area under the precision-recall curve of each score.
void add_areas(ReportFile const& file, Section& section) {
    auto const& reader = file.rows->reader();
    if (!file.status.finished || !reader.contains("uns/auprc") || !file.uns.contains("axes")) return;
    auto const& axes = file.uns["axes"];
    auto const areas = reader.numbers("uns/auprc"), prevalence = reader.numbers("uns/prevalence");
    auto const pairs = reader.numbers("uns/pairs");
    auto const& scores = file.rows->variables();
    if (areas.size() != prevalence.size() * scores.size() || pairs.size() != prevalence.size()) return;
    Table table{.name = "auprc",
                .title = "Area under the precision-recall curve",
                .caption = "Prevalence is what a random order reaches.",
                .columns = {"set", "cell_type", "bin", "pairs", "prevalence"},
                .shown = 60};
    table.columns.insert(table.columns.end(), scores.begin(), scores.end());
    std::size_t at = 0;
    for (auto const& set : axes["sets"])
        for (auto const& type : axes["cell_types"])
            for (auto const& bin : axes["bins"]) {
                if (at >= prevalence.size()) return;
                std::vector<Cell> line{set.get<std::string>(), type.get<std::string>(),
                                       bin.get<std::string>(), static_cast<std::int64_t>(pairs[at]),
                                       prevalence[at]};
                for (std::size_t s = 0; s < scores.size(); ++s)
                    line.emplace_back(areas[at * scores.size() + s]);
                table.rows.push_back(std::move(line));
                ++at;
            }
    section.blocks.emplace_back(std::move(table));
}

}  // namespace

void add_columns(ReportFile const& file, Section& section) {
    auto const& variables = file.rows->variables();
    section.blocks.emplace_back(Heading{"Values"});
    add_areas(file, section);
    add_cell_types(file, section);
    auto const most = std::min(
        kMostRows, std::max<std::uint64_t>(1, kMostValues / std::max<std::size_t>(variables.size(), 1)));
    auto const chosen = thinned(file.count(), most);
    auto const lists = sampled(file, chosen);
    auto const of = chosen.size() < file.count()
                        ? fmt::format("{} of {} rows, evenly spaced", chosen.size(), file.count())
                        : fmt::format("{} rows", file.count());
    for (std::size_t i = 0; i < std::min(variables.size(), kMostFigures); ++i) {
        auto figure = histogram(variables[i], variables[i], "rows", {""}, std::span(&lists[i], 1));
        figure.height = 240;
        figure.caption += fmt::format(" Of {}.", of);
        section.blocks.emplace_back(std::move(figure));
    }
    Table table{.name = "columns",
                .title = "Columns",
                .caption = fmt::format("Of {}.", of),
                .columns = {"column", "numbers", "mean", "sd", "min", "max", "share_of_zeros"}};
    if (variables.size() > kMostFigures)
        table.caption += fmt::format(" The first {} of {} are drawn above.", kMostFigures, variables.size());
    for (std::size_t i = 0; i < variables.size(); ++i) add_line(table, variables[i], lists[i]);
    section.blocks.emplace_back(std::move(table));
    Table obs{.name = "obs",
              .title = "Columns of obs",
              .columns = {"column", "numbers", "mean", "sd", "min", "max", "share_of_zeros"},
              .shown = 100,
              .folded = true};
    for (auto const& column : file.rows->columns()) {
        if (!column.is_number() || column.name == "done") continue;
        std::vector<double> values;
        for (auto const row : file.rows->chosen()) values.push_back(column.number(row));
        add_line(obs, column.name, values);
    }
    if (!obs.rows.empty()) section.blocks.emplace_back(std::move(obs));
}

}  // namespace mpira::report
