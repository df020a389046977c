#include "mpira/base/draft_file.hpp"

#include <fstream>
#include <iterator>

#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mpira/base/error.hpp"
#include "mpira/base/whole_file.hpp"

#include "support/scratch_folder.hpp"
#include "support/stuck_child.hpp"

namespace mpira {
namespace {

namespace fs = std::filesystem;

std::string bytes_of(fs::path const& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

std::size_t entries(fs::path const& folder) {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), {}));
}

TEST(DraftFile, NamesAreDrawn) {
    EXPECT_NE(draft_name("a/b.h5ad"), draft_name("a/b.h5ad"));
    EXPECT_THAT(draft_name("a/b.h5ad").string(), testing::MatchesRegex("a/\\.b\\.h5ad\\.[0-9a-f]+\\.draft"));
}

TEST(DraftFile, IsForTheOwnerAndTheGroupToRead) {
    test::ScratchFolder const folder;
    mode_t const before = ::umask(0);
    write_whole(folder / "a", "text");
    EXPECT_EQ(static_cast<unsigned>(fs::status(folder / "a").permissions()), 0640U);
    ::umask(0077);
    write_whole(folder / "a", "text");
    ::umask(before);
    EXPECT_EQ(static_cast<unsigned>(fs::status(folder / "a").permissions()), 0600U);
}

TEST(DraftFile, ReplacesALinkAndNotWhatItLeadsTo) {
    test::ScratchFolder const folder;
    auto const precious = folder.write("precious", "mine");
    fs::create_symlink(precious, folder / "a");
    write_whole(folder / "a", "text");
    EXPECT_EQ(bytes_of(precious), "mine");
    EXPECT_FALSE(fs::is_symlink(folder / "a"));
    EXPECT_EQ(bytes_of(folder / "a"), "text");
}

TEST(DraftFile, ACopyNeverTakesAnotherOnesName) {
    test::ScratchFolder const folder;
    auto const name = [&] { return aside_name(folder / "a").filename().string(); };
    EXPECT_EQ(name(), "a.old");
    folder.write("a.old", "one");
    EXPECT_EQ(name(), "a.old.2");
    fs::create_symlink("nowhere", folder / "a.old.2");
    EXPECT_EQ(name(), "a.old.3");
}

TEST(DraftFile, AnInputIsNoOutput) {
    test::ScratchFolder const folder;
    std::vector const inputs{fs::path(), folder.write("a", "mine"), folder / "absent"};
    fs::create_symlink(folder / "a", folder / "link");
    EXPECT_NO_THROW(refuse_input_as_output(folder / "absent", inputs));
    EXPECT_NO_THROW(refuse_input_as_output({}, inputs));
    EXPECT_THROW(refuse_input_as_output(folder / "a", inputs), Error);
    EXPECT_THROW(refuse_input_as_output(folder / "link", inputs), Error);
    EXPECT_THROW(refuse_input_as_output(folder.path(), inputs), Error) << "it holds one";
    fs::create_directory(folder / "other");
    EXPECT_NO_THROW(refuse_input_as_output(folder / "other", inputs));
}

TEST(DraftFile, AFailedWriteLeavesTheOldFileAndNothingElse) {
    test::ScratchFolder const folder;
    folder.write("a", "old");
    EXPECT_THROW(replace_file(folder / "a",
                              [](int descriptor) {
                                  ASSERT_EQ(::write(descriptor, "new", 3), 3);
                                  fail_usage("no");
                              }),
                 Error);
    EXPECT_EQ(bytes_of(folder / "a"), "old");
    EXPECT_EQ(entries(folder.path()), 1U);
    try {
        write_whole(folder / "absent/a", "text");
        ADD_FAILURE() << "no folder, no error";
    } catch (Error const& error) {
        EXPECT_EQ(static_cast<int>(error.origin()), static_cast<int>(Origin::usage));
        EXPECT_THAT(error.what(), testing::HasSubstr("absent/a"));
    }
}

TEST(DraftFile, WhatAKilledProcessLeftIsRemovedAndWhatALivingOneWritesIsNot) {
    test::ScratchFolder const folder;
    test::StuckChild child(
        [&](auto const& stuck) { replace_file(folder / "a", [&](int /*descriptor*/) { stuck(); }); });
    write_whole(folder / "a", "one");
    EXPECT_EQ(entries(folder.path()), 2U) << "the other process still writes its draft";
    child.kill();
    write_whole(folder / "a", "two");
    EXPECT_EQ(entries(folder.path()), 1U);
    EXPECT_EQ(bytes_of(folder / "a"), "two");
}

}  // namespace
}  // namespace mpira
