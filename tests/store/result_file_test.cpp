#include "mpira/store/result_file.hpp"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mpira/store/inspect.hpp"
#include "mpira/store/owner.hpp"

#include "store/faulty_io.hpp"
#include "store/power_cut.hpp"
#include "store/result_file_fixture.hpp"

namespace mpira::store {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(ResultFileTest, KeepsCommittedRowsAcrossReopening) {
    create();
    {
        auto opened = open();
        sample::commit_units(opened, layout, {5, 0, 1, 3});  // adjacent ones merged, the last unit is shorter
        EXPECT_THAT(opened.states(), ElementsAre(UnitState::done, UnitState::done, UnitState::open,
                                                 UnitState::done, UnitState::open, UnitState::done));
    }
    auto opened = open();
    EXPECT_THAT(opened.states(), ElementsAre(UnitState::done, UnitState::done, UnitState::open,
                                             UnitState::done, UnitState::open, UnitState::done));
    for (std::uint64_t const unit : {0, 1, 3, 5}) expect_rows(unit);
    auto const row = opened.journal(3);
    EXPECT_EQ(row.attempt, 1);
    EXPECT_EQ(row.seconds, 0.25);
    EXPECT_EQ(row.machine, "node1 Test");
    EXPECT_THAT(opened.check_rows(CheckRows::all), IsEmpty());
    auto const done = AnnDataReader(file).integers("obs/done");
    for (std::uint64_t i = 0; i < layout.rows; ++i)
        EXPECT_EQ(done[i], opened.states()[i / layout.rows_per_unit] == UnitState::done ? 1 : 0) << i;
}

TEST_F(ResultFileTest, WritesRowsSyncsJournalSyncs) {
    create();
    FaultyIo io;
    auto opened = open(&io);
    sample::commit_units(opened, layout, {2, 3});
    // One write an array for the two adjacent units, then obs/done and the two journal rows.
    EXPECT_EQ(io.protocol, std::string(layout.row_arrays.size(), 'w') + "s" + "ww" + "s");
}

TEST_F(ResultFileTest, GoesOnAfterShortAndInterruptedWrites) {
    create();
    FaultyIo io;
    io.longest_write = 7;
    io.interrupted_writes = 3;
    auto opened = open(&io);
    sample::commit_units(opened, layout, sample::all_units(layout));
    for (std::uint64_t unit = 0; unit < layout.units(); ++unit) expect_rows(unit);
    EXPECT_TRUE(verify(file).good());
}

TEST_F(ResultFileTest, RewritesRowsAfterAFailedSync) {
    create();
    FaultyIo io;
    io.failing_syncs = 1;
    io.failed_sync_forgets = true;  // as Linux does with pages whose write-back failed
    auto opened = open(&io);
    sample::commit_units(opened, layout, {1, 4});
    expect_rows(1);
    expect_rows(4);
    EXPECT_TRUE(verify(file).good());
}

TEST_F(ResultFileTest, EndsAfterASecondFailedSync) {
    create();
    FaultyIo io;
    io.failing_syncs = 2;
    auto opened = open(&io);
    auto const message = message_of(Origin::system, [&] { sample::commit_units(opened, layout, {1}); });
    EXPECT_THAT(message, AllOf(HasSubstr("out.h5ad"), HasSubstr("twice")));
    EXPECT_EQ(opened.states()[1], UnitState::open);
    EXPECT_EQ(open().states()[1], UnitState::open);
}

TEST_F(ResultFileTest, NamesAFullDisk) {
    create();
    FaultyIo io;
    io.bytes_left = 50;
    auto opened = open(&io);
    auto const message = message_of(Origin::system, [&] { sample::commit_units(opened, layout, {1}); });
    EXPECT_THAT(message, AllOf(HasSubstr("out.h5ad"), HasSubstr("No space left"), HasSubstr("resume")));
    EXPECT_EQ(open().states()[1], UnitState::open);
}

TEST_F(ResultFileTest, JournalsRunningAndFailedUnits) {
    create();
    auto opened = open();
    opened.mark_running(2, sample::report(2));
    opened.record_failure(3, sample::report(2),
                          "sequence element_12 has no \xC3\xA4 window of complete rows at all");
    auto const again = open();
    EXPECT_EQ(again.states()[2], UnitState::running);
    EXPECT_EQ(again.journal(2).attempt, 2);
    EXPECT_EQ(again.states()[3], UnitState::failed);
    EXPECT_THAT(again.journal(3).error, testing::StartsWith("sequence element_12 has no"));
    opened.reload_states();
    EXPECT_EQ(opened.states()[3], UnitState::failed);
}

TEST_F(ResultFileTest, WhatAnotherRunHasCommittedStaysDone) {
    create();
    auto old = open();
    auto taker = open();
    sample::commit_units(taker, layout, {1, 2});
    old.mark_running(1, sample::report());  // a rank that was taken for dead wakes up
    old.record_failure(2, sample::report(), "no memory");
    EXPECT_EQ(open().states()[1], UnitState::done);
    EXPECT_EQ(open().states()[2], UnitState::done);
}

TEST_F(ResultFileTest, KeepsWholeErrorTextsUntilTheirUnitsAreDone) {
    layout = sample::layout(800, 4);  // 200 units, more than slots
    create();
    auto opened = open();
    std::string const text =
        "element_12: no window of complete rows lies on its chromosome; widen sites.max_span_bp, now "
        "5,000,000";
    opened.record_failure(3, sample::report(), text + " (first)");
    opened.record_failure(3, sample::report(2), text);
    opened.record_failure(5, sample::report(2), std::string(3000, 'e'));
    opened.record_failure(5 + kMostErrorSlots, sample::report(2), text + " at last");
    auto const found = store::status(file).first_errors;
    ASSERT_EQ(found.size(), 3U);
    EXPECT_EQ(found[0].error, text);
    EXPECT_FALSE(found[0].cut);
    EXPECT_EQ(found[1].error, std::string(kErrorBytes, 'e'));  // its slot went to another unit
    EXPECT_TRUE(found[1].cut);
    EXPECT_EQ(found[2].error, text + " at last");
    auto const slots = *AnnDataReader(file).info("uns/mpira/errors").offset;
    sample::damage(file, slots + 3 * kErrorSlotBytes + 40);  // torn
    EXPECT_EQ(store::status(file).first_errors[0].error, text.substr(0, kErrorBytes));
    EXPECT_TRUE(store::status(file).first_errors[0].cut);

    sample::commit_units(opened, layout, sample::all_units(layout));
    opened.finish([&](FinishedRows& rows) { sample::fill(rows, layout); });
    auto const bytes = sample::bytes_of(file).substr(slots, kMostErrorSlots * kErrorSlotBytes);
    EXPECT_EQ(bytes.find_first_not_of('\0'), std::string::npos);
}

TEST_F(ResultFileTest, FinishesWithBytesThatDependOnTheCampaignAlone) {
    auto const run = [&](std::filesystem::path const& path,
                         std::vector<std::vector<std::uint64_t>> const& order, bool reserve) {
        ResultFile::create(path, layout, sample::tables(layout), {.reserve = reserve});
        auto const owner = Owner::claim(path, "test", 0);
        for (auto const& units : order) {
            auto opened = ResultFile::open(path, layout);
            sample::commit_units(opened, layout, units);
        }
        auto opened = ResultFile::open(path, layout);
        opened.finish([&](FinishedRows& rows) { sample::fill(rows, layout); });
        opened.finish([&](FinishedRows& rows) { sample::fill(rows, layout); });  // repeatable
        EXPECT_TRUE(opened.finished());
    };
    run(folder / "a", {{0, 1, 2, 3, 4, 5}}, true);
    run(folder / "b", {{5, 2}, {0}, {4, 1, 3}}, false);
    auto a = sample::bytes_of(folder / "a");
    auto b = sample::bytes_of(folder / "b");
    auto const journal = *AnnDataReader(folder / "a").info("uns/mpira/journal").offset;
    ASSERT_EQ(a.size(), b.size());
    a.erase(journal, layout.units() * kJournalRowBytes);
    b.erase(journal, layout.units() * kJournalRowBytes);
    EXPECT_TRUE(a == b);  // not EXPECT_EQ: nobody wants to see the bytes
    AnnDataReader const reader(folder / "a");
    EXPECT_THAT(reader.array<float>("varm/largest").values(), ElementsAre(1, 2, 3));
    EXPECT_THAT(reader.array<float>("varm/weights").values(),
                ElementsAre(0.5F, 1.5F, 2.5F, 3.5F, 4.5F, 5.5F));
    EXPECT_EQ(reader.numbers("uns/sums")[1], 23);
}

TEST_F(ResultFileTest, FinishNeedsEveryUnit) {
    create();
    auto opened = open();
    sample::commit_units(opened, layout, {0, 1, 2, 3, 4});
    message_of(Origin::internal, [&] { opened.finish([](FinishedRows&) {}); });
    EXPECT_FALSE(opened.finished());
}

/// Power cuts at any moment, with what was not synced dropped, reordered or torn, in the first run and in up
/// to three that resume it: what commit() returned for is there, and the campaign comes to its end.
TEST_F(ResultFileTest, LosesNoCommittedUnitInAPowerCut) {
    layout = sample::layout(230, 4);
    std::uint32_t const crashes = crash_seeds(120);
    std::uint64_t acknowledged = 0;
    std::uint64_t cuts = 0;
    FaultyIo no_syncs;
    for (std::uint32_t seed = 0; seed < crashes; ++seed) {
        SCOPED_TRACE(seed);
        create({.reserve = false, .overwrite = seed > 0, .io = &no_syncs});
        std::set<std::uint64_t> committed;
        Draws draws(seed, Stream::tests, 1);
        auto const run = [&](FileIo& io) {
            auto opened = open(&io);
            for (std::uint64_t const unit : committed)
                ASSERT_EQ(opened.states()[unit], UnitState::done) << unit;
            ASSERT_THAT(opened.check_rows(CheckRows::all), IsEmpty());
            std::vector<std::uint64_t> batch;
            for (std::uint64_t unit = 0; unit < layout.units(); ++unit) {
                if (opened.states()[unit] == UnitState::done) continue;
                if (draws.below(8) == 0)
                    opened.set_blame(unit, {.charges = 1, .suspicion = Blame::seen}, "died");
                opened.mark_running(unit, sample::report());
                if (draws.below(8) == 0) opened.record_failure(unit, sample::report(), "failed at first");
                batch.push_back(unit);
                if (draws.below(6) > 0 && unit + 1 < layout.units()) continue;
                sample::commit_units(opened, layout, batch);
                committed.insert(batch.begin(), batch.end());
                batch.clear();
            }
            if (!batch.empty()) sample::commit_units(opened, layout, batch);
            opened.finish([&](FinishedRows& rows) { sample::fill(rows, layout); });
        };
        bool whole = false;
        for (std::uint32_t start = 0; start < 4 && !whole; ++start) {
            try {
                CrashingIo io(4 * seed + start, 1 + static_cast<int>(draws.below(150)));
                run(io);
                whole = true;
            } catch (CrashingIo::PowerCut const&) {
                ++cuts;
            }
            ASSERT_FALSE(HasFatalFailure());
        }
        acknowledged += committed.size();
        run(no_syncs);
        auto const verdict = verify(file);
        ASSERT_TRUE(verdict.good() && verdict.checked == layout.units());
        ASSERT_TRUE(open().finished());
    }
    EXPECT_GT(acknowledged, crashes);
    EXPECT_GT(cuts, crashes);
}

}  // namespace
}  // namespace mpira::store
