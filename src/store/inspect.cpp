#include "mpira/store/inspect.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"

#include "store/result_map.hpp"
#include "store/unit_source.hpp"

namespace mpira::store {
namespace {

/// Units per second over the latest done units: the time between them, without the gaps between runs.
std::optional<double> rate_of(std::vector<std::int64_t> finished_ms) {
    constexpr std::size_t kLatest = 512;
    if (finished_ms.size() < 3) return std::nullopt;
    std::sort(finished_ms.begin(), finished_ms.end());
    if (finished_ms.size() > kLatest)
        finished_ms.erase(finished_ms.begin(), finished_ms.end() - static_cast<std::ptrdiff_t>(kLatest));
    // A commit gives a whole batch of units nearly one time, so single steps say nothing: a gap is what is
    // longer than twenty mean steps and a minute.
    double const span_ms = static_cast<double>(finished_ms.back() - finished_ms.front());
    double const mean_ms = span_ms / static_cast<double>(finished_ms.size() - 1);
    constexpr double kLeastGap_ms = 60'000;
    double const gap_ms = std::max(kLeastGap_ms, 20 * mean_ms);
    double busy_ms = 0;
    std::size_t steps = 0;
    for (std::size_t i = 1; i < finished_ms.size(); ++i) {
        auto const step_ms = static_cast<double>(finished_ms[i] - finished_ms[i - 1]);
        if (step_ms > gap_ms) continue;
        busy_ms += step_ms;
        ++steps;
    }
    if (steps < 2 || busy_ms <= 0) return std::nullopt;
    constexpr double kMsPerSecond = 1000;
    return static_cast<double>(steps) * kMsPerSecond / busy_ms;
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
    status.finished = map.finished;
    status.sealed = map.sealed;
    status.identity = map.layout.identity;
    constexpr std::size_t kMostErrors = 10;
    std::map<std::string, MachineShare> machines;
    std::vector<std::int64_t> finished_ms;
    source.for_each_row([&](std::uint64_t unit, std::optional<JournalRow> const& row) {
        if (!row) {
            ++status.torn;
            return;
        }
        if (row->state == UnitState::running) ++status.running;
        if (row->state == UnitState::failed) {
            ++status.failed;
            if (status.first_errors.size() < kMostErrors)
                status.first_errors.push_back(
                    {unit, map.layout.first_row(unit), row->attempt, row->machine, row->error});
        }
        if (row->state != UnitState::done) return;
        ++status.done;
        status.rows_done += map.layout.row_count(unit);
        finished_ms.push_back(row->finished_ms);
        auto& share = machines[row->machine];
        share.machine = row->machine;
        ++share.units;
        share.seconds += row->seconds;
    });
    for (auto& [name, share] : machines) status.machines.push_back(std::move(share));
    std::stable_sort(status.machines.begin(), status.machines.end(),
                     [](auto const& a, auto const& b) { return a.units > b.units; });
    status.units_per_s = rate_of(std::move(finished_ms));
    if (!map.sealed) status.owner = read_owner(file);
    status.owner_alive = status.owner && status.owner->alive();
    if (status.owner_alive && status.units_per_s)
        status.eta_s = static_cast<double>(status.left()) / *status.units_per_s;
    return status;
}

Verdict verify(std::filesystem::path const& file, Progress const& progress) {
    UnitSource const source(file);
    auto const& layout = source.map().layout;
    Verdict verdict;
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
