#include "mpira/schedule/dispatcher.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mpira/base/error.hpp"

namespace mpira::schedule {
namespace {

std::vector<std::uint64_t> all_of(std::size_t count) {
    std::vector<std::uint64_t> units(count);
    std::iota(units.begin(), units.end(), std::uint64_t{0});
    return units;
}

std::vector<Claim> all_claims(Dispatcher& dispatcher, double now) {
    std::vector<Claim> claims;
    while (auto const claim = dispatcher.next(now)) claims.push_back(*claim);
    return claims;
}

using testing::ElementsAre;
using testing::IsEmpty;

TEST(CostModel, RecoversALine) {
    CostModel model;
    for (int i = 1; i <= 100; ++i) model.learn(i, 0.25 + 0.5 * i);
    EXPECT_NEAR(model.seconds(10), 5.25, 1e-9);
    EXPECT_NEAR(model.seconds(30, 3), 15.75, 1e-9);
}

TEST(CostModel, EqualCostsGiveARateAlone) {
    CostModel model;
    for (int i = 0; i < 100; ++i) model.learn(2, i % 2 == 0 ? 1 : 3);
    EXPECT_NEAR(model.seconds(2), 2, 0.01);
    EXPECT_NEAR(model.seconds(4), 4, 0.02);
}

TEST(CostModel, NeverPredictsBelowZero) {
    CostModel falling;  // dearer units were quicker: the mean is the best there is
    for (int i = 1; i <= 10; ++i) falling.learn(i, 11 - i);
    EXPECT_NEAR(falling.seconds(10), 5.5, 0.01);
    CostModel steep;  // a line that would cut the axis below zero
    for (int i = 1; i <= 10; ++i) steep.learn(i, i * i);
    EXPECT_GE(steep.seconds(0.1), 0);
}

TEST(Dispatcher, HandsOutLongestFirstAndOneAhead) {
    Dispatcher dispatcher({1, 5, 2, 4, 3, 1, 1, 1, 1, 1, 1, 1}, all_of(12), {.ranks = 2});
    dispatcher.ready(0, 0);
    dispatcher.ready(1, 0);
    auto const claims = all_claims(dispatcher, 0);
    ASSERT_GE(claims.size(), 2U);
    EXPECT_EQ(claims[0], (Claim{0, 1, 1}));
    EXPECT_EQ(claims[1], (Claim{1, 3, 1}));
    EXPECT_LE(claims.size(), 4U);
}

TEST(Dispatcher, SuspectsAreRunFirstOneAtATimeOnTheLastRank) {
    Dispatcher dispatcher({9, 8, 7, 1, 1, 1, 1, 1}, all_of(8), {.ranks = 3, .suspects = {4, 6}});
    for (int rank = 0; rank < 3; ++rank) dispatcher.ready(rank, 0);
    EXPECT_THAT(all_claims(dispatcher, 0), ElementsAre(Claim{0, 0, 1}, Claim{1, 1, 1}, Claim{2, 4, 1, true}));
    dispatcher.finished(1, 1, 8, 8);
    for (auto const& claim : all_claims(dispatcher, 8)) {
        EXPECT_EQ(claim.rank, 1);
        EXPECT_FALSE(claim.suspect);
    }
    dispatcher.finished(2, 4, 8, 8);
    auto const claims = all_claims(dispatcher, 8);
    ASSERT_FALSE(claims.empty());
    EXPECT_EQ(claims.front(), (Claim{2, 6, 1, true}));
    EXPECT_EQ(dispatcher.longest_running()->rank, 0);
    EXPECT_EQ(dispatcher.longest_running()->unit, 0U);
}

TEST(Dispatcher, SuspectsOfADeadRankGoToTheNextOne) {
    Dispatcher dispatcher({1, 1}, all_of(2), {.ranks = 2, .suspects = {0, 1}});
    dispatcher.ready(0, 0);
    dispatcher.ready(1, 0);
    EXPECT_THAT(all_claims(dispatcher, 0), ElementsAre(Claim{1, 0, 1, true}));
    EXPECT_FALSE(dispatcher.all_run());
    EXPECT_FALSE(dispatcher.died(1, 1));
    EXPECT_EQ(dispatcher.next(1)->rank, 0);
    EXPECT_FALSE(dispatcher.all_run());
}

TEST(Dispatcher, NothingIsPutBehindALongUnitNearTheEnd) {
    Dispatcher dispatcher({10, 2, 1}, all_of(3), {.ranks = 2});
    dispatcher.ready(0, 0);
    dispatcher.ready(1, 0);
    EXPECT_THAT(all_claims(dispatcher, 0), ElementsAre(Claim{0, 0, 1}, Claim{1, 1, 1}));
    dispatcher.finished(1, 1, 2, 2);
    EXPECT_THAT(all_claims(dispatcher, 2), ElementsAre(Claim{1, 2, 1}));
}

TEST(Dispatcher, AFailedUnitIsTriedOnceMoreElsewhereAndThenSetAside) {
    Dispatcher dispatcher({3, 2, 1}, all_of(3), {.ranks = 2});
    dispatcher.ready(0, 0);
    dispatcher.ready(1, 0);
    EXPECT_THAT(all_claims(dispatcher, 0), ElementsAre(Claim{0, 0, 1}, Claim{1, 1, 1}));
    EXPECT_TRUE(dispatcher.failed(0, 0, 1));
    EXPECT_THAT(all_claims(dispatcher, 1), ElementsAre(Claim{0, 2, 1}));  // not unit 0 again on rank 0
    dispatcher.finished(1, 1, 2, 2);
    EXPECT_THAT(all_claims(dispatcher, 2), ElementsAre(Claim{1, 0, 2, false, true}));
    EXPECT_FALSE(dispatcher.failed(1, 0, 3));
    EXPECT_THAT(dispatcher.set_aside(), ElementsAre(0U));
    dispatcher.finished(0, 2, 1, 3);
    EXPECT_TRUE(dispatcher.all_run());
    EXPECT_FALSE(dispatcher.over());
    dispatcher.committed(0, 1);
    dispatcher.committed(1, 1);
    EXPECT_TRUE(dispatcher.over());
    EXPECT_EQ(dispatcher.done(), 2U);
}

TEST(Dispatcher, ARankThatFailsWhatOthersFinishGetsOneAtATime) {
    Dispatcher dispatcher(std::vector<float>(20, 1), all_of(20), {.ranks = 2, .prefetch = false});
    dispatcher.ready(0, 0);
    dispatcher.ready(1, 0);
    EXPECT_THAT(all_claims(dispatcher, 0), ElementsAre(Claim{0, 0, 1}, Claim{1, 1, 1}));
    std::uint64_t unit = 1;
    for (double const now : {0.1, 0.2}) {
        EXPECT_TRUE(dispatcher.failed(1, unit, now));
        auto const next = all_claims(dispatcher, now);
        ASSERT_EQ(next.size(), 1U);
        EXPECT_EQ(next[0].attempt, 1) << "fresh ones only: its own failures are for others";
        unit = next[0].unit;
    }
    EXPECT_TRUE(dispatcher.failed(1, unit, 0.3));
    EXPECT_THAT(all_claims(dispatcher, 0.3), IsEmpty()) << "three failures to explain";

    // The other finishes all three: they were this rank's fault.
    EXPECT_TRUE(dispatcher.take_faulty().empty());
    dispatcher.finished(0, 0, 1, 1);
    double now = 1;
    for (std::uint64_t const failed : {3, 2, 1}) {
        EXPECT_THAT(all_claims(dispatcher, now), ElementsAre(Claim{0, failed, 2, false, true}));
        dispatcher.finished(0, failed, 1, ++now);
    }
    auto const faulty = dispatcher.take_faulty();
    ASSERT_EQ(faulty.size(), 1U);
    EXPECT_EQ(faulty[0].rank, 1);
    EXPECT_EQ(faulty[0].faults, 3);
    // Then one fresh unit for each, and when that fails, too, none until it is explained.
    auto const both = all_claims(dispatcher, now);
    ASSERT_EQ(both.size(), 2U);
    auto const of_faulty = both[0].rank == 1 ? both[0] : both[1];
    EXPECT_TRUE(dispatcher.failed(1, of_faulty.unit, now));
    EXPECT_THAT(all_claims(dispatcher, now), IsEmpty());
    dispatcher.finished(0, (both[0].rank == 0 ? both[0] : both[1]).unit, 1, ++now);
    EXPECT_THAT(all_claims(dispatcher, now), ElementsAre(Claim{0, of_faulty.unit, 2, false, true}));
    dispatcher.finished(0, of_faulty.unit, 1, ++now);
    EXPECT_EQ(all_claims(dispatcher, now).size(), 2U);
}

TEST(Dispatcher, AnotherNodeIsAskedWhereThereIsOne) {
    Dispatcher dispatcher({9, 1, 1, 1, 1, 1}, all_of(6),
                          {.ranks = 3, .prefetch = false, .node_of = {0, 0, 1}});
    for (int rank = 0; rank < 3; ++rank) dispatcher.ready(rank, 0);
    all_claims(dispatcher, 0);  // 0, 1, 2 -> ranks 0, 1, 2
    EXPECT_TRUE(dispatcher.failed(0, 0, 1));
    all_claims(dispatcher, 1);
    dispatcher.finished(1, 1, 1, 2);
    EXPECT_EQ(all_claims(dispatcher, 2).at(0).unit, 4U) << "of the node where it failed";
    dispatcher.finished(2, 2, 1, 4);
    EXPECT_THAT(all_claims(dispatcher, 4), ElementsAre(Claim{2, 0, 2, false, true}));
    EXPECT_FALSE(dispatcher.failed(2, 0, 5));
    EXPECT_THAT(dispatcher.set_aside(), ElementsAre(0U));
}

TEST(Dispatcher, OneSuspectIsRunAtATimeThoughTheQuarantineMoves) {
    Dispatcher dispatcher(std::vector<float>(20, 1), all_of(20),
                          {.ranks = 3, .prefetch = false, .suspects = {7, 8, 9, 10, 11}});
    for (int rank = 0; rank < 3; ++rank) dispatcher.ready(rank, 0);
    EXPECT_THAT(all_claims(dispatcher, 0), ElementsAre(Claim{0, 0, 1}, Claim{1, 1, 1}, Claim{2, 7, 1, true}));
    for (std::uint64_t const suspect : {7, 8, 9}) {
        EXPECT_TRUE(dispatcher.failed(2, suspect, 1));
        auto const next = all_claims(dispatcher, 1);
        EXPECT_EQ(next.size(), suspect == 9 ? 0U : 1U) << "then it waits";
    }
    dispatcher.finished(1, 1, 1, 2);
    EXPECT_THAT(all_claims(dispatcher, 2), ElementsAre(Claim{1, 10, 1, true}));
    dispatcher.finished(0, 0, 1, 2);
    for (std::uint64_t const suspect : {9, 8, 7}) {
        EXPECT_THAT(all_claims(dispatcher, 3), ElementsAre(Claim{0, suspect, 2, false, true}));
        dispatcher.finished(0, suspect, 1, 4);
    }
    auto const next = all_claims(dispatcher, 4);
    auto const of_2 = std::ranges::find(next, 2, &Claim::rank);
    ASSERT_NE(of_2, next.end());
    EXPECT_FALSE(of_2->suspect) << "rank 2 is the quarantine again, but rank 1 still runs a suspect";
    dispatcher.finished(1, 10, 1, 5);
    all_claims(dispatcher, 5);
    dispatcher.finished(2, of_2->unit, 1, 6);
    EXPECT_THAT(all_claims(dispatcher, 6), testing::Contains(Claim{2, 11, 1, true}));
}

TEST(Dispatcher, WhatALongUnitStillTakesIsTold) {
    Dispatcher dispatcher({3600, 1, 1}, all_of(3), {.ranks = 2, .prefetch = false});
    dispatcher.ready(0, 0);
    dispatcher.ready(1, 0);
    all_claims(dispatcher, 0);
    dispatcher.finished(1, 1, 1, 1);
    all_claims(dispatcher, 1);
    dispatcher.finished(1, 2, 1, 2);
    EXPECT_NEAR(dispatcher.left_s(2).value_or(0), 3598, 1);
    EXPECT_NEAR(dispatcher.left_s(1800).value_or(0), 1800, 1);
}

TEST(Dispatcher, TheOnlyRankRetriesItself) {
    Dispatcher dispatcher({1}, all_of(1), {.ranks = 1});
    dispatcher.ready(0, 0);
    EXPECT_THAT(all_claims(dispatcher, 0), ElementsAre(Claim{0, 0, 1}));
    EXPECT_TRUE(dispatcher.failed(0, 0, 1));
    EXPECT_THAT(all_claims(dispatcher, 1), ElementsAre(Claim{0, 0, 2, false, true}));
}

TEST(Dispatcher, AnIdleRankTakesWhatComesBack) {
    Dispatcher dispatcher({2, 1}, all_of(2), {.ranks = 2});
    dispatcher.ready(0, 0);
    dispatcher.ready(1, 0);
    all_claims(dispatcher, 0);
    dispatcher.finished(1, 1, 1, 1);
    EXPECT_THAT(all_claims(dispatcher, 1), IsEmpty());
    EXPECT_TRUE(dispatcher.failed(0, 0, 2));
    EXPECT_THAT(all_claims(dispatcher, 2), ElementsAre(Claim{1, 0, 2, false, true}));
}

TEST(Dispatcher, ADeadRanksUncommittedUnitsRunAgain) {
    Dispatcher dispatcher({4, 3, 2, 1}, all_of(4), {.ranks = 2, .prefetch = false});
    dispatcher.ready(0, 0);
    dispatcher.ready(1, 0);
    all_claims(dispatcher, 0);        // 0 -> rank 0, 1 -> rank 1
    dispatcher.finished(1, 1, 3, 3);  // rank 1 goes on with 2
    all_claims(dispatcher, 3);
    dispatcher.finished(1, 2, 2, 5);  // and with 3
    all_claims(dispatcher, 5);
    dispatcher.committed(1, 1);  // unit 1 is safe
    EXPECT_EQ(dispatcher.died(1, 6), std::nullopt);
    EXPECT_EQ(dispatcher.done(), 1U);
    dispatcher.finished(0, 0, 4, 7);
    EXPECT_THAT(all_claims(dispatcher, 7), ElementsAre(Claim{0, 2, 1}));  // not charged: it had been finished
    dispatcher.finished(0, 2, 2, 9);
    EXPECT_THAT(all_claims(dispatcher, 9),
                ElementsAre(Claim{0, 3, 2, false, true}));  // charged: it was running
    dispatcher.finished(0, 3, 1, 10);
    EXPECT_TRUE(dispatcher.all_run());
    dispatcher.committed(0, 3);
    EXPECT_TRUE(dispatcher.over());
}

TEST(Dispatcher, WhatIsKnownOfADeadRankDecidesWhatRunsAgain) {
    Dispatcher dispatcher({5, 4, 3, 2, 1}, all_of(5), {.ranks = 2, .prefetch = false});
    dispatcher.ready(0, 0);
    dispatcher.ready(1, 0);
    all_claims(dispatcher, 0);  // 0 -> rank 0, 1 -> rank 1
    dispatcher.finished(1, 1, 4, 4);
    all_claims(dispatcher, 4);  // 2 -> rank 1
    dispatcher.finished(1, 2, 3, 7);
    all_claims(dispatcher, 7);  // 3 -> rank 1, which dies between two units; its commit of 1 was not heard of
    EXPECT_EQ(dispatcher.died(1, 8, std::nullopt, [](std::uint64_t unit) { return unit == 1; }),
              std::nullopt);
    EXPECT_EQ(dispatcher.done(), 1U);
    std::uint64_t running = 0;
    for (double const now : {9.0, 10.0, 11.0, 12.0}) {
        dispatcher.finished(0, running, 1, now);
        auto const next = all_claims(dispatcher, now);
        if (next.empty()) break;
        ASSERT_EQ(next.size(), 1U);
        EXPECT_EQ(next[0].attempt, 1) << "no unit is charged";
        EXPECT_NE(next[0].unit, 1U) << "it is on disk";
        running = next[0].unit;
    }
    EXPECT_TRUE(dispatcher.all_run());
    EXPECT_EQ(dispatcher.done(), 5U);
}

TEST(Dispatcher, AUnitThatKillsTwoRanksIsSetAside) {
    Dispatcher dispatcher({1}, all_of(1), {.ranks = 3});
    for (int rank = 0; rank < 3; ++rank) dispatcher.ready(rank, 0);
    EXPECT_THAT(all_claims(dispatcher, 0), ElementsAre(Claim{0, 0, 1}));
    EXPECT_EQ(dispatcher.died(0, 1), std::nullopt);
    auto const second = all_claims(dispatcher, 1);
    ASSERT_EQ(second.size(), 1U);
    EXPECT_EQ(dispatcher.died(second[0].rank, 2), std::optional<std::uint64_t>(0));
    EXPECT_TRUE(dispatcher.over());
    EXPECT_EQ(dispatcher.ranks_alive(), 1);
}

TEST(Dispatcher, StopHandsOutNothingMore) {
    Dispatcher dispatcher({1, 1, 1, 1}, all_of(4), {.ranks = 1});
    dispatcher.ready(0, 0);
    all_claims(dispatcher, 0);
    dispatcher.finished(0, 0, 1, 1);
    EXPECT_THAT(all_claims(dispatcher, 1), ElementsAre(Claim{0, 1, 1}, Claim{0, 2, 1}));
    dispatcher.stop();
    dispatcher.finished(0, 1, 1, 2);
    EXPECT_THAT(all_claims(dispatcher, 2), IsEmpty());
    EXPECT_FALSE(dispatcher.all_run());  // it still holds its next one
    dispatcher.left(0);
    EXPECT_TRUE(dispatcher.over());
}

TEST(Dispatcher, ResumesFromWhatIsLeft) {
    Dispatcher dispatcher({1, 2, 3, 4}, {2, 0}, {.ranks = 1, .prefetch = false});
    dispatcher.ready(0, 0);
    EXPECT_THAT(all_claims(dispatcher, 0), ElementsAre(Claim{0, 2, 1}));
    dispatcher.finished(0, 2, 1, 1);
    EXPECT_THAT(all_claims(dispatcher, 1), ElementsAre(Claim{0, 0, 1}));
}

TEST(Dispatcher, NothingToDoIsOverAtOnce) {
    Dispatcher const dispatcher({1, 2}, {}, {.ranks = 4});
    EXPECT_TRUE(dispatcher.over());
}

TEST(Dispatcher, RefusesNonsense) {
    EXPECT_THROW(Dispatcher({1, 0}, all_of(2), {}), Error);
    EXPECT_THROW(Dispatcher({1}, {1}, {}), Error);
    EXPECT_THROW(Dispatcher({1, 1}, {1, 1}, {}), Error);
}

TEST(Dispatcher, PredictsTheTimeLeft) {
    Dispatcher dispatcher(std::vector<float>(10, 1), all_of(10), {.ranks = 2});
    dispatcher.ready(0, 0);
    dispatcher.ready(1, 0);
    all_claims(dispatcher, 0);
    EXPECT_EQ(dispatcher.left_s(0), std::nullopt);
    dispatcher.finished(0, 0, 2, 2);
    all_claims(dispatcher, 2);
    ASSERT_TRUE(dispatcher.left_s(2).has_value());
    EXPECT_NEAR(*dispatcher.left_s(2), 8, 0.2);  // 8 units of 2 s on two ranks, one is about to end
}

}  // namespace
}  // namespace mpira::schedule
