#include "mpira/store/inspect.hpp"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"

#include "store/content_check.hpp"
#include "store/result_map.hpp"
#include "store/unit_source.hpp"

namespace mpira::store {
namespace {

/// What one rank committed at once.
struct Commit {
    std::int64_t finished_ms = 0;
    std::string machine;
    double seconds = 0;  ///< the rank computed its units one after the other, so about the time they took
    std::uint64_t units = 0;
};

/// Units per second over the latest commits, without the gaps between runs. A commit's units took the time
/// before it: where a run begins, that is what a commit usually takes.
std::optional<double> rate_of(std::vector<Commit> units) {
    std::sort(units.begin(), units.end(), [](auto const& a, auto const& b) {
        return std::tie(a.finished_ms, a.machine) < std::tie(b.finished_ms, b.machine);
    });
    std::vector<Commit> commits;
    for (auto const& unit : units) {
        constexpr std::int64_t kOneCommit_ms = 1;
        if (commits.empty() || commits.back().machine != unit.machine ||
            unit.finished_ms - commits.back().finished_ms > kOneCommit_ms) {
            commits.push_back(unit);
            continue;
        }
        commits.back().finished_ms = unit.finished_ms;
        commits.back().seconds += unit.seconds;
        commits.back().units += unit.units;
    }
    if (commits.size() < 2) return std::nullopt;
    std::vector<double> took_s;
    for (auto const& commit : commits) took_s.push_back(commit.seconds);
    auto const middle = took_s.begin() + static_cast<std::ptrdiff_t>(took_s.size() / 2);
    std::nth_element(took_s.begin(), middle, took_s.end());
    double const usual_s = *middle;
    // A rank that computes commits again within the longest commit: twice that without any is a gap.
    constexpr double kLeastGap_s = 1;
    double const gap_s = std::max(kLeastGap_s, 2 * *std::max_element(took_s.begin(), took_s.end()));
    constexpr std::uint64_t kEnoughUnits = 512;
    constexpr double kEnoughCommits = 8;  // of each rank
    constexpr double kMsPerSecond = 1000;
    double busy_s = 0;
    std::uint64_t counted = 0;
    for (std::size_t i = commits.size(); i-- > 0;) {
        if (counted >= kEnoughUnits && busy_s >= kEnoughCommits * usual_s) break;
        double const step_s =
            i == 0 ? gap_s
                   : static_cast<double>(commits[i].finished_ms - commits[i - 1].finished_ms) / kMsPerSecond;
        busy_s += step_s < gap_s ? step_s : usual_s;
        counted += commits[i].units;
    }
    if (busy_s <= 0) return std::nullopt;
    return static_cast<double>(counted) / busy_s;
}

FailedUnit failed_unit(UnitSource const& source, JournalRow const& row) {
    FailedUnit failed{row.unit, source.map().layout.first_row(row.unit), row.attempt, row.machine, row.error,
                      false};
    auto whole = source.error_text(row.unit);
    // A slot may hold the text of an earlier failure, if the write of the later one was lost.
    if (whole && whole->starts_with(row.error))
        failed.error = std::move(*whole);
    else
        failed.cut = row.error.size() + 4 > kErrorBytes;  // a character has up to 4 bytes
    return failed;
}

}  // namespace

Status status(std::filesystem::path const& file) {
    UnitSource const source(file);
    auto const& map = source.map();
    Status status;
    status.job = map.layout.job;
    status.version = map.version;
    status.rows = map.layout.rows;
    status.units = map.layout.units();
    status.sealed = map.sealed;
    status.identity = map.layout.identity;
    constexpr std::size_t kMostErrors = 10;
    std::map<std::string, MachineShare> machines;
    std::vector<Commit> commits;
    source.for_each_row([&](std::uint64_t unit, std::optional<JournalRow> const& row) {
        if (!row) {
            ++status.torn;
            return;
        }
        if (row->state == UnitState::running) ++status.running;
        if (row->state == UnitState::failed) {
            ++status.failed;
            if (status.first_errors.size() < kMostErrors)
                status.first_errors.push_back(failed_unit(source, *row));
        }
        if (row->state != UnitState::done) {
            status.charges += row->blame.charges;
            return;
        }
        ++status.done;
        status.rows_done += map.layout.row_count(unit);
        commits.push_back({row->finished_ms, row->machine, row->seconds, 1});
        auto& share = machines[row->machine];
        share.machine = row->machine;
        ++share.units;
        share.seconds += row->seconds;
    });
    for (auto& [name, share] : machines) status.machines.push_back(std::move(share));
    std::stable_sort(status.machines.begin(), status.machines.end(),
                     [](auto const& a, auto const& b) { return a.units > b.units; });
    status.units_per_s = rate_of(std::move(commits));
    status.finished = map.finished && status.done == status.units;
    if (!map.sealed) status.owner = read_owner(file);
    status.owner_alive = status.owner && status.owner->alive();
    if (!status.owner_alive) {
        status.running = 0;  // they were lost with their process
        if (auto const flight = read_flight(file)) status.death = judge(*flight);
    }
    if (status.owner_alive && status.units_per_s)
        status.eta_s = static_cast<double>(status.left()) / *status.units_per_s;
    return status;
}

UnitTimes unit_times(std::filesystem::path const& file) {
    UnitSource const source(file);
    UnitTimes times;
    std::map<std::string, std::uint32_t> numbers;
    std::vector<std::string> names;
    source.for_each_row([&](std::uint64_t unit, std::optional<JournalRow> const& row) {
        if (!row || row->state != UnitState::done) return;
        auto const [at, is_new] = numbers.try_emplace(row->machine, static_cast<std::uint32_t>(names.size()));
        if (is_new) names.push_back(row->machine);
        times.units.push_back({unit, row->finished_ms, row->seconds, at->second, row->attempt});
    });
    std::sort(times.units.begin(), times.units.end(), [](auto const& a, auto const& b) {
        return std::tie(a.finished_ms, a.unit) < std::tie(b.finished_ms, b.unit);
    });
    // Numbered anew in the order of the commits.
    std::vector<std::optional<std::uint32_t>> renumbered(names.size());
    for (auto& unit : times.units) {
        auto& number = renumbered[unit.machine];
        if (!number) {
            number = static_cast<std::uint32_t>(times.machines.size());
            times.machines.push_back(names[unit.machine]);
        }
        unit.machine = *number;
    }
    return times;
}

Verdict verify(std::filesystem::path const& file, Progress const& progress) {
    UnitSource const source(file);
    auto const& layout = source.map().layout;
    Verdict verdict;
    verdict.tables = tables_hold(file, source.map());
    std::vector<std::byte> rows;
    std::vector<std::byte> done;
    constexpr std::uint64_t kTellEvery = 256;
    source.for_each_row([&](std::uint64_t unit, std::optional<JournalRow> const& row) {
        if (progress && unit % kTellEvery == 0) progress(unit, layout.units());
        if (!row) {
            verdict.torn.push_back(unit);
            return;
        }
        if (row->state != UnitState::done) return;
        ++verdict.checked;
        std::uint32_t crc = 0;
        for (std::size_t array = 0; array < layout.row_arrays.size(); ++array) {
            source.read_rows(array, unit, rows);
            crc = crc32(rows, crc);
        }
        if (crc != row->data_crc) verdict.bad.push_back(unit);
        source.read_done(unit, done);
        if (std::any_of(done.begin(), done.end(), [](std::byte mark) { return mark != std::byte{1}; }))
            verdict.unmarked.push_back(unit);
    });
    if (progress) progress(layout.units(), layout.units());
    return verdict;
}

}  // namespace mpira::store
