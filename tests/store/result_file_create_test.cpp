#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>

#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mpira/store/anndata_reader.hpp"
#include "mpira/store/inspect.hpp"
#include "mpira/store/owner.hpp"
#include "mpira/store/result_file.hpp"

#include "store/faulty_io.hpp"
#include "store/result_file_fixture.hpp"
#include "store/stripe.hpp"
#include "support/scratch_folder.hpp"
#include "support/stuck_child.hpp"

namespace mpira::store {
namespace {

using testing::AllOf;
using testing::Each;
using testing::HasSubstr;

TEST_F(ResultFileTest, StartsWithEveryUnitOpenAndNoTraceOfATemporaryFile) {
    create();
    auto const opened = open();
    EXPECT_EQ(opened.states().size(), 6U);
    EXPECT_THAT(opened.states(), Each(UnitState::open));
    EXPECT_FALSE(opened.finished());
    auto const entries = std::filesystem::directory_iterator(folder.path());
    EXPECT_EQ(std::distance(begin(entries), end(entries)), 1);
}

TEST_F(ResultFileTest, WhatFinishWillWriteIsNotANumberBefore) {
    create();
    AnnDataReader const reader(file);
    EXPECT_THAT(reader.array<float>("varm/largest").values(), Each(testing::IsNan()));
}

TEST_F(ResultFileTest, IsForTheOwnerAndTheGroupToRead) {
    mode_t const before = ::umask(0);
    for (unsigned const mask : {0022U, 0007U, 0077U}) {
        ::umask(mask);
        create({.overwrite = true});
        auto const mode = std::filesystem::status(file).permissions();
        EXPECT_EQ(static_cast<unsigned>(mode), 0640U & ~mask) << std::oct << mask;
    }
    ::umask(before);
}

TEST_F(ResultFileTest, ACreationRemovesWhatAKilledOneLeftAndNothingElse) {
    auto const drafts = [&] {
        std::vector<std::string> names;
        for (auto const& entry : std::filesystem::directory_iterator(folder.path()))
            if (entry.path().extension() == ".draft") names.push_back(entry.path().filename());
        return names;
    };
    for (char const* const name : {".out.h5ad.notes.draft", ".other.h5ad.0123456789abcdef.draft"})
        std::ofstream(folder / name) << "somebody else's";
    test::StuckChild other([&](auto const& stuck) {  // before its file has a name
        struct StuckIo final : FaultyIo {
            std::function<void()> stuck;
            int fsync(int /*descriptor*/) override {
                stuck();
                return 0;
            }
        } io;
        io.stuck = stuck;
        create({.io = &io});
    });
    ASSERT_EQ(drafts().size(), 3U);
    create();  // the other creation lives: its draft is locked
    EXPECT_EQ(drafts().size(), 3U);
    other.kill();
    create({.overwrite = true});
    EXPECT_THAT(drafts(),
                testing::UnorderedElementsAre(".out.h5ad.notes.draft", ".other.h5ad.0123456789abcdef.draft"));
    EXPECT_TRUE(verify(file).good());
}

TEST_F(ResultFileTest, CreatesInTheOrderThatSurvivesACrash) {
    FaultyIo io;
    create({.io = &io});
    // Reserve, write the checksum, fsync the file, rename, fsync the folder.
    EXPECT_EQ(io.protocol, "awfRd");
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

/// A place that takes itself for Lustre, with an `lfs` that behaves as the test says.
class StripeTest : public ResultFileTest {
protected:
    struct LustreIo final : FaultyIo {
        bool make_striped(std::filesystem::path const& made, int stripes) override {
            make_striped_by_lfs(made, stripes);
            return true;
        }
    };

    StripeTest() { ::setenv("PATH", programs.path().c_str(), 1); }
    ~StripeTest() override { ::setenv("PATH", path_before.c_str(), 1); }
    StripeTest(StripeTest const&) = delete;
    StripeTest& operator=(StripeTest const&) = delete;

    void install_lfs(std::string const& script) const {
        auto const lfs = programs.write("lfs", "#!/bin/sh\nPATH=/usr/bin:/bin\n" + script);
        std::filesystem::permissions(lfs, std::filesystem::perms::owner_all);
    }

    LustreIo io;
    test::ScratchFolder programs;
    std::string path_before = std::getenv("PATH");
};

TEST_F(StripeTest, ANewResultIsMadeByLfsAndThenFilledAsAlways) {
    install_lfs("echo \"$1 $2 $3 $4\" >" + (programs / "asked").string() + "; umask 0; : >\"$5\"\n");
    create({.stripes = -1, .io = &io});
    std::ifstream asked(programs / "asked");
    std::string words;
    std::getline(asked, words);
    EXPECT_EQ(words, "setstripe -c -1 --");
    EXPECT_TRUE(verify(file).good());
    EXPECT_EQ(static_cast<unsigned>(std::filesystem::status(file).permissions()), 0640U);
}

TEST_F(StripeTest, AnLfsThatFailsOrIsMissingIsToldAndLeavesNothing) {
    EXPECT_THAT(message_of(Origin::usage, [&] { create({.stripes = 8, .io = &io}); }),
                AllOf(HasSubstr("store.stripe = 8"), HasSubstr("lfs"), HasSubstr("can't be run")));
    install_lfs("exit 3\n");
    EXPECT_THAT(message_of(Origin::usage, [&] { create({.stripes = 8, .io = &io}); }),
                AllOf(HasSubstr("lfs setstripe -c 8"), HasSubstr("failed")));
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST_F(StripeTest, WhatLfsMadeMustBeOurOwnEmptyFile) {
    auto const other = programs.write("other", "somebody else's");
    install_lfs("ln -s " + other.string() + " \"$5\"\n");
    EXPECT_THAT(message_of(Origin::usage, [&] { create({.stripes = 8, .io = &io}); }),
                HasSubstr("can't create a file"));
    std::ifstream text(other);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(text), {}), "somebody else's");
    EXPECT_FALSE(std::filesystem::exists(file));
}

TEST_F(StripeTest, ElsewhereTheSettingHasNoEffectAndSaysSo) {
    testing::internal::CaptureStderr();
    create({.stripes = 8});
    EXPECT_THAT(testing::internal::GetCapturedStderr(),
                HasSubstr("store.stripe = 8 has no effect: " + folder.path().string() + " is not on Lustre"));
    EXPECT_TRUE(verify(file).good());
    testing::internal::CaptureStderr();
    create({.overwrite = true});
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace mpira::store
