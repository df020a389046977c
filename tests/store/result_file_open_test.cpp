#include <fstream>
#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mpira/store/inspect.hpp"
#include "mpira/store/result_file.hpp"

#include "store/result_file_fixture.hpp"

namespace mpira::store {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(ResultFileTest, RefusesAnotherCampaignByName) {
    create();
    auto const refused = [&](ResultLayout const& other) {
        return message_of(Origin::usage, [&] { ResultFile::open(file, other); });
    };
    auto other = layout;
    other.identity["settings"]["sites.insertions"] = 60;
    EXPECT_EQ(refused(other),
              "output " + file.string() +
                  " was made with settings.sites.insertions = 600, now 60; start over with --fresh "
                  "--overwrite, or name another --output");
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
    EXPECT_NO_THROW(ResultFile::require_same(file, layout));
    EXPECT_THAT(message_of(Origin::usage, [&] { ResultFile::require_same(file, other); }),
                HasSubstr("fixed arrays"));
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

}  // namespace
}  // namespace mpira::store
