#include "mpira/schedule/simulator.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "mpira/base/error.hpp"
#include "mpira/base/philox.hpp"

#include "simulated.hpp"

namespace mpira::schedule {
namespace {

using namespace tests;

/// Costs of neighbours are alike: runs of 500 units share a factor.
std::vector<double> clustered(std::size_t count, double mean_s, std::uint64_t seed) {
    auto seconds = heavy_tailed(count, mean_s, seed);
    auto const factors = heavy_tailed(count / 500 + 1, 1, seed + 1);
    for (std::size_t i = 0; i < count; ++i)
        seconds[i] = mean_s * factors[i / 500] * (0.9 + 0.2 * seconds[i] / (seconds[i] + mean_s));
    return seconds;
}

TEST(Simulator, OneRankIsTheSum) {
    auto setup = setup_of(1, {1, 2, 3});
    setup.latency_s = setup.service_s = 0;
    auto const result = simulate(setup);
    EXPECT_NEAR(result.makespan_s, 6, 1e-9);
    EXPECT_NEAR(result.ratio(), 1, 1e-9);
    expect_each_once(result);
}

// The cases of spec/scheduling-peers.md, section 1 ("Order matters more than transport"), where dynamic
// handing out one by one reached 1.27 and 1.50, and chunks of 64 up to 14.5.
TEST(Simulator, HeavyTailedUnitsEndTogether) {
    for (int const ranks : {4, 64}) {
        auto const result = simulate(setup_of(ranks, heavy_tailed(8000, 1.0, 1)));
        EXPECT_LT(result.ratio(), 1.01) << ranks;
        expect_each_once(result);
    }
}

TEST(Simulator, TwoHundredThousandUnitsOn512Ranks) {
    auto const result = simulate(setup_of(512, heavy_tailed(200000, 1.0, 2)));
    EXPECT_LT(result.ratio(), 1.01);
    expect_each_once(result);
}

TEST(Simulator, ClusteredCosts) {
    EXPECT_LT(simulate(setup_of(64, clustered(200000, 1.0, 3))).ratio(), 1.01);
    EXPECT_LT(simulate(setup_of(512, clustered(20000, 1.0, 4))).ratio(), 1.02);
}

TEST(Simulator, AWrongPredictionCostsLittle) {
    // Predicted within a factor of e either way, and not predicted at all. Unknown costs can't do better than
    // list scheduling, which may end as late as ideal + the longest unit.
    auto noisy = setup_of(64, heavy_tailed(20000, 1.0, 5));
    Draws draws(6, Stream::tests, 0);
    for (auto& cost : noisy.relative_cost) cost *= static_cast<float>(std::exp(2 * draws.uniform() - 1));
    EXPECT_LT(simulate(noisy).ratio(), 1.10);

    auto blind = setup_of(64, heavy_tailed(20000, 1.0, 5));
    std::fill(blind.relative_cost.begin(), blind.relative_cost.end(), 1.0F);
    auto const result = simulate(blind);
    double const longest = *std::max_element(blind.seconds.begin(), blind.seconds.end());
    EXPECT_LT(result.makespan_s, result.ideal_s + 1.5 * longest);
    expect_each_once(result);
}

TEST(Simulator, PrefetchHidesLatency) {
    // 1 ms units, 1 ms to and fro: without prefetch every unit waits as long as it works.
    auto setup = setup_of(4, std::vector<double>(4000, 1e-3));
    setup.latency_s = 0.45e-3;
    auto const with = simulate(setup);
    setup.prefetch = false;
    auto const without = simulate(setup);
    EXPECT_LT(with.ratio(), 1.02);
    EXPECT_GT(without.ratio(), 1.8);
}

TEST(Simulator, StragglersAreGivenLess) {
    // Ranks of a quarter of the speed. Nobody knows at the start, when the longest units are handed out: with
    // a heavy tail one of those on a slow rank can outlast everything.
    auto even = setup_of(64, heavy_tailed(20000, 1.0, 7));
    for (auto& seconds : even.seconds) seconds = 0.5 + seconds / (1 + seconds);
    even.relative_cost = known(even.seconds);
    even.slowness.assign(64, 1.0);
    for (std::size_t rank = 0; rank < 64; rank += 8) even.slowness[rank] = 4;
    EXPECT_LT(simulate(even).ratio(), 1.02);

    auto heavy = setup_of(64, heavy_tailed(20000, 1.0, 7));
    heavy.slowness = even.slowness;
    double const longest = *std::max_element(heavy.seconds.begin(), heavy.seconds.end());
    auto const result = simulate(heavy);
    EXPECT_LT(result.makespan_s, 1.05 * std::max(result.ideal_s, 4 * longest));
    expect_each_once(result);
}

TEST(Simulator, DeathsLoseNothingAndRunNothingTwiceThatWasSafe) {
    auto setup = setup_of(32, heavy_tailed(5000, 1.0, 8));
    setup.commit_s = 0.1;
    setup.attempts = 100;  // here every death is the rank's fault
    Draws draws(9, Stream::tests, 0);
    std::set<int> dead;
    while (dead.size() < 24) {
        int const rank = static_cast<int>(draws.below(32));
        if (dead.insert(rank).second) setup.deaths.push_back({rank, 200 * draws.uniform()});
    }
    auto const result = simulate(setup);
    EXPECT_TRUE(result.set_aside.empty());
    expect_each_once(result);
    EXPECT_TRUE(std::any_of(result.runs.begin(), result.runs.end(), [](auto n) { return n > 1; }));
}

TEST(Simulator, AllButOneDieAtOnce) {
    auto setup = setup_of(512, std::vector<double>(2000, 1.0));
    for (int rank = 1; rank < 512; ++rank) setup.deaths.push_back({rank, 1.5});
    auto const result = simulate(setup);
    expect_each_once(result);
    EXPECT_TRUE(result.set_aside.empty());
}

/// A stale mount, a driver that gave up: all ranks of a node throw at once, from the start or from the middle
/// on, and would take every unit of the campaign in the time that the others need for one.
/// Units that fail everywhere keep no rank from its work: the longest of all, which come first, or some among
/// the others.
/// Both at once: of 4 nodes one breaks, or all ranks but one, from the start or later, and there are bad
/// units, which come first or are scattered.
/// One rank runs a unit of an hour, all others meet bad units first.
TEST(Simulator, IsDeterministic) {
    auto setup = setup_of(64, heavy_tailed(5000, 1.0, 11));
    setup.deaths = {{3, 10}, {5, 20}};
    auto const once = simulate(setup);
    auto const again = simulate(setup);
    EXPECT_EQ(once.makespan_s, again.makespan_s);
    EXPECT_EQ(once.messages, again.messages);
    EXPECT_EQ(once.runs, again.runs);
}

std::uint64_t safe(SimulationResult const& result) {
    return static_cast<std::uint64_t>(
        std::count_if(result.commits.begin(), result.commits.end(), [](auto n) { return n >= 1; }));
}

TEST(Simulator, CommitsAtTheirCadenceAndAtTheEnd) {
    // One rank, units of 1 s: at 5 s after the first, and then as the units of the next batch ask for.
    auto setup = setup_of(1, std::vector<double>(20, 1.0));
    setup.latency_s = setup.service_s = 0;
    setup.commit_s = 0.1;
    auto const slow = simulate(setup);
    EXPECT_NEAR(slow.makespan_s, 20, 1e-9);
    EXPECT_NEAR(slow.end_s, 20.1, 1e-6);  // told the end, it does not wait for the 5 s
    EXPECT_EQ(slow.commit_count, 4U);     // at 6, 12, 18 s and the end
    EXPECT_NEAR(slow.commit_mean_s, 0.1, 1e-9);
    expect_each_once(slow);

    setup.commit_units = 2;
    EXPECT_EQ(simulate(setup).commit_count, 10U);

    // Tiny units: not 64 at a time, but what a quarter of a second brings.
    auto tiny = setup_of(1, std::vector<double>(10000, 1e-3));
    auto const result = simulate(tiny);
    EXPECT_NEAR(static_cast<double>(result.commit_count), 40, 2);
    expect_each_once(result);
}

TEST(Simulator, AFileSystemThatIsTooSlowEndsTheCampaignLater) {
    // 8 ranks leave 80 MB a second; the file system takes 40, and 10 MB a unit of all 800 ones 200 s.
    auto setup = setup_of(8, std::vector<double>(800, 1.0));
    setup.unit_bytes = 10e6;
    setup.bytes_per_s = 40e6;
    auto const result = simulate(setup);
    EXPECT_NEAR(result.storage_busy_s, 200, 1e-6);
    EXPECT_GT(result.end_s, 200);
    EXPECT_LT(result.end_s, 210);
    EXPECT_LT(result.makespan_s, 103);
    expect_each_once(result);

    // 100 commits of a rank each at one second, all through one metadata server.
    setup.bytes_per_s = 0;
    setup.commits_per_s = 0.5;
    setup.commit_units = 1;
    setup.commit_every_s = 0;
    auto const served = simulate(setup);
    EXPECT_NEAR(served.storage_busy_s, 2.0 * static_cast<double>(served.commit_count), 1e-6);
    EXPECT_GT(served.commit_longest_s, 10);
    expect_each_once(served);
}

TEST(Simulator, ADeathEndsTheRunOfAllRanksAndTheNextOneResumes) {
    auto setup = setup_of(16, heavy_tailed(4000, 1.0, 12));
    setup.start_s = 3;
    setup.restart_s = 30;
    setup.deaths = {{3, 50}, {3, 60}, {7, 150}};  // the second while nobody runs
    auto const result = simulate(setup);
    EXPECT_EQ(result.restarts, 2U);
    EXPECT_TRUE(result.set_aside.empty());
    EXPECT_EQ(safe(result), 4000U);
    expect_each_once(result);  // what was safe is not run again
    auto const undisturbed = [&] {
        auto calm = setup;
        calm.deaths.clear();
        return simulate(calm);
    }();
    EXPECT_EQ(undisturbed.lost_s, 0);
    EXPECT_GT(result.lost_s, 0);
    // Each restart costs its own seconds and what was lost, spread over the ranks.
    EXPECT_NEAR(result.end_s, undisturbed.end_s + 2 * 33 + result.lost_s / 16, 12);

    // A second is not enough for the last commits of all: then more is lost, and run again.
    setup.commits_per_s = 4;
    auto const crowded = simulate(setup);
    EXPECT_GT(crowded.lost_s, result.lost_s);
    expect_each_once(crowded);
}

TEST(Simulator, EvenAllRanksMayDieOneAfterTheOther) {
    auto setup = setup_of(2, std::vector<double>(50, 1.0));
    setup.restart_s = 1;
    setup.deaths = {{0, 5}, {1, 12}};
    auto const result = simulate(setup);
    EXPECT_EQ(result.restarts, 2U);
    expect_each_once(result);
}

TEST(Simulator, TheLeaderIsTheLimitWhereMessagesComeFasterThanItAnswers) {
    // 512 ranks ask 51,200 times a second; at 20 us a message, two a unit, 25,000 units a second is the most.
    auto setup = setup_of(512, std::vector<double>(100000, 0.01));
    setup.service_s = 20e-6;
    auto const busy = simulate(setup);
    EXPECT_GT(busy.makespan_s, 3.9);
    EXPECT_GT(busy.leader_busy_s / busy.makespan_s, 0.99);
    EXPECT_GT(busy.leader_longest_wait_s, 0.005);
    setup.service_s = 2e-6;
    EXPECT_LT(simulate(setup).makespan_s, 2.1);
}

TEST(Simulator, RefusesASetupWithoutSurvivors) {
    auto setup = setup_of(2, {1, 1});
    setup.deaths = {{0, 1}, {1, 2}};
    EXPECT_THROW(simulate(setup), Error);
}

}  // namespace
}  // namespace mpira::schedule
