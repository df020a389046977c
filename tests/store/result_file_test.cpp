#include "mpira/store/result_file.hpp"

#include <tuple>

#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mpira/base/error.hpp"
#include "mpira/store/anndata_reader.hpp"
#include "mpira/store/inspect.hpp"
#include "mpira/store/owner.hpp"

#include "store/faulty_io.hpp"
#include "store/sample.hpp"

namespace mpira::store {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// The message of the Error that `body` throws; checks its origin.
template <typename Body>
std::string message_of(Origin origin, Body const& body) {
    try {
        body();
    } catch (Error const& error) {
        EXPECT_EQ(static_cast<int>(error.origin()), static_cast<int>(origin)) << error.what();
        return error.what();
    }
    ADD_FAILURE() << "nothing was thrown";
    return {};
}

class ResultFileTest : public testing::Test {
protected:
    void create(CreateOptions const& options = {}) {
        ResultFile::create(file, layout, sample::tables(layout), options);
    }
    [[nodiscard]] ResultFile open(FileIo* io = nullptr) const {
        return ResultFile::open(file, layout, {WriteMode::direct, io});
    }
    void expect_rows(std::uint64_t unit) const {
        auto const expected = sample::rows(layout, unit);
        AnnDataReader const reader(file);
        auto const bytes = sample::bytes_of(file);
        for (std::size_t i = 0; i < layout.row_arrays.size(); ++i) {
            auto const info = reader.info(layout.row_arrays[i].path);
            ASSERT_TRUE(info.offset.has_value());
            auto const want = expected.raw(i);
            auto const at = *info.offset + expected.first_row() * layout.row_arrays[i].bytes_per_row();
            EXPECT_EQ(std::memcmp(bytes.data() + at, want.data(), want.size()), 0)
                << layout.row_arrays[i].path << " of unit " << unit;
        }
    }
    sample::Folder folder;
    std::filesystem::path file = folder / "out.h5ad";
    ResultLayout layout = sample::layout();
};

TEST_F(ResultFileTest, StartsWithEveryUnitOpenAndNoTraceOfATemporaryFile) {
    create();
    auto const opened = open();
    EXPECT_EQ(opened.states().size(), 6U);
    EXPECT_THAT(opened.states(), Each(UnitState::open));
    EXPECT_FALSE(opened.finished());
    auto const entries = std::filesystem::directory_iterator(folder.path());
    EXPECT_EQ(std::distance(begin(entries), end(entries)), 1);
    auto const mode = std::filesystem::status(file).permissions();
    EXPECT_EQ(static_cast<unsigned>(mode), 0640U);
}

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

TEST_F(ResultFileTest, CreatesInTheOrderThatSurvivesACrash) {
    FaultyIo io;
    create({.io = &io});
    EXPECT_EQ(io.protocol, "afRd");  // reserve, fsync the file, rename, fsync the folder
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

TEST_F(ResultFileTest, RefusesAFolderWithoutSpaceNamingBothNumbers) {
    FaultyIo io;
    io.free = 1000;
    auto const message = message_of(Origin::usage, [&] { create({.io = &io}); });
    auto const planned = ResultFile::planned_bytes(layout, sample::tables(layout));
    EXPECT_THAT(message, AllOf(HasSubstr("1000 bytes"), HasSubstr(std::to_string(planned)),
                               HasSubstr(folder.path().string())));
    EXPECT_FALSE(std::filesystem::exists(file));
    // On request rows may wait for space, but the file itself must fit: HDF5 crashes at exit otherwise.
    EXPECT_THAT(message_of(Origin::usage, [&] { create({.reserve = false, .io = &io}); }),
                AllOf(HasSubstr("1000 bytes"), HasSubstr("even without its rows")));
    EXPECT_FALSE(std::filesystem::exists(file));
    io.free = static_cast<std::int64_t>(planned) - 1;
    create({.reserve = false, .io = &io});
    EXPECT_TRUE(std::filesystem::exists(file));
}

TEST_F(ResultFileTest, PlansNoLessThanItWrites) {
    create();
    auto const bytes = std::filesystem::file_size(file);
    auto const planned = ResultFile::planned_bytes(layout, sample::tables(layout));
    EXPECT_GE(planned, bytes);
    EXPECT_LE(planned, bytes + 100'000);
    auto const large = sample::layout(20'000, 100);
    auto const tables = sample::tables(large);
    auto const second = folder / "large.h5ad";
    ResultFile::create(second, large, tables);
    auto const written = static_cast<double>(std::filesystem::file_size(second));
    EXPECT_NEAR(static_cast<double>(ResultFile::planned_bytes(large, tables)) / written, 1, 0.1);
}

TEST_F(ResultFileTest, ReservesItsBlocks) {
    layout = sample::layout(20'000, 100);
    create();
    struct stat info {};
    ASSERT_EQ(::stat(file.c_str(), &info), 0);
    EXPECT_GE(info.st_blocks * 512, info.st_size);
}

TEST_F(ResultFileTest, LeavesNothingBehindWhenCreationFails) {
    FaultyIo io;
    io.reserve_code = ENOSPC;
    EXPECT_THAT(message_of(Origin::usage, [&] { create({.io = &io}); }), HasSubstr("No space left"));
    io.reserve_code = 0;
    io.failing_renames = 1;
    message_of(Origin::system, [&] { create({.io = &io}); });
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST_F(ResultFileTest, OverwritesOnlyWhenToldAndKeepsTheOldFile) {
    create();
    auto const before = sample::bytes_of(file);
    EXPECT_THAT(message_of(Origin::usage, [&] { create(); }),
                AllOf(HasSubstr("exists"), HasSubstr("--overwrite")));
    layout.identity["settings"]["sites.insertions"] = 60;
    create({.overwrite = true});
    EXPECT_EQ(sample::bytes_of(file.string() + ".old"), before);
    EXPECT_NE(sample::bytes_of(file), before);
}

TEST_F(ResultFileTest, DoesNotOverwriteAFileThatSomebodyWrites) {
    create();
    auto const owner = Owner::claim(file, "other", 0);
    EXPECT_THAT(message_of(Origin::usage, [&] { create({.overwrite = true, .owner_wait_s = 0}); }),
                HasSubstr("is owned by"));
    EXPECT_FALSE(std::filesystem::exists(file.string() + ".old"));
}

TEST_F(ResultFileTest, RefusesBadFoldersAndNames) {
    auto const nowhere = folder / "absent/out.h5ad";
    EXPECT_THAT(
        message_of(Origin::usage, [&] { ResultFile::create(nowhere, layout, sample::tables(layout)); }),
        HasSubstr("absent"));
    auto tables = sample::tables(layout);
    tables.obs.index[7] = "element_3";
    EXPECT_THAT(message_of(Origin::usage, [&] { ResultFile::create(file, layout, tables); }),
                HasSubstr("'element_3' occurs twice"));
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST_F(ResultFileTest, RefusesAnotherCampaignByName) {
    create();
    auto const refused = [&](ResultLayout const& other) {
        return message_of(Origin::usage, [&] { ResultFile::open(file, other); });
    };
    auto other = layout;
    other.identity["settings"]["sites.insertions"] = 60;
    EXPECT_EQ(refused(other),
              "output " + file.string() +
                  " was made with settings.sites.insertions = 600, now 60; use --fresh or another "
                  "--output");
    other = layout;
    other.identity["inputs"]["genome"] = "beef";
    EXPECT_THAT(refused(other), HasSubstr(R"(inputs.genome = "0123abcd", now "beef")"));
    other = layout;
    other.identity["settings"].erase("scale");
    EXPECT_THAT(refused(other), HasSubstr(R"(settings.scale = "library", now (not given))"));
    other = layout;
    other.identity["settings"]["more"] = true;
    EXPECT_THAT(refused(other), HasSubstr("settings.more = (not given), now true"));
    other = layout;
    other.job = "jacobian";
    EXPECT_THAT(refused(other), AllOf(HasSubstr("'sample'"), HasSubstr("'jacobian'")));
    other = layout;
    other.rows_per_unit = 5;
    EXPECT_THAT(refused(other), HasSubstr("rows_per_unit = 4, now 5"));
    other = layout;
    other.row_arrays[0].type = Type::f64;
    EXPECT_THAT(refused(other), HasSubstr("row_arrays"));
    other = layout;
    other.fixed_arrays.pop_back();
    EXPECT_THAT(refused(other), HasSubstr("fixed arrays"));
    EXPECT_NO_THROW(ResultFile::open(file, layout));
}

TEST_F(ResultFileTest, RefusesForeignFiles) {
    EXPECT_THAT(message_of(Origin::usage, [&] { std::ignore = open(); }), HasSubstr("out.h5ad"));
    std::ofstream(file) << "element,mean\n";
    EXPECT_THAT(message_of(Origin::usage, [&] { std::ignore = open(); }), HasSubstr("HDF5"));
}

TEST_F(ResultFileTest, ATornJournalRowCountsAsNotDone) {
    create();
    auto opened = open();
    sample::commit_units(opened, layout, {0, 1, 2});
    auto const journal = *AnnDataReader(file).info("uns/mpira/journal").offset;
    EXPECT_EQ(journal % kJournalRowBytes, 0U);
    for (std::uint64_t byte = 0; byte < kJournalRowBytes; ++byte) {
        sample::damage(file, journal + kJournalRowBytes + byte);
        EXPECT_EQ(open().states()[1], UnitState::open) << "byte " << byte;
        sample::damage(file, journal + kJournalRowBytes + byte);  // and back
    }
    EXPECT_EQ(open().states()[1], UnitState::done);
    EXPECT_EQ(open().states()[2], UnitState::done);
}

TEST_F(ResultFileTest, ReopensUnitsWhoseDataWasDamaged) {
    layout = sample::layout(1000, 4);
    create();
    auto opened = open();
    sample::commit_units(opened, layout, sample::all_units(layout));
    auto const offset = *AnnDataReader(file).info("layers/sd").offset;
    sample::damage(file, offset + 70 * 4 * 24 + 5);   // unit 70
    sample::damage(file, offset + 201 * 4 * 24 + 5);  // unit 201
    EXPECT_THAT(opened.check_rows(CheckRows::none), IsEmpty());
    EXPECT_THAT(opened.check_rows(CheckRows::all, 2, 3), IsEmpty());      // share 2 of 3: units 2, 5, 8...
    EXPECT_THAT(opened.check_rows(CheckRows::sample), ElementsAre(201));  // among the last 64
    EXPECT_THAT(opened.check_rows(CheckRows::all, 70 % 3, 3), ElementsAre(70));
    EXPECT_EQ(opened.states()[70], UnitState::open);
    auto again = open();
    EXPECT_EQ(again.states()[70], UnitState::open);
    EXPECT_EQ(again.states()[201], UnitState::open);
    EXPECT_EQ(AnnDataReader(file).integers("obs/done")[280], 0);
    sample::commit_units(again, layout, {70, 201});
    EXPECT_TRUE(verify(file).good());
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

/// Power cuts at any moment, with what was not synced dropped, reordered or torn: what commit() returned for
/// is there, and the campaign resumes to the bytes of an undisturbed one.
TEST_F(ResultFileTest, LosesNoCommittedUnitInAPowerCut) {
    layout = sample::layout(230, 4);
    constexpr std::uint32_t kCrashes = 120;
    std::uint64_t acknowledged = 0;
    for (std::uint32_t seed = 0; seed < kCrashes; ++seed) {
        create({.reserve = false, .overwrite = seed > 0});
        std::vector<std::uint64_t> committed;
        Draws draws(seed, Stream::tests, 1);
        try {
            CrashingIo io(seed, 1 + static_cast<int>(draws.below(120)));
            auto opened = open(&io);
            for (std::uint64_t unit = 0; unit < layout.units();) {
                std::vector<std::uint64_t> batch;
                for (std::uint64_t n = 1 + draws.below(6); n > 0 && unit < layout.units(); --n, ++unit) {
                    opened.mark_running(unit, sample::report());
                    batch.push_back(unit);
                }
                sample::commit_units(opened, layout, batch);
                committed.insert(committed.end(), batch.begin(), batch.end());
            }
        } catch (CrashingIo::PowerCut const&) {
        }
        acknowledged += committed.size();
        auto opened = open();
        for (std::uint64_t const unit : committed)
            ASSERT_EQ(opened.states()[unit], UnitState::done) << "seed " << seed << " unit " << unit;
        ASSERT_THAT(opened.check_rows(CheckRows::all), IsEmpty()) << "seed " << seed;
        std::vector<std::uint64_t> left;
        for (std::uint64_t unit = 0; unit < layout.units(); ++unit)
            if (opened.states()[unit] != UnitState::done) left.push_back(unit);
        sample::commit_units(opened, layout, left);
        ASSERT_TRUE(verify(file).good()) << "seed " << seed;
    }
    EXPECT_GT(acknowledged, kCrashes);
}

}  // namespace
}  // namespace mpira::store
