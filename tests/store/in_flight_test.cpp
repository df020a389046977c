#include "mpira/store/in_flight.hpp"

#include <csignal>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/scratch_folder.hpp"

namespace mpira::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

RankFlight computing(std::uint64_t unit, bool suspect = false) {
    RankFlight flight;
    flight.host = "node1";
    flight.unit = unit;
    flight.suspect = suspect;
    return flight;
}

RankFlight idle() {
    RankFlight flight;
    flight.host = "node1";
    return flight;
}

RankFlight ended(RankFlight flight, EndKind how, std::int64_t at_ms, int signal = 0) {
    flight.end = how;
    flight.ended_ms = at_ms;
    flight.signal = signal;
    return flight;
}

TEST(InFlight, SaysWhatEachRankDidLast) {
    test::ScratchFolder const folder;
    auto const result = folder.path() / "a.h5ad";
    EXPECT_FALSE(read_flight(result));
    create_flight(result, 3);
    FlightSlot first(result, 0, "node1");
    FlightSlot second(result, 2, "node2");
    first.begin(7, false);
    second.begin(8, true);
    first.end();
    second.note(EndKind::stopped, SIGTERM);
    second.note(EndKind::fatal, SIGSEGV);  // the first word counts
    auto report = read_flight(result);
    ASSERT_TRUE(report);
    ASSERT_EQ(report->ranks.size(), 3U);
    EXPECT_EQ(report->ranks[0].host, "node1");
    EXPECT_FALSE(report->ranks[0].unit);
    EXPECT_EQ(report->ranks[0].end, EndKind::none);
    EXPECT_EQ(report->ranks[2].host, "node2");
    EXPECT_EQ(report->ranks[2].unit, 8U);
    EXPECT_TRUE(report->ranks[2].suspect);
    EXPECT_EQ(report->ranks[2].end, EndKind::stopped);
    EXPECT_EQ(report->ranks[2].signal, SIGTERM);
    EXPECT_GT(report->ranks[2].ended_ms, 1'700'000'000'000);
    first.accuse(2, 8, true, true);
    EXPECT_EQ(read_flight(result)->ranks[2].end, EndKind::hung);

    // A later start has a file of its own: an old rank that still lives does not write into it.
    create_flight(result, 1);
    second.begin(9, false);
    first.begin(9, false);
    report = read_flight(result);
    ASSERT_EQ(report->ranks.size(), 1U);
    EXPECT_FALSE(report->ranks[0].unit);
    remove_flight(result);
    remove_flight(result);
    EXPECT_FALSE(read_flight(result));
}

TEST(InFlight, AnAccusationSaysWhichUnit) {
    test::ScratchFolder const folder;
    auto const result = folder.path() / "a.h5ad";
    create_flight(result, 1);
    FlightSlot slot(result, 0, "node1");
    slot.begin(7, true);
    slot.accuse(0, 7, true, true);
    slot.end();  // it heeds its stop token, but that was asked for
    auto const dropped = read_flight(result);
    EXPECT_EQ(dropped->ranks[0].unit, 7U);
    EXPECT_TRUE(dropped->ranks[0].suspect);
    EXPECT_EQ(judge(*dropped).charged, 7U);

    // Stuck between two units: not the fault of the one before.
    slot.begin(7, false);
    slot.accuse(0, 8, false, false);
    EXPECT_FALSE(judge(*read_flight(result)).charged);
    slot.begin(8, false);  // seen late
    EXPECT_EQ(judge(*read_flight(result)).charged, 8U);
}

TEST(InFlight, ADamagedPartCountsAsNotWritten) {
    test::ScratchFolder const folder;
    auto const result = folder.path() / "a.h5ad";
    create_flight(result, 1);
    {
        FlightSlot slot(result, 0, "node1");
        slot.begin(7, false);
        slot.note(EndKind::fatal, SIGSEGV);
    }
    auto const damage = [&](std::streamoff at) {
        std::fstream file(flight_file(result), std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(at);
        file.put('\x7f');
    };
    damage(128 + 8);  // the unit
    EXPECT_FALSE(read_flight(result)->ranks[0].unit);
    EXPECT_EQ(read_flight(result)->ranks[0].end, EndKind::fatal);
    damage(128 + 64 + 8);  // the end
    EXPECT_EQ(read_flight(result)->ranks[0].end, EndKind::none);
    std::filesystem::resize_file(flight_file(result), 200);
    EXPECT_FALSE(read_flight(result));
    std::filesystem::resize_file(flight_file(result), 0);
    EXPECT_FALSE(read_flight(result));
}

TEST(Judge, ChargesTheUnitOfTheRankThatDiedFirst) {
    auto const blamed = judge({{ended(computing(1), EndKind::fatal, 2000, SIGABRT),
                                ended(computing(2), EndKind::fatal, 1000, SIGSEGV),
                                ended(computing(3), EndKind::stopped, 900, SIGTERM), computing(4)}});
    EXPECT_EQ(blamed.charged, 2U);
    EXPECT_THAT(blamed.suspects, IsEmpty());
    EXPECT_THAT(blamed.seen, IsEmpty());
    EXPECT_THAT(blamed.cause, HasSubstr("rank 1 on node1: Segmentation fault (signal 11) in unit 2"));
}

TEST(Judge, ChargesAUnitThatHungAndNoneOutsideOfUnits) {
    EXPECT_EQ(judge({{ended(computing(5), EndKind::hung, 10), computing(6)}}).charged, 5U);
    EXPECT_FALSE(judge({{ended(idle(), EndKind::hung, 10), computing(6)}}).charged);
    EXPECT_FALSE(judge({{ended(idle(), EndKind::fatal, 10, SIGSEGV), computing(6)}}).charged);
    auto const threw =
        judge({{ended(computing(5), EndKind::threw, 10), ended(computing(6), EndKind::fatal, 11)}});
    EXPECT_FALSE(threw.charged);  // unit 6 fell with the job
    EXPECT_THAT(threw.suspects, IsEmpty());
}

TEST(Judge, ASignalThatAsksToEndChargesNobody) {
    auto const limit = judge({{ended(computing(1), EndKind::stopped, 1, SIGTERM),
                               ended(computing(2), EndKind::stopped, 2, SIGUSR1)}});
    EXPECT_FALSE(limit.charged);
    EXPECT_THAT(limit.suspects, IsEmpty());
    EXPECT_TRUE(limit.stopped);
}

TEST(Judge, ARankThatVanishedAloneMakesItsUnitASuspect) {
    auto const others = ended(computing(1), EndKind::stopped, 5, SIGTERM);
    auto const first = judge({{others, computing(2), others}});
    EXPECT_FALSE(first.charged);
    EXPECT_THAT(first.suspects, ElementsAre(2));
    EXPECT_THAT(first.seen, IsEmpty());
    EXPECT_EQ(judge({{others, computing(2, true), others}}).charged, 2U);  // in quarantine
    EXPECT_THAT(judge({{computing(2)}}).suspects, ElementsAre(2));         // the only rank
}

TEST(Judge, OfRanksThatVanishedTogetherOnlyTheQuarantinedUnitIsCharged) {
    auto const some =
        judge({{computing(1), ended(computing(2), EndKind::stopped, 5, SIGTERM), computing(3, true)}});
    EXPECT_EQ(some.charged, 3U);
    EXPECT_THAT(some.seen, ElementsAre(1));
    EXPECT_THAT(some.suspects, IsEmpty());
    EXPECT_THAT(some.cause, HasSubstr("2 of 3 ranks"));
}

TEST(Judge, WhereEveryRankVanishedNobodyIsChargedUnlessOneUnitOnlyWasAtWork) {
    auto const all = judge({{computing(1), computing(2), idle(), computing(3, true)}});
    EXPECT_FALSE(all.charged);
    EXPECT_THAT(all.seen, ElementsAre(1, 2, 3));
    EXPECT_THAT(all.suspects, IsEmpty());
    EXPECT_THAT(all.cause, HasSubstr("4 of 4 ranks"));
    EXPECT_EQ(judge({{idle(), computing(3, true)}}).charged, 3U);
    EXPECT_EQ(judge({{computing(3, true), computing(3)}}).charged, 3U);  // a group at one unit
    EXPECT_EQ(judge({{computing(3, true)}}).charged, 3U);
}

TEST(Judge, AGroupThatVanishedNamesItsUnitOnce) {
    EXPECT_THAT(judge({{computing(4), computing(4), computing(2), computing(2)}}).seen, ElementsAre(2, 4));
    EXPECT_THAT(judge({{computing(4), computing(4)}}).seen, ElementsAre(4));
}

TEST(Judge, ThoseThatHelpWithAUnitSpeakForIt) {
    auto const leader = ended(computing(4, true), EndKind::stopped, 5, SIGTERM);
    EXPECT_EQ(judge({{leader, computing(4)}}).charged, 4U);  // the other one vanished, in quarantine
    RankFlight const never_there;
    EXPECT_TRUE(judge({{leader, never_there}}).stopped);
}

TEST(Judge, RanksThatHadLeftChargeNobody) {
    auto const left = ended(idle(), EndKind::left, 5);
    EXPECT_FALSE(judge({{left, left}}).charged);
    EXPECT_FALSE(judge({{left, left}}).stopped);
    EXPECT_FALSE(judge({{}}).charged);
}

}  // namespace
}  // namespace mpira::store
