// lentimpra: how activities are distributed, and which elements stand out.
#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "report/report_file.hpp"
#include "report/report_statistics.hpp"

namespace mpira::report {
namespace {

constexpr std::string_view kElementMean = ".element.mean";
constexpr std::size_t kMostQuantities = 3;
constexpr std::uint64_t kListed = 1000;  // elements in the table
constexpr std::uint64_t kDrawn = 20;

/// A statistic of all done elements; empty when the screen has none of it.
struct Screen {
    ReportFile const& file;
    std::string quantity;
    std::vector<double> element, uninserted, shuffled, difference, difference_se, to_shuffled, to_shuffled_se;

    Screen(ReportFile const& screen, std::string name) : file(screen), quantity(std::move(name)) {
        std::vector<std::pair<std::vector<double>*, char const*>> const wanted{
            {&element, "element.mean"},
            {&uninserted, "uninserted.mean"},
            {&shuffled, "shuffled.mean"},
            {&difference, "element-uninserted.mean"},
            {&difference_se, "element-uninserted.se"},
            {&to_shuffled, "element-shuffled.mean"},
            {&to_shuffled_se, "element-shuffled.se"}};
        std::vector<std::uint64_t> columns;
        std::vector<std::vector<double>*> places;
        auto const& variables = file.rows->variables();
        for (auto const& [place, statistic] : wanted) {
            auto const found = std::ranges::find(variables, fmt::format("{}.{}", quantity, statistic));
            if (found == variables.end()) continue;
            columns.push_back(static_cast<std::uint64_t>(found - variables.begin()));
            places.push_back(place);
        }
        auto lists = file.columns("X", columns);
        for (std::size_t i = 0; i < lists.size(); ++i) *places[i] = std::move(lists[i]);
    }

    /// What elements are ranked by: the paired difference where there is a control.
    [[nodiscard]] std::vector<double> const& score() const {
        return !difference.empty() ? difference : !to_shuffled.empty() ? to_shuffled : element;
    }
    [[nodiscard]] std::vector<double> const& score_se() const {
        return !difference.empty() ? difference_se : to_shuffled_se;
    }
    [[nodiscard]] std::string score_name() const {
        return !difference.empty()    ? "paired difference to no insertion"
               : !to_shuffled.empty() ? "paired difference to shuffled elements"
                                      : "mean activity";
    }
};

std::vector<std::string> quantities_of(ReportFile const& file) {
    std::vector<std::string> quantities;
    for (auto const& name : file.rows->variables())
        if (name.size() > kElementMean.size() && name.ends_with(kElementMean))
            quantities.push_back(name.substr(0, name.size() - kElementMean.size()));
    return quantities;
}

std::string locus_of(ReportFile const& file, std::uint64_t row) {
    auto const* const chrom = file.rows->find("chrom");
    auto const* const start = file.rows->find("start");
    auto const* const end = file.rows->find("end");
    if (chrom == nullptr || start == nullptr || end == nullptr) return {};
    auto const at = file.rows->chosen()[row];
    return fmt::format("{}:{}-{}", chrom->text(at), start->text(at), end->text(at));
}

void add_arms(Screen const& screen, Section& section) {
    std::vector<std::string> names{"element"};
    std::vector<std::vector<double>> lists{screen.element};
    if (!screen.uninserted.empty()) {
        names.emplace_back("no insertion, same places");
        lists.push_back(screen.uninserted);
    }
    if (!screen.shuffled.empty()) {
        names.emplace_back("shuffled elements, same places");
        lists.push_back(screen.shuffled);
    }
    auto arms = histogram("Activity of elements and controls",
                          fmt::format("predicted {}, mean over insertions", screen.quantity), "elements",
                          names, lists);
    section.blocks.emplace_back(std::move(arms));
    if (screen.score().data() == screen.element.data()) return;
    auto difference = histogram("Effect of inserting an element",
                                fmt::format("predicted {}, {}", screen.quantity, screen.score_name()),
                                "elements", {""}, std::span(&screen.score(), 1));
    auto const& se = screen.score_se();
    constexpr double kTwoSided95 = 1.96;
    std::uint64_t above = 0, below = 0, known = 0;
    for (std::size_t i = 0; i < se.size(); ++i) {
        known += std::isfinite(screen.score()[i]) && std::isfinite(se[i]) ? 1 : 0;
        above += screen.score()[i] > kTwoSided95 * se[i] ? 1 : 0;
        below += screen.score()[i] < -kTwoSided95 * se[i] ? 1 : 0;
    }
    if (known > 0)
        difference.caption += fmt::format(
            " Of {} elements with a standard error {} lie more than 1.96 of them above 0, {} below.", known,
            above, below);
    section.blocks.emplace_back(std::move(difference));
}

std::vector<std::uint64_t> best_first(std::vector<double> const& score) {
    std::vector<std::uint64_t> order;
    for (std::uint64_t i = 0; i < score.size(); ++i)
        if (std::isfinite(score[i])) order.push_back(i);
    auto const listed = static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(order.size(), kListed));
    // Of equal ones the earlier row, so that the order is one.
    std::ranges::partial_sort(order, order.begin() + listed, [&](auto a, auto b) {
        return score[a] != score[b] ? score[a] > score[b] : a < b;
    });
    order.resize(static_cast<std::size_t>(listed));
    return order;
}

void add_top(Screen const& screen, Section& section) {
    auto const& file = screen.file;
    auto const order = best_first(screen.score());
    Table table{
        .name = fmt::format("top_elements.{}", screen.quantity),
        .title = fmt::format("Top elements by {}", screen.score_name()),
        .caption = fmt::format("Predicted {}; standard errors (se) are over insertions.", screen.quantity),
        .columns = {"rank", "element"}};
    auto const* const group = file.rows->find("group");
    bool const has_locus = !order.empty() && !locus_of(file, 0).empty();
    if (has_locus) table.columns.emplace_back("locus");
    if (group != nullptr) table.columns.emplace_back("group");
    std::vector<std::pair<char const*, std::vector<double> const*>> const values{
        {"mean", &screen.element},
        {"element-uninserted", &screen.difference},
        {"element-uninserted.se", &screen.difference_se},
        {"element-shuffled", &screen.to_shuffled},
        {"element-shuffled.se", &screen.to_shuffled_se},
        {"uninserted", &screen.uninserted},
        {"shuffled", &screen.shuffled}};
    for (auto const& [name, list] : values)
        if (!list->empty()) table.columns.emplace_back(name);
    for (std::size_t rank = 0; rank < order.size(); ++rank) {
        auto const row = order[rank];
        std::vector<Cell> line{static_cast<std::int64_t>(rank + 1), file.name(row)};
        if (has_locus) line.emplace_back(locus_of(file, row));
        if (group != nullptr) line.emplace_back(group->text(file.rows->chosen()[row]));
        for (auto const& [name, list] : values)
            if (!list->empty()) line.emplace_back((*list)[row]);
        table.rows.push_back(std::move(line));
    }
    Figure figure{.title = "Top elements",
                  .caption = "Bars: one standard error to either side, over insertions.",
                  .x = {.title = fmt::format("predicted {}, {}", screen.quantity, screen.score_name())},
                  .sideways = true};
    Series points{.mark = Mark::points, .size = 8};
    for (std::size_t rank = 0; rank < std::min<std::size_t>(order.size(), kDrawn); ++rank) {
        figure.y.names.push_back(file.name(order[rank]));
        points.x.push_back(screen.score()[order[rank]]);
        points.y.push_back(static_cast<double>(rank));
        if (!screen.score_se().empty()) points.error.push_back(screen.score_se()[order[rank]]);
        points.labels.push_back(locus_of(file, order[rank]));
    }
    constexpr double kRow = 18, kAround = 70;
    figure.height = kAround + kRow * static_cast<double>(figure.y.names.size());
    figure.series = {points};
    section.blocks.emplace_back(std::move(figure));
    section.blocks.emplace_back(std::move(table));
}

}  // namespace

void add_screen(ReportFile const& file, Section& section) {
    auto const quantities = quantities_of(file);
    for (std::size_t i = 0; i < std::min(quantities.size(), kMostQuantities); ++i) {
        Screen const screen(file, quantities[i]);
        section.blocks.emplace_back(Heading{fmt::format("Activities: {}", quantities[i])});
        add_arms(screen, section);
        add_top(screen, section);
        add_strata(file, screen.quantity, screen.score(), screen.score_name(), section);
    }
    if (quantities.size() <= kMostQuantities) return;
    section.blocks.emplace_back(Paragraph{fmt::format(
        "The file holds {} more quantities, which are not drawn: {}.", quantities.size() - kMostQuantities,
        fmt::join(quantities.begin() + static_cast<std::ptrdiff_t>(kMostQuantities), quantities.end(),
                  ", "))});
}

}  // namespace mpira::report
