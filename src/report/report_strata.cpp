// lentimpra: groups of elements, and kinds of places they were inserted at.
#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "report/report_file.hpp"
#include "report/report_statistics.hpp"

namespace mpira::report {
namespace {

constexpr std::size_t kMostGroups = 30;

struct Group {
    std::string name;
    std::vector<std::uint64_t> rows;
};

/// Groups of the done elements, the largest first.
std::vector<Group> groups_of(ReportFile const& file) {
    auto const& column = *file.rows->find("group");
    std::map<std::string, std::vector<std::uint64_t>> by_name;
    for (std::uint64_t row = 0; row < file.count(); ++row)
        by_name[column.text(file.rows->chosen()[row])].push_back(row);
    std::vector<Group> groups;
    for (auto& [name, rows] : by_name) groups.push_back({name, std::move(rows)});
    std::ranges::stable_sort(groups, std::ranges::greater{},
                             [](auto const& group) { return group.rows.size(); });
    return groups;
}

void add_groups(ReportFile const& file, std::string const& quantity, std::vector<double> const& scores,
                std::string const& score_name, Section& section) {
    auto const groups = groups_of(file);
    if (groups.size() < 2) return;
    Table table{
        .name = fmt::format("groups.{}", quantity),
        .title = "Groups of elements",
        .caption = fmt::format("Of the {}, predicted {}. AUC: how often an element of the group is above one "
                               "of all other groups; 0.5 says nothing.",
                               score_name, quantity),
        .columns = {"group", "elements", "mean", "q25", "median", "q75", "auc_against_the_rest"},
        .shown = kMostGroups};
    constexpr std::size_t kMostAucs = 200;  // each sorts all elements
    std::vector<std::string> names;
    std::vector<std::vector<double>> lists;
    for (auto const& group : groups) {
        std::vector<double> own;
        std::vector<bool> is_in(scores.size());
        for (auto const row : group.rows) {
            own.push_back(scores[row]);
            is_in[row] = true;
        }
        auto sorted = finite(own);
        std::ranges::sort(sorted);
        auto const area =
            table.rows.size() < kMostAucs ? auc(scores, is_in) : std::numeric_limits<double>::quiet_NaN();
        table.rows.push_back({group.name, static_cast<std::int64_t>(own.size()), mean_of(own),
                              quantile(sorted, 0.25), quantile(sorted, 0.5), quantile(sorted, 0.75), area});
        if (names.size() >= kMostGroups) continue;
        names.push_back(fmt::format("{} ({})", group.name, own.size()));
        lists.push_back(std::move(own));
    }
    if (groups.size() > kMostAucs)
        table.caption += fmt::format(" AUC of the largest {} groups only.", kMostAucs);
    auto figure =
        quartiles("Groups of elements", fmt::format("predicted {}, {}", quantity, score_name), names, lists);
    if (groups.size() > names.size())
        figure.caption += fmt::format(" The largest {} of {} groups.", names.size(), groups.size());
    section.blocks.emplace_back(std::move(figure));
    section.blocks.emplace_back(std::move(table));
}

/// "q.element-uninserted.mean.promoter" -> promoter: medians over elements of what was measured at each kind
/// of place.
void add_places(ReportFile const& file, std::string const& quantity, Section& section) {
    auto const& variables = file.rows->variables();
    for (auto const* const arm : {"element-uninserted", "element-shuffled", "element"}) {
        auto const prefix = fmt::format("{}.{}.mean.", quantity, arm);
        std::vector<std::uint64_t> columns;
        std::vector<std::string> kinds;
        for (std::uint64_t i = 0; i < variables.size(); ++i) {
            if (!variables[i].starts_with(prefix)) continue;
            columns.push_back(i);
            kinds.push_back(variables[i].substr(prefix.size()));
        }
        if (kinds.empty()) continue;
        auto const lists = file.columns("X", columns);
        Table table{.name = fmt::format("places.{}", quantity),
                    .title = "Kinds of places",
                    .caption = fmt::format(
                        "Over elements, of {}.{}.mean at the insertions that fell into each kind of "
                        "place.",
                        quantity, arm),
                    .columns = {"place", "elements", "mean", "q25", "median", "q75"}};
        for (std::size_t i = 0; i < kinds.size(); ++i) {
            auto sorted = finite(lists[i]);
            std::ranges::sort(sorted);
            table.rows.push_back({kinds[i], static_cast<std::int64_t>(sorted.size()), mean_of(sorted),
                                  quantile(sorted, 0.25), quantile(sorted, 0.5), quantile(sorted, 0.75)});
        }
        section.blocks.emplace_back(
            quartiles("Kinds of places", fmt::format("predicted {}, {}", quantity, arm), kinds, lists));
        section.blocks.emplace_back(std::move(table));
        return;
    }
}

}  // namespace

void add_strata(ReportFile const& file, std::string const& quantity, std::vector<double> const& scores,
                std::string const& score_name, Section& section) {
    if (file.rows->find("group") != nullptr) add_groups(file, quantity, scores, score_name, section);
    add_places(file, quantity, section);
}

}  // namespace mpira::report
