// Simulated campaigns in which units or ranks fail: who is to blame, and what it costs the others.
#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "mpira/base/philox.hpp"
#include "mpira/schedule/simulator.hpp"

#include "simulated.hpp"

namespace mpira::schedule {
namespace {

using namespace tests;

TEST(Simulator, FailuresAreRetriedOnceAndThenSetAside) {
    auto setup = setup_of(16, heavy_tailed(2000, 1.0, 10));
    setup.fails = [](std::uint64_t unit, int attempt, int) {
        return unit % 100 == 7 || (unit % 10 == 3 && attempt == 1);
    };
    auto const result = simulate(setup);
    EXPECT_EQ(result.set_aside.size(), 20U);
    for (std::uint64_t unit = 0; unit < 2000; ++unit)
        EXPECT_EQ(result.commits[unit], unit % 100 == 7 ? 0U : 1U) << unit;
}

TEST(Simulator, ARankThatFailsEverythingSetsNothingAside) {
    auto setup = setup_of(8, std::vector<double>(2000, 1.0));
    setup.fails = [](std::uint64_t, int, int rank) { return rank == 3; };
    auto const result = simulate(setup);
    EXPECT_TRUE(result.set_aside.empty());
    expect_each_once(result);
}

TEST(Simulator, ABrokenNodeSetsNothingAside) {
    for (bool const from_the_start : {true, false}) {
        for (int const broken : {1, 8}) {
            auto setup = setup_of(16, std::vector<double>(2000, 1.0));
            for (int rank = 0; rank < 16; ++rank) setup.node_of.push_back(rank / 8);
            setup.failure_s = 1e-3;
            std::vector<int> runs(16);
            setup.fails = [=](std::uint64_t, int, int rank) mutable {
                return ++runs[static_cast<std::size_t>(rank)] > (from_the_start ? 0 : 20) &&
                       rank >= 16 - broken;
            };
            auto const result = simulate(setup);
            EXPECT_TRUE(result.set_aside.empty()) << broken << " of 8 ranks";
            expect_each_once(result);
            EXPECT_LT(result.makespan_s, 1.05 * 2000 / (16 - broken));
        }
    }
}

TEST(Simulator, WhereEveryUnitFailsEachIsSetAsideOnce) {
    for (int const ranks : {1, 2, 16}) {
        auto setup = setup_of(ranks, std::vector<double>(100, 1.0));
        std::uint64_t tries = 0;
        setup.fails = [&](std::uint64_t, int, int) { return ++tries > 0; };
        auto const result = simulate(setup);
        EXPECT_EQ(std::set(result.set_aside.begin(), result.set_aside.end()).size(), 100U) << ranks;
        EXPECT_EQ(result.set_aside.size(), 100U) << ranks;
        EXPECT_EQ(tries, 200U) << ranks;
        EXPECT_LT(result.makespan_s, 1.1 * 200 / ranks + 2) << ranks;
    }
}

TEST(Simulator, BadUnitsDelayNobody) {
    struct Case {
        int ranks;
        std::uint64_t bad_of_100;
        bool are_first;
        double failure_s;
        double most = 1.1;  ///< makespan / what everything takes
    };
    for (auto const& one : {Case{64, 9, true, 20}, Case{64, 5, false, 1}, Case{256, 20, false, 1},
                            Case{256, 40, false, 1}, Case{64, 20, false, 10}, Case{16, 60, false, 10, 1.6}}) {
        auto const units = static_cast<std::size_t>(one.ranks) * 110;
        auto setup = setup_of(one.ranks, std::vector<double>(units, 10.0));
        auto const bad = [=](std::uint64_t unit) {
            return one.are_first ? unit < units * one.bad_of_100 / 100
                                 : (unit * 7919 + unit / 100) % 100 < one.bad_of_100;
        };
        double work_s = 0;
        std::uint64_t all_bad = 0;
        for (std::uint64_t unit = 0; unit < units; ++unit) {
            if (one.are_first && bad(unit)) setup.relative_cost[unit] = 20;
            work_s += bad(unit) ? 2 * one.failure_s : 10;
            all_bad += bad(unit) ? 1 : 0;
        }
        setup.failure_s = one.failure_s;
        setup.fails = [&](std::uint64_t unit, int, int) { return bad(unit); };
        auto const result = simulate(setup);
        EXPECT_EQ(result.set_aside.size(), all_bad);
        EXPECT_LT(result.makespan_s, one.most * work_s / one.ranks + 20)
            << one.ranks << " ranks, " << one.bad_of_100 << " % bad" << (one.are_first ? " at first" : "");
    }
}

TEST(Simulator, BrokenRanksAndBadUnits) {
    struct Case {
        int ranks;
        int broken;
        int tries_before;
        std::uint64_t bad_in;  ///< every so manieth unit
        bool are_first;
        bool prefetch;
    };
    for (auto const& one : {Case{16, 4, 0, 10, false, true}, Case{64, 8, 0, 100, true, true},
                            Case{8, 7, 0, 400, true, true}, Case{8, 7, 0, 400, true, false},
                            Case{16, 4, 30, 5, false, true}, Case{16, 4, 30, 5, false, false}}) {
        std::uint64_t const units = 100 * static_cast<std::uint64_t>(one.ranks);
        auto setup = setup_of(one.ranks, std::vector<double>(units, 10.0));
        for (int rank = 0; rank < one.ranks; ++rank) setup.node_of.push_back(rank * 4 / one.ranks);
        setup.failure_s = 1e-3;
        setup.prefetch = one.prefetch;
        std::vector<int> tries(static_cast<std::size_t>(one.ranks));
        setup.fails = [&](std::uint64_t unit, int, int rank) {
            bool const is_bad = one.are_first ? unit < units / one.bad_in : unit % one.bad_in == 0;
            bool const is_broken = ++tries[static_cast<std::size_t>(rank)] > one.tries_before;
            return is_bad || (is_broken && rank >= one.ranks - one.broken);
        };
        auto const result = simulate(setup);
        // Nothing tells ranks from units before a sound rank has finished one: two units a broken rank, at
        // most.
        EXPECT_GE(result.set_aside.size(), units / one.bad_in) << one.broken << " of " << one.ranks;
        EXPECT_LE(result.set_aside.size(), units / one.bad_in + 2 * static_cast<std::size_t>(one.broken))
            << one.broken << " of " << one.ranks;
        EXPECT_LT(result.makespan_s, 1.1 * 10 * static_cast<double>(units) / (one.ranks - one.broken) + 40);
    }
}

TEST(Simulator, ARankWithAHiccupIsBackSoon) {
    auto setup = setup_of(4, std::vector<double>(2000, 1.0));
    setup.failure_s = 1e-3;
    int tries = 0;  // of rank 3; the next three fail
    setup.fails = [&](std::uint64_t, int, int rank) { return rank == 3 && ++tries > 10 && tries <= 13; };
    auto const result = simulate(setup);
    EXPECT_TRUE(result.set_aside.empty());
    EXPECT_LT(result.makespan_s, 1.03 * 500);
}

TEST(Simulator, ALongUnitHoldsNobodyUp) {
    std::vector<double> seconds(30000, 10.0);
    seconds[0] = 3600;
    auto setup = setup_of(64, seconds);
    for (std::uint64_t unit = 1; unit < 190; ++unit) setup.relative_cost[unit] = 100;
    setup.failure_s = 1e-3;
    setup.fails = [](std::uint64_t unit, int, int) { return unit > 0 && unit < 190; };
    auto const result = simulate(setup);
    EXPECT_EQ(result.set_aside.size(), 189U);
    EXPECT_LT(result.makespan_s, 5000);
}

TEST(Simulator, WhateverFailsEveryUnitEndsSomewhere) {
    for (std::uint32_t round = 0; round < 300; ++round) {
        Draws draws(12, Stream::tests, round);
        int const ranks = 1 + static_cast<int>(draws.below(12));
        auto setup = setup_of(ranks, heavy_tailed(1 + draws.below(120), 1.0, round + 1));
        auto const nodes = 1 + draws.below(4);
        for (int rank = 0; rank < ranks; ++rank)
            setup.node_of.push_back(static_cast<int>(draws.below(nodes)));
        setup.prefetch = draws.below(2) == 0;
        setup.failure_s = draws.below(2) == 0 ? 1e-3 : -1;
        double const bad = draws.below(2) == 0 ? 0 : draws.uniform();
        double const broken = draws.below(2) == 0 ? 0 : draws.uniform();
        double const flaky = draws.below(2) == 0 ? 0 : 0.3 * draws.uniform();
        auto const chance = [=](std::uint64_t of, std::uint32_t what) {
            return Draws(13 + what, Stream::tests, round, static_cast<std::uint32_t>(of)).uniform();
        };
        std::uint32_t tries = 0;
        setup.fails = [&](std::uint64_t unit, int, int rank) {
            return chance(unit, 0) < bad || chance(static_cast<std::uint64_t>(rank), 1) < broken ||
                   chance(++tries, 2) < flaky;
        };
        for (int rank = 1; rank < ranks; ++rank)
            if (draws.below(8) == 0) setup.deaths.push_back({rank, 30 * draws.uniform()});
        if (draws.below(2) == 0) setup.restart_s = 3;  // with a suspect
        auto const result = simulate(setup);
        std::set<std::uint64_t> const aside(result.set_aside.begin(), result.set_aside.end());
        EXPECT_EQ(aside.size(), result.set_aside.size()) << "round " << round;
        for (std::uint64_t unit = 0; unit < setup.seconds.size(); ++unit)
            EXPECT_NE(result.commits[unit] > 0, aside.contains(unit))
                << "round " << round << ", unit " << unit;
    }
}

}  // namespace
}  // namespace mpira::schedule
