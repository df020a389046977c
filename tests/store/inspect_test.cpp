#include "mpira/store/inspect.hpp"

#include <chrono>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mpira/base/error.hpp"
#include "mpira/store/anndata_reader.hpp"

#include "store/sample.hpp"

namespace mpira::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class InspectTest : public testing::Test {
protected:
    void SetUp() override { ResultFile::create(file, layout, sample::tables(layout)); }
    template <typename Body>
    static std::string refusal(Body const& body) {
        try {
            body();
        } catch (Error const& error) {
            EXPECT_EQ(static_cast<int>(error.origin()), static_cast<int>(Origin::usage));
            return error.what();
        }
        return "";
    }
    sample::Folder folder;
    std::filesystem::path file = folder / "out.h5ad";
    std::filesystem::path copy = folder / "sealed.h5ad";
    ResultLayout layout = sample::layout();
};

TEST_F(InspectTest, TellsWhenEachUnitWasFinished) {
    EXPECT_TRUE(unit_times(file).units.empty());
    auto opened = ResultFile::open(file, layout);
    sample::commit_units(opened, layout, {5, 2});
    opened.record_failure(3, sample::report(2), "no window");
    auto const later = opened.journal(5).finished_ms + 1;
    while (std::chrono::system_clock::now() <
           std::chrono::system_clock::time_point(std::chrono::milliseconds(later)))
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    sample::commit_units(opened, layout, {0});
    auto const times = unit_times(file);
    ASSERT_EQ(times.units.size(), 3U);  // failed and open ones have none
    EXPECT_EQ(times.units[0].unit, 2U);
    EXPECT_EQ(times.units[1].unit, 5U);
    EXPECT_EQ(times.units[2].unit, 0U);
    EXPECT_GT(times.units[2].finished_ms, times.units[1].finished_ms);
    for (auto const& unit : times.units) {
        auto const row = opened.journal(unit.unit);
        EXPECT_EQ(unit.finished_ms, row.finished_ms);
        EXPECT_EQ(unit.seconds, row.seconds);
        EXPECT_EQ(unit.attempt, row.attempt);
        EXPECT_EQ(times.machines.at(unit.machine), row.machine);
    }
}

TEST_F(InspectTest, TellsHowFarItIs) {
    auto const owner = Owner::claim(file, "test", 0);
    auto opened = ResultFile::open(file, layout);
    sample::commit_units(opened, layout, {0, 5, 1});
    opened.mark_running(2, sample::report());
    opened.record_failure(3, sample::report(2), "no window");
    sample::damage(file, *AnnDataReader(file).info("uns/mpira/journal").offset + kJournalRowBytes + 20);
    auto const found = store::status(file);
    EXPECT_EQ(found.job, "sample");
    EXPECT_EQ(found.rows, 23U);
    EXPECT_EQ(found.units, 6U);
    EXPECT_EQ(found.done, 2U);
    EXPECT_EQ(found.rows_done, 7U);  // unit 5 has three rows
    EXPECT_EQ(found.failed, 1U);
    EXPECT_EQ(found.running, 1U);
    EXPECT_EQ(found.torn, 1U);
    EXPECT_EQ(found.left(), 3U);
    EXPECT_FALSE(found.finished);
    EXPECT_TRUE(found.owner_alive);
    ASSERT_EQ(found.machines.size(), 1U);
    EXPECT_EQ(found.machines[0].units, 2U);
    EXPECT_EQ(found.machines[0].seconds, 0.5);
    ASSERT_EQ(found.first_errors.size(), 1U);
    EXPECT_EQ(found.first_errors[0].error, "no window");
    EXPECT_EQ(found.first_errors[0].first_row, 12U);
    EXPECT_EQ(found.identity, layout.identity);
}

TEST_F(InspectTest, UnitsOfADeadRunAreLeft) {
    auto opened = ResultFile::open(file, layout);
    opened.mark_running(2, sample::report());
    EXPECT_EQ(store::status(file).running, 0U);
    EXPECT_EQ(store::status(file).left(), 6U);
}

TEST_F(InspectTest, RateKnowsTheTimeOfTheFirstCommitAndNoGaps) {
    auto const journal = *AnnDataReader(file).info("uns/mpira/journal").offset;
    auto const write = [&](std::uint64_t unit, std::int64_t finished_ms) {
        JournalRow row;
        row.unit = unit;
        row.state = UnitState::done;
        row.seconds = 5;
        row.finished_ms = finished_ms;
        row.machine = "node1 CPU";
        auto const bytes = encode(row);
        write_all(system_io(), open_existing(file, true).get(), bytes, journal + unit * kJournalRowBytes,
                  file);
    };
    write(0, 5'000);
    EXPECT_FALSE(store::status(file).units_per_s);
    write(1, 5'020);  // two ranks, a unit of 5 s each, all but at once
    EXPECT_NEAR(store::status(file).units_per_s.value(), 2 / 5.02, 1e-9);
    write(2, 10'000);
    write(3, 10'040);
    EXPECT_NEAR(store::status(file).units_per_s.value(), 4 / 10.04, 1e-9);
    write(4, 5'000'000);  // another day
    write(5, 5'000'030);
    EXPECT_NEAR(store::status(file).units_per_s.value(), 6 / 15.07, 1e-9);
}

TEST_F(InspectTest, FindsDamage) {
    auto opened = ResultFile::open(file, layout);
    sample::commit_units(opened, layout, sample::all_units(layout));
    EXPECT_TRUE(verify(file).good());
    EXPECT_EQ(verify(file).checked, 6U);
    AnnDataReader const reader(file);
    sample::damage(file, *reader.info("obsm/codes").offset + 4 * 7 * 2);                    // unit 2
    sample::damage(file, *reader.info("obs/done").offset + 4 * 4 + 1);                      // unit 4
    sample::damage(file, *reader.info("uns/mpira/journal").offset + 3 * kJournalRowBytes);  // unit 3
    auto const verdict = verify(file);
    EXPECT_THAT(verdict.bad, ElementsAre(2));
    EXPECT_THAT(verdict.torn, ElementsAre(3));
    EXPECT_THAT(verdict.unmarked, ElementsAre(4));
    EXPECT_THAT(refusal([&] { seal(file, copy, {.partial = true}); }), HasSubstr("unit 2"));
    EXPECT_FALSE(std::filesystem::exists(copy));
}

TEST_F(InspectTest, FindsDamageOfNamesSettingsAndFixedArrays) {
    auto opened = ResultFile::open(file, layout);
    auto const place_of = [&](char const* path) { return *AnnDataReader(file).info(path).offset; };
    auto const expect_seen = [&](std::uint64_t offset, char const* what) {
        EXPECT_EQ(verify(file).tables, true) << what;
        sample::damage(file, offset);
        EXPECT_EQ(verify(file).tables, false) << what;
        EXPECT_FALSE(verify(file).good());
        EXPECT_THAT(refusal([&] { seal(file, copy, {.partial = true}); }), HasSubstr("checksum"));
        sample::damage(file, offset);  // and back
    };
    auto const place_of_text = [&](std::string_view text) {
        auto const at = sample::bytes_of(file).find(text);
        EXPECT_NE(at, std::string::npos);
        return at;
    };
    expect_seen(place_of("varm/weights") + 5, "a fixed array");
    expect_seen(place_of("obs/start") + 9, "a column");
    expect_seen(place_of_text("element_7"), "a name");
    expect_seen(place_of_text("library"), "a setting");
    expect_seen(place_of("uns/mpira/checks") + 2, "the checksum itself");

    // Nothing that a campaign writes is covered by it, whatever state the campaign is in.
    auto owner = Owner::claim(file, "test", 0);
    opened.mark_running(2, sample::report());
    opened.record_failure(3, sample::report(2), "no window");
    sample::commit_units(opened, layout, {0, 1});
    sample::damage(file, place_of("varm/largest") + 2);  // finish() has not written it yet
    EXPECT_EQ(verify(file).tables, true);
    sample::commit_units(opened, layout, {2, 3, 4, 5});
    opened.finish([&](FinishedRows& rows) { sample::fill(rows, layout); });
    owner.release();
    expect_seen(place_of("varm/largest") + 2, "an array of finish()");
    expect_seen(place_of("varm/weights") + 2, "a fixed array of a finished file");

    seal(file, copy);
    EXPECT_EQ(verify(copy).tables, true);
    file = copy;
    auto const at = place_of_text("element_7");
    sample::damage(file, at);
    EXPECT_EQ(verify(file).tables, false);
    sample::damage(file, at);
    EXPECT_EQ(verify(file).tables, true);
    EXPECT_THAT(refusal([&] { seal(copy, folder / "twice"); }), HasSubstr("sealed already"));
}

TEST_F(InspectTest, SealsAFinishedFile) {
    layout = sample::layout(5000, 7);
    ResultFile::create(file, layout, sample::tables(layout), {.overwrite = true});
    auto opened = ResultFile::open(file, layout);
    sample::commit_units(opened, layout, sample::all_units(layout));
    EXPECT_THAT(refusal([&] { seal(file, copy); }), HasSubstr("715 of 715 units done"));
    opened.finish([&](FinishedRows& rows) { sample::fill(rows, layout); });
    seal(file, copy);
    EXPECT_LT(std::filesystem::file_size(copy), std::filesystem::file_size(file));
    EXPECT_TRUE(verify(copy).good());
    EXPECT_EQ(verify(copy).checked, layout.units());
    auto const found = store::status(copy);
    EXPECT_TRUE(found.sealed);
    EXPECT_TRUE(found.finished);
    AnnDataReader const before(file);
    AnnDataReader const after(copy);
    for (char const* const path :
         {"X", "obs/count", "obs/mean", "obs/flag", "layers/sd", "obsm/raw", "obsm/brain", "obsm/codes",
          "obsm/places", "varm/weights", "varm/largest", "var/total", "uns/sums"})
        EXPECT_EQ(before.numbers(path), after.numbers(path)) << path;
    EXPECT_EQ(before.index("obs"), after.index("obs"));
    EXPECT_EQ(before.columns("obs"), after.columns("obs"));
    EXPECT_EQ(before.strings("obs/group"), after.strings("obs/group"));
    EXPECT_FALSE(after.contains("uns/mpira/owner"));
    EXPECT_THAT(refusal([&] { seal(file, copy); }), HasSubstr("exists"));
    sample::damage(file, *before.info("uns/mpira/journal").offset + 3 * kJournalRowBytes + 20);
    auto const other = folder / "other.h5ad";
    EXPECT_THAT(refusal([&] { seal(file, other); }), HasSubstr("714 of 715 units done, not unit 3"));
    EXPECT_FALSE(std::filesystem::exists(other));
    EXPECT_FALSE(store::status(file).finished);
    seal(file, other, {.partial = true});
    EXPECT_EQ(verify(other).checked, 714U);
    EXPECT_FALSE(store::status(other).finished);
    EXPECT_THAT(refusal([&] { ResultFile::open(copy, layout); }), HasSubstr("sealed"));
    EXPECT_THAT(refusal([&] { seal(copy, folder / "twice"); }), HasSubstr("sealed already"));
    sample::damage(copy, std::filesystem::file_size(copy) / 10 * 9);
    bool noticed = false;
    try {
        noticed = !verify(copy).good();
    } catch (Error const& error) {  // or HDF5 can't unpack it
        noticed = error.origin() == Origin::usage;
    }
    EXPECT_TRUE(noticed);
}

TEST_F(InspectTest, SealsAPartialFileOnlyWhenToldAndWithoutHalfWrittenRows) {
    auto opened = ResultFile::open(file, layout);
    sample::commit_units(opened, layout, {0, 2});
    EXPECT_THAT(refusal([&] { seal(file, copy); }), HasSubstr("2 of 6 units done"));
    sample::damage(file, *AnnDataReader(file).info("obsm/codes").offset + 4 * 7 * 3);  // unit 3: open
    seal(file, copy, {.partial = true});
    EXPECT_EQ(verify(copy).checked, 2U);
    auto const codes = AnnDataReader(copy).integers("obsm/codes");
    for (std::size_t i = 4 * 7 * 3; i < 4 * 7 * 4; ++i) EXPECT_EQ(codes[i], 0);
    EXPECT_EQ(AnnDataReader(copy).integers("obs/done")[8], 1);
    EXPECT_FALSE(store::status(copy).finished);
}

TEST_F(InspectTest, RefusesOtherFiles) {
    std::ofstream(copy) << "nothing";
    EXPECT_THAT(refusal([&] { static_cast<void>(store::status(copy)); }), HasSubstr("sealed.h5ad"));
    EXPECT_THAT(refusal([&] { static_cast<void>(verify(folder / "absent")); }), HasSubstr("absent"));
}

}  // namespace
}  // namespace mpira::store
