// The scheduler on virtual ranks: what a campaign of this kind would lose to waiting, stragglers and deaths.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>
#include <numeric>

#include <fmt/format.h>

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
    setup.latency_s = options.latency_us * 1e-6;

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
        setup.deaths.push_back({order[static_cast<std::size_t>(i)], lots.uniform() * span_s});
    return setup;
}

}  // namespace

int simulate(CommandLine const& line) {
    auto const& options = line.simulate;
    auto const fewest = *std::min_element(options.ranks.begin(), options.ranks.end());
    require(options.deaths < fewest,
            fmt::format(
                "simulate: --deaths {} of --ranks {} leaves nobody to finish the work; at most {} can die",
                options.deaths, fewest, fewest - 1));
    fmt::print("{} units, lognormal with mean {} s and sigma {}{}\n", options.units, options.mean_s,
               options.sigma, options.clustered ? ", neighbours alike" : "");
    fmt::print("{:>8} {:>12} {:>12} {:>8} {:>8} {:>12} {:>10} {:>8} {:>10}\n", "ranks", "ideal", "makespan",
               "ratio", "idle %", "messages/s", "run again", "deaths", "set aside");
    for (auto const ranks : options.ranks) {
        auto const setup = make_setup(options, ranks);
        auto const result = schedule::simulate(setup);
        // A unit that two deaths took was set aside and has no run at all.
        std::uint64_t again = 0;
        for (auto const runs : result.runs) again += runs > 1 ? runs - 1 : 0;
        fmt::print("{:>8} {:>12} {:>12} {:>8.3f} {:>8.2f} {:>12.0f} {:>10} {:>8} {:>10}\n", ranks,
                   text::duration(result.ideal_s), text::duration(result.makespan_s), result.ratio(),
                   100 * result.idle_s / result.makespan_s,
                   static_cast<double>(result.messages) / result.makespan_s, again, setup.deaths.size(),
                   result.set_aside.size());
    }
    fmt::print(
        "ratio: makespan / max(work / speed of all ranks, longest unit), ranks that die counted as living; 1 "
        "is the best\n");
    return 0;
}

}  // namespace mpira::cli
