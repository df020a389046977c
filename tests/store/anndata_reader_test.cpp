#include "mpira/store/anndata_reader.hpp"

#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mpira/base/error.hpp"
#include "mpira/base/float16.hpp"

#include "store/sample.hpp"

namespace mpira::store {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

/// On a file of our own; tests/python/store_anndata_test.py has files of Python's.
class AnnDataReaderTest : public testing::Test {
protected:
    void SetUp() override {
        ResultFile::create(file, layout, sample::tables(layout));
        auto opened = ResultFile::open(file, layout);
        sample::commit_units(opened, layout, sample::all_units(layout));
    }
    template <typename Body>
    static std::string refusal(Body const& body) {
        try {
            body();
        } catch (Error const& error) {
            EXPECT_EQ(static_cast<int>(error.origin()), static_cast<int>(Origin::usage)) << error.what();
            return error.what();
        }
        ADD_FAILURE() << "nothing was thrown";
        return "";
    }
    sample::Folder folder;
    std::filesystem::path file = folder / "out.h5ad";
    ResultLayout layout = sample::layout();
};

TEST_F(AnnDataReaderTest, ReadsFramesAndColumns) {
    AnnDataReader const reader(file);
    EXPECT_EQ(reader.rows(), 23U);
    EXPECT_EQ(reader.variables(), 3U);
    EXPECT_THAT(reader.index("var"), ElementsAre("expression_plus", "expression_minus", "accessibility"));
    EXPECT_EQ(reader.index("obs")[22], "element_22");
    EXPECT_THAT(reader.columns("obs"),
                ElementsAre("group", "note", "start", "count", "mean", "flag", "done"));
    EXPECT_EQ(reader.strings("obs/group")[3], "promoter");
    EXPECT_EQ(reader.strings("obs/note")[1], "\xC3\xA9t\xC3\xA9");
    auto const groups = reader.categories("obs/group");
    EXPECT_THAT(groups.categories, ElementsAre("distal", "promoter"));
    EXPECT_EQ(groups.codes[0], 1);
    EXPECT_EQ(reader.categories("obs/note").codes.size(), 23U);
    EXPECT_EQ(reader.integers("obs/start")[5], 5000);
    EXPECT_EQ(reader.integers("obs/done")[5], 1);
    EXPECT_THAT(reader.keys("obsm"), ElementsAre("brain", "codes", "places", "raw", "windows"));
    EXPECT_THAT(reader.keys("obsm/absent"), ElementsAre());
    EXPECT_EQ(reader.encoding("obs"), "dataframe");
    EXPECT_TRUE(reader.contains("uns/settings/rate"));
    EXPECT_FALSE(reader.contains("uns/settings/rate/more"));
}

TEST_F(AnnDataReaderTest, MapsContiguousArrays) {
    MappedArray<float> kept;
    {
        AnnDataReader const reader(file);
        kept = reader.array<float>("X");
    }
    EXPECT_TRUE(kept.is_mapped());  // and outlives the reader
    EXPECT_THAT(kept.shape(), ElementsAre(23, 3));
    auto const expected = sample::rows(layout, 5);
    EXPECT_EQ(std::memcmp(kept.row(20).data(), expected.raw(0).data(), expected.raw(0).size()), 0);
    AnnDataReader const reader(file);
    EXPECT_EQ(reader.array<Half>("obsm/raw").values().size(), 230U);
    EXPECT_EQ(reader.array<std::uint8_t>("obs/flag").values().size(), 23U);
    EXPECT_TRUE(reader.array<std::int64_t>("obsm/places").is_mapped());
    auto const wider = reader.array<double>("X");  // converted, so in memory
    EXPECT_FALSE(wider.is_mapped());
    EXPECT_EQ(wider.values()[7], static_cast<double>(kept.values()[7]));
    EXPECT_EQ(reader.info("obsm/brain").type, Type::bf16);
    std::uint16_t bits = 0;
    std::memcpy(&bits, expected.raw(6).data(), sizeof bits);
    EXPECT_EQ(reader.array<float>("obsm/brain").row(20)[0], from_bfloat16(bits));
    auto const info = reader.info("obsm/raw");
    EXPECT_EQ(info.type, Type::f16);
    EXPECT_THAT(info.shape, ElementsAre(23, 2, 5));
    EXPECT_TRUE(info.offset.has_value());
}

TEST_F(AnnDataReaderTest, GivesUnsAsJson) {
    auto const json = AnnDataReader(file).json();
    auto const expected = sample::tables(layout).uns;
    for (auto const& [key, value] : expected.items()) EXPECT_EQ(json.at(key), value) << key;
    EXPECT_EQ(json.at("mpira").at("version"), AnnDataReader(file).text("uns/mpira/version"));
    EXPECT_EQ(AnnDataReader(file).number("uns/settings/insertions"), 600);
    EXPECT_EQ(AnnDataReader(file).json("varm/weights"),
              nlohmann::json::parse("[[0.5, 1.5], [2.5, 3.5], [4.5, 5.5]]"));
}

TEST_F(AnnDataReaderTest, NamesTheCulprit) {
    AnnDataReader const reader(file);
    EXPECT_THAT(refusal([&] { std::ignore = reader.info("obsm/absent"); }),
                AllOf(HasSubstr("out.h5ad"), HasSubstr("obsm/absent")));
    EXPECT_THAT(refusal([&] { std::ignore = reader.array<float>("obsm/codes"); }),
                HasSubstr("is uint8, expected float32"));
    EXPECT_THAT(refusal([&] { std::ignore = reader.array<std::int32_t>("obsm/places"); }),
                HasSubstr("is int64, expected int32"));
    EXPECT_THAT(refusal([&] { std::ignore = reader.array<float>("obs/group"); }),
                HasSubstr("is a categorical"));
    EXPECT_THAT(refusal([&] { std::ignore = reader.integers("X"); }), HasSubstr("is float32, not integers"));
    EXPECT_THAT(refusal([&] { std::ignore = reader.integers("obs/note"); }),
                HasSubstr("is not an array of numbers"));
    EXPECT_THAT(refusal([&] { std::ignore = reader.strings("X"); }), HasSubstr("is not an array of strings"));
    EXPECT_THAT(refusal([&] { std::ignore = reader.index("uns"); }), HasSubstr("is not a data frame"));
    EXPECT_THAT(refusal([&] { std::ignore = reader.text("obs/note"); }), HasSubstr("expected one"));
    EXPECT_THAT(refusal([&] { AnnDataReader(folder / "absent"); }), HasSubstr("absent"));
    EXPECT_THAT(refusal([&] { AnnDataReader(folder.path()); }), HasSubstr("regular file"));
}

/// A file cut anywhere, with other bytes for its values, or with another text for its layout, is read or
/// refused; nothing crashes and HDF5 prints nothing. (Broken metadata of HDF5's own is not tried:
/// libhdf5 1.10.8 itself crashes on some.)
TEST_F(AnnDataReaderTest, SurvivesDamagedFiles) {
    auto const whole = sample::bytes_of(file);
    auto const broken = folder / "broken.h5ad";
    auto const read_everything = [&](std::string const& bytes) {
        std::ofstream(broken, std::ios::binary) << bytes;
        try {
            AnnDataReader const reader(broken);
            std::ignore = reader.index("obs");
            for (auto const& column : reader.columns("obs")) {
                if (reader.encoding("obs/" + column) == "array")
                    std::ignore = reader.numbers("obs/" + column);
                else
                    std::ignore = reader.strings("obs/" + column);
            }
            std::ignore = reader.array<float>("X");
            std::ignore = reader.json();
            std::ignore = ResultFile::open(broken, layout);
            return true;
        } catch (Error const& error) {
            EXPECT_EQ(static_cast<int>(error.origin()), static_cast<int>(Origin::usage)) << error.what();
            EXPECT_THAT(error.what(), HasSubstr("broken.h5ad"));
            return false;
        }
    };
    testing::internal::CaptureStderr();
    EXPECT_TRUE(read_everything(whole));
    constexpr std::size_t kCuts = 60;
    for (std::size_t cut = 0; cut < kCuts; ++cut)
        EXPECT_FALSE(read_everything(whole.substr(0, whole.size() * cut / kCuts))) << cut;

    AnnDataReader const reader(file);
    Draws draws(3, Stream::tests, 0);
    for (char const* const path : {"X", "obs/flag", "obs/done", "uns/mpira/journal", "uns/mpira/owner"}) {
        auto const info = reader.info(path);
        for (int i = 0; i < 20; ++i) {
            std::string changed = whole;
            changed[*info.offset + draws.below(info.size())] = static_cast<char>(draws.below(256));
            EXPECT_TRUE(read_everything(changed)) << path;
        }
    }
    auto const with = [&](std::string const& from, std::string const& to) {
        std::string changed = whole;
        auto const at = changed.find(from);
        EXPECT_NE(at, std::string::npos) << from;
        EXPECT_EQ(from.size(), to.size());
        return changed.replace(at, from.size(), to);
    };
    for (auto const& [from, to] : std::vector<std::pair<std::string, std::string>>{
             {"\"rows\":23", "\"rows\":99"},
             {"\"rows\":23", "\"rows\":-1"},
             {"\"rows_per_unit\":4", "\"rows_per_unit\":0"},
             {"\"rows_per_unit\":4", "\"rows_per_unit\":3"},
             {"\"row_shape\":[3]", "\"row_shape\":[9]"},
             {"\"path\":\"obsm/raw\"", "\"path\":\"obsm/rxw\""},
             {"\"job\":\"sample\"", "\"job\":[234567]"},
             {"\"type\":\"f16\"", "\"type\":\"f99\""},
             {"\"row_arrays\":[", "\"row_arrays\"[:"},
             {"\"scale\":\"library\"", "\"scale\":\"libr\xFFry\""}})
        EXPECT_FALSE(read_everything(with(from, to))) << from << " " << to;
    EXPECT_THAT(testing::internal::GetCapturedStderr(), testing::Not(HasSubstr("HDF5-DIAG")));
}

}  // namespace
}  // namespace mpira::store
