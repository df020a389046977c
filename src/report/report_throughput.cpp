// How fast a campaign went, and how evenly its machines were busy, from the journal.
#include <algorithm>
#include <cmath>
#include <ctime>
#include <map>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "mpira/base/text.hpp"

#include "report/report_file.hpp"
#include "report/report_html.hpp"
#include "report/report_statistics.hpp"

namespace mpira::report {
namespace {

/// What one rank committed at once: it computed these units one after the other, just before.
struct Commit {
    std::int64_t finished_ms = 0;
    std::uint32_t machine = 0;
    double seconds = 0;
    double units = 0;
    double end_s = 0;  ///< of the time at work
};

struct Work {
    std::vector<Commit> commits{};
    double total_s = 0;      ///< time at work: gaps between runs left out
    double computing_s = 0;  ///< of all ranks
    int runs = 0;            ///< stretches without a gap
};

std::string moment(std::int64_t unix_ms) {
    auto const seconds = static_cast<std::time_t>(unix_ms / 1000);
    std::tm utc{};
    if (::gmtime_r(&seconds, &utc) == nullptr) return fmt::format("{} ms", unix_ms);
    return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", utc);
}

std::vector<Commit> commits_of(store::UnitTimes const& times) {
    std::vector<Commit> commits;
    std::map<std::uint32_t, std::size_t> latest;  // of each machine
    constexpr std::int64_t kOneCommit_ms = 1;
    for (auto const& unit : times.units) {
        auto const [at, is_new] = latest.try_emplace(unit.machine, commits.size());
        if (is_new || unit.finished_ms > commits[at->second].finished_ms + kOneCommit_ms) {
            at->second = commits.size();
            commits.push_back({unit.finished_ms, unit.machine, 0, 0, 0});
        }
        auto& commit = commits[at->second];
        commit.finished_ms = unit.finished_ms;
        commit.seconds += std::isfinite(unit.seconds) ? std::max(0.0, unit.seconds) : 0;
        ++commit.units;
    }
    return commits;
}

double seconds_between(Commit const& one, Commit const& later) {
    constexpr double kMsPerSecond = 1000;
    return (static_cast<double>(later.finished_ms) - static_cast<double>(one.finished_ms)) / kMsPerSecond;
}

Work work_of(store::UnitTimes const& times) {
    Work work{.commits = commits_of(times)};
    if (work.commits.empty()) return work;
    double longest_s = 0;
    for (auto const& commit : work.commits) {
        longest_s = std::max(longest_s, commit.seconds);
        work.computing_s += commit.seconds;
    }
    // A rank that computes commits again within the longest commit; a start takes its time, too.
    constexpr double kLeastGap_s = 30;
    auto const gap_s = std::max(kLeastGap_s, 2 * longest_s);
    for (std::size_t i = 0; i < work.commits.size(); ++i) {
        auto& commit = work.commits[i];
        auto step_s = i == 0 ? 0.0 : seconds_between(work.commits[i - 1], commit);
        if (i == 0 || step_s > gap_s) {
            ++work.runs;
            // The first commits of the other ranks come later, but all began with the run.
            step_s = commit.seconds;
            for (auto j = i + 1; j < work.commits.size(); ++j) {
                auto const later_s = seconds_between(commit, work.commits[j]);
                if (later_s > longest_s) break;
                step_s = std::max(step_s, work.commits[j].seconds - later_s);
            }
        }
        work.total_s += step_s;
        commit.end_s = work.total_s;
    }
    return work;
}

struct TimeUnit {
    char const* name;
    double seconds;
};
TimeUnit unit_of(double total_s) {
    constexpr double kMinute = 60, kHour = 3600;
    if (total_s > 3 * kHour) return {"hours", kHour};
    return total_s > 5 * kMinute ? TimeUnit{"minutes", kMinute} : TimeUnit{"seconds", 1};
}

/// What each bin of the time at work has of all commits: each lies evenly over the time it was computed in.
std::vector<double> spread_over(Work const& work, std::size_t bins, auto const& amount) {
    std::vector<double> heights(bins);
    auto const width_s = work.total_s / static_cast<double>(bins);
    for (auto const& commit : work.commits) {
        auto const begin_s = std::max(0.0, commit.end_s - commit.seconds);
        auto const length_s = commit.end_s - begin_s;
        auto const last = std::min(bins - 1, static_cast<std::size_t>(commit.end_s / width_s));
        if (length_s <= 0) {
            heights[last] += amount(commit);
            continue;
        }
        for (auto bin = static_cast<std::size_t>(begin_s / width_s); bin <= last; ++bin) {
            auto const left = static_cast<double>(bin) * width_s;
            auto const overlap = std::min(commit.end_s, left + width_s) - std::max(begin_s, left);
            heights[bin] += amount(commit) * std::max(0.0, overlap) / length_s;
        }
    }
    return heights;
}

std::string about_time(Work const& work) {
    return work.runs > 1
               ? fmt::format(" Time at work: {} stretches, the gaps between them left out.", work.runs)
               : "";
}

Series steps(std::vector<double> const& heights, double width, double divided_by) {
    Bins const bins{.low = 0, .width = width, .count = heights.size()};
    auto scaled = heights;
    for (auto& height : scaled) height /= divided_by;
    return bins.outline(scaled);
}

void add_over_time(store::UnitTimes const& times, Work const& work, Section& section) {
    if (work.total_s <= 0) return;
    // Shorter ones would show the commits, not the work.
    constexpr double kMostBins = 60, kLeastBins = 4, kCommitsABin = 2;
    auto const usual_s = work.computing_s / static_cast<double>(work.commits.size());
    auto const fitting = std::floor(work.total_s / std::max(kCommitsABin * usual_s, 1e-3));
    if (fitting < kLeastBins) return;
    auto const bins = static_cast<std::size_t>(std::min(kMostBins, fitting));
    auto const unit = unit_of(work.total_s);
    auto const width_s = work.total_s / static_cast<double>(bins);
    auto const x = fmt::format("time at work ({})", unit.name);

    Figure rate{.title = "Throughput", .x = {.title = x}, .y = {.title = "units a second"}, .height = 260};
    rate.series = {steps(spread_over(work, bins, [](Commit const& one) { return one.units; }),
                         width_s / unit.seconds, width_s)};
    rate.series.front().size = 2;
    rate.caption = fmt::format("Units over the time they were computed in, {} intervals of {}.{}", bins,
                               text::duration(width_s), about_time(work));
    section.blocks.emplace_back(std::move(rate));

    constexpr std::size_t kMostMachines = 6;
    Figure busy{
        .title = "Ranks at work", .x = {.title = x}, .y = {.title = "ranks computing"}, .height = 260};
    busy.caption =
        "An estimate: seconds of computing in each second, from each unit's own time and its commit's. The "
        "journal "
        "knows machines, not ranks; a rank that waits counts as none.";
    if (times.machines.size() > 1 && times.machines.size() <= kMostMachines) {
        for (std::size_t m = 0; m < times.machines.size(); ++m) {
            auto const seconds = [m](Commit const& one) { return one.machine == m ? one.seconds : 0; };
            auto series = steps(spread_over(work, bins, seconds), width_s / unit.seconds, width_s);
            series.name = times.machines[m];
            series.colour = static_cast<int>(m);
            busy.series.push_back(std::move(series));
        }
    } else {
        busy.series = {steps(spread_over(work, bins, [](Commit const& one) { return one.seconds; }),
                             width_s / unit.seconds, width_s)};
    }
    section.blocks.emplace_back(std::move(busy));
}

void add_machines(store::UnitTimes const& times, Work const& work, Section& section) {
    struct Share {
        double units = 0, seconds = 0;
    };
    std::vector<Share> shares(times.machines.size());
    for (auto const& unit : times.units) {
        ++shares[unit.machine].units;
        shares[unit.machine].seconds += unit.seconds;
    }
    Table table{.name = "machines",
                .title = "Machines",
                .caption = "Ranks: seconds of computing in each second of the time at work.",
                .columns = {"machine", "units", "computing_s", "mean_unit_s", "ranks"}};
    for (std::size_t m = 0; m < shares.size(); ++m)
        table.rows.push_back({times.machines[m], static_cast<std::int64_t>(shares[m].units),
                              shares[m].seconds, shares[m].seconds / shares[m].units,
                              work.total_s > 0 ? shares[m].seconds / work.total_s : 0});
    constexpr std::size_t kMostBars = 40;
    if (shares.size() > 1) {
        Figure bars{.title = "Load of each machine",
                    .caption = "Seconds of computing, all units.",
                    .x = {.title = "computing (s)"},
                    .sideways = true};
        Series series{.mark = Mark::bars, .width = 0.7};
        for (std::size_t m = 0; m < std::min(shares.size(), kMostBars); ++m) {
            bars.y.names.push_back(times.machines[m]);
            series.x.push_back(shares[m].seconds);
            series.y.push_back(static_cast<double>(m));
        }
        if (shares.size() > kMostBars)
            bars.caption += fmt::format(" The first {} of {} machines.", kMostBars, shares.size());
        bars.height = 80 + 22 * static_cast<double>(bars.y.names.size());
        bars.series = {series};
        section.blocks.emplace_back(std::move(bars));
    }
    section.blocks.emplace_back(std::move(table));
}

}  // namespace

void add_throughput(ReportFile const& file, Section& section) {
    auto const times = store::unit_times(file.file);
    if (times.units.empty()) return;
    auto const work = work_of(times);
    section.blocks.emplace_back(Heading{"The run"});
    Facts facts{
        {{"First commit", moment(times.units.front().finished_ms)},
         {"Last commit", moment(times.units.back().finished_ms)},
         {"Time at work", text::duration(work.total_s)},
         {"Computing, all ranks", text::duration(work.computing_s)},
         {"Ranks at work, mean", work.total_s > 0 ? short_number(work.computing_s / work.total_s) : "-"}}};
    if (work.runs > 1) facts.entries.emplace_back("Stretches of work", std::to_string(work.runs));
    section.blocks.emplace_back(std::move(facts));
    add_over_time(times, work, section);
    std::vector<std::vector<double>> seconds(1);
    for (auto const& unit : times.units) seconds.front().push_back(unit.seconds);
    constexpr std::size_t kEnough = 8;
    if (seconds.front().size() >= kEnough) {
        auto figure = histogram("Time of a unit", "seconds", "units", {""}, seconds);
        figure.height = 240;
        section.blocks.emplace_back(std::move(figure));
    }
    add_machines(times, work, section);
}

}  // namespace mpira::report
