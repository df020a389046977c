// The scheduler on virtual ranks: what a campaign of this kind would lose to waiting, stragglers and deaths.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>
#include <numeric>

#include <fmt/format.h>
#include <malloc.h>
#include <nlohmann/json.hpp>

#include "mpira/base/error.hpp"
#include "mpira/base/philox.hpp"
#include "mpira/base/text.hpp"
#include "mpira/cli/commands.hpp"
#include "mpira/schedule/simulator.hpp"

namespace mpira::cli {
namespace {

/// Standard normal by Box and Muller.
double normal(Draws& draws) {
    double const radius = std::sqrt(-2 * std::log(1 - draws.uniform()));
    return radius * std::cos(2 * std::numbers::pi * draws.uniform());
}

schedule::SimulationSetup make_setup(SimulateOptions const& options, std::int64_t ranks) {
    constexpr double kKinship = 0.999;  // correlation of neighbours' log durations when clustered
    auto const seed = static_cast<std::uint64_t>(options.seed);
    schedule::SimulationSetup setup;
    setup.ranks = static_cast<int>(ranks);
    setup.start_s = options.start_s;
    setup.latency_s = options.latency_us * 1e-6;
    setup.service_s = options.service_us * 1e-6;
    setup.commit_every_s = options.commit_every_s;
    setup.commit_units = static_cast<std::uint64_t>(options.commit_units);
    setup.commit_s = options.commit_s;
    setup.unit_bytes = options.unit_kb * 1e3;
    setup.bytes_per_s = options.file_system_mb_s * 1e6;
    setup.commits_per_s = options.file_system_commits;
    if (!options.survivors_go_on) setup.restart_s = options.restart_s;

    Draws durations(seed, Stream::data, 0);
    Draws errors(seed, Stream::data, 1);
    double z = normal(durations);
    for (std::int64_t unit = 0; unit < options.units; ++unit) {
        auto const fresh = normal(durations);
        z = options.clustered ? kKinship * z + std::sqrt(1 - kKinship * kKinship) * fresh : fresh;
        auto const seconds = options.mean_s * std::exp(options.sigma * z - options.sigma * options.sigma / 2);
        setup.seconds.push_back(seconds);
        setup.relative_cost.push_back(
            static_cast<float>(seconds * std::exp(options.estimate_error * normal(errors))));
    }

    Draws lots(seed, Stream::data, 2);
    auto const slow = std::llround(options.straggler_share * static_cast<double>(ranks));
    setup.slowness.assign(static_cast<std::size_t>(ranks), 1.0);
    std::fill_n(setup.slowness.begin(), slow, options.straggler_factor);
    for (auto i = setup.slowness.size(); i > 1; --i)
        std::swap(setup.slowness[i - 1], setup.slowness[lots.below(i)]);

    auto const span_s =
        std::accumulate(setup.seconds.begin(), setup.seconds.end(), 0.0) / static_cast<double>(ranks);
    std::vector<int> order(static_cast<std::size_t>(ranks));
    std::iota(order.begin(), order.end(), 0);
    for (auto i = order.size(); i > 1; --i) std::swap(order[i - 1], order[lots.below(i)]);
    for (std::int64_t i = 0; i < options.deaths; ++i)
        setup.deaths.push_back({order[static_cast<std::size_t>(i) % order.size()], lots.uniform() * span_s});
    return setup;
}

std::vector<schedule::Claim> claims_of(schedule::Dispatcher& leader, double now) {
    std::vector<schedule::Claim> claims;
    while (auto const claim = leader.next(now)) claims.push_back(*claim);
    return claims;
}

/// What the leader's tables take on the heap once every rank holds two units, in bytes; 0 where the C library
/// does not tell.
std::uint64_t leader_bytes(schedule::SimulationSetup const& setup) {
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
    auto const heap = [] {
        auto const info = mallinfo2();
        return info.uordblks + info.hblkhd;
    };
    auto const before = heap();
    auto leader = [&] {
        std::vector<std::uint64_t> units(setup.seconds.size());
        std::iota(units.begin(), units.end(), std::uint64_t{0});
        return schedule::Dispatcher(setup.relative_cost, units, {.ranks = setup.ranks});
    }();
    for (int rank = 0; rank < setup.ranks; ++rank) leader.ready(rank, 0);
    for (std::vector<schedule::Claim> const first = claims_of(leader, 0); auto const& claim : first)
        leader.finished(claim.rank, claim.unit, setup.seconds[claim.unit], 1);
    claims_of(leader, 1);
    return heap() - before;
#else
    static_cast<void>(setup);
    return 0;
#endif
}

/// One number of ranks, in the words of the JSON; the table shows the same.
nlohmann::json simulated(SimulateOptions const& options, std::int64_t ranks) {
    auto const setup = make_setup(options, ranks);
    auto const leader_memory = leader_bytes(setup);
    auto const result = schedule::simulate(setup);
    // A unit that two deaths took was set aside and has no run at all.
    std::uint64_t again = 0;
    std::uint64_t safe = 0;
    for (auto const runs : result.runs) again += runs > 1 ? runs - 1 : 0;
    for (auto const commits : result.commits) safe += commits > 0 ? 1 : 0;
    double const rank_seconds = result.end_s * static_cast<double>(ranks);
    auto const commits = static_cast<double>(result.commit_count);
    return {{"ranks", ranks},
            {"ideal_s", result.ideal_s},
            {"makespan_s", result.makespan_s},
            {"end_s", result.end_s},
            {"efficiency", result.efficiency()},
            {"idle_share", result.makespan_s > 0 ? result.idle_s / result.makespan_s : 0},
            {"lost_share", result.lost_s / rank_seconds},
            {"messages_per_s", static_cast<double>(result.messages) / result.end_s},
            {"leader_busy_share", result.leader_busy_s / result.end_s},
            {"leader_longest_wait_s", result.leader_longest_wait_s},
            {"leader_bytes", leader_memory},
            {"commits", result.commit_count},
            {"commits_per_s", commits / result.end_s},
            {"written_mb_per_s", static_cast<double>(safe) * setup.unit_bytes / 1e6 / result.end_s},
            {"commit_mean_s", result.commit_mean_s},
            {"commit_longest_s", result.commit_longest_s},
            {"file_system_busy_share", result.storage_busy_s / result.end_s},
            {"deaths", setup.deaths.size()},
            {"restarts", result.restarts},
            {"run_again", again},
            {"set_aside", result.set_aside.size()}};
}

}  // namespace

int simulate(CommandLine const& line) {
    auto const& options = line.simulate;
    auto const fewest = *std::min_element(options.ranks.begin(), options.ranks.end());
    require(!options.survivors_go_on || options.deaths < fewest,
            fmt::format(
                "simulate: --deaths {} of --ranks {} leaves nobody to finish the work; at most {} can die",
                options.deaths, fewest, fewest - 1));
    if (line.json) {
        auto all = nlohmann::json::array();
        for (auto const ranks : options.ranks) all.push_back(simulated(options, ranks));
        fmt::print("{}\n", all.dump(2));
        return 0;
    }
    fmt::print("{} units, lognormal with mean {} s and sigma {}{}\n", options.units, options.mean_s,
               options.sigma, options.clustered ? ", neighbours alike" : "");
    fmt::print("{:>7} {:>12} {:>12} {:>10} {:>7} {:>7} {:>11} {:>9} {:>10} {:>10} {:>9} {:>9} {:>9} {:>10}\n",
               "ranks", "ideal", "end", "efficiency", "idle %", "lost %", "messages/s", "leader %", "leader",
               "commits/s", "MB/s", "commit s", "restarts", "set aside");
    for (auto const ranks : options.ranks) {
        auto const one = simulated(options, ranks);
        auto const number = [&](char const* key) { return one.at(key).get<double>(); };
        fmt::print(
            "{:>7} {:>12} {:>12} {:>10.3f} {:>7.2f} {:>7.2f} {:>11.0f} {:>9.2f} {:>10} {:>10.1f} {:>9.2f} "
            "{:>9.2f} {:>9} {:>10}\n",
            ranks, text::duration(number("ideal_s")), text::duration(number("end_s")), number("efficiency"),
            100 * number("idle_share"), 100 * number("lost_share"), number("messages_per_s"),
            100 * number("leader_busy_share"), text::bytes(one.at("leader_bytes").get<std::uint64_t>()),
            number("commits_per_s"), number("written_mb_per_s"), number("commit_longest_s"),
            one.at("restarts").get<std::uint64_t>(), one.at("set_aside").get<std::uint64_t>());
    }
    fmt::print(
        "ideal: max(work / speed of all ranks, longest unit), ranks that die counted as living. efficiency: "
        "ideal / the end,\nwhich is the last commit. lost: computed, then lost by a death. leader %: its "
        "thread's time for messages. commit s: the longest.\n");
    return 0;
}

}  // namespace mpira::cli
