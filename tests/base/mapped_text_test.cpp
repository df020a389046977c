#include "mpira/base/mapped_text.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mpira/base/deflate.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/name_index.hpp"

#include "support/scratch_folder.hpp"

namespace mpira {
namespace {

std::vector<std::string> lines_of(MappedText const& text) {
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size(); at = text.after(at)) lines.emplace_back(text.line(at));
    return lines;
}

TEST(MappedText, LinesWithAndWithoutEnds) {
    test::ScratchFolder const folder;
    EXPECT_THAT(lines_of(MappedText(folder.write("a", "one\ntwo\r\n\nfour"))),
                testing::ElementsAre("one", "two", "", "four"));
    EXPECT_THAT(lines_of(MappedText(folder.write("b", "one\n"))), testing::ElementsAre("one"));
    EXPECT_THAT(lines_of(MappedText(folder.write("c", ""))), testing::IsEmpty());
}

TEST(MappedText, RefusesByLine) {
    test::ScratchFolder const folder;
    MappedText const text(folder.write("a.tsv", "one\ntwo\nthree\n"));
    EXPECT_EQ(text.line_number(text.after(0) + 1), 2U);
    try {
        text.refuse(text.after(text.after(0)), "too long");
    } catch (Error const& error) {
        EXPECT_EQ(error.exit_code(), 2);
        EXPECT_THAT(error.what(), testing::HasSubstr("a.tsv, line 3: too long"));
    }
    EXPECT_THROW(MappedText(folder.path() / "none"), Error);
}

std::string gzipped(std::string_view text) {
    std::vector<std::byte> out;
    Deflater(6).gzip(std::as_bytes(std::span(text)), out);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bytes of a file
    return {reinterpret_cast<char const*>(out.data()), out.size()};
}

TEST(MappedText, GzippedInOneMemberOrMany) {
    test::ScratchFolder const folder;
    std::string const parts[] = {"one\ntwo\nth", "ree\n", "", std::string(3'000'000, 'a') + "\nlast"};
    std::string plain;
    std::string members;
    for (auto const& part : parts) {
        plain += part;
        members += gzipped(part);
    }
    MappedText const of_many(folder.write("many.gz", members + gzipped("")));
    MappedText of_one(folder.write("one.gz", gzipped(plain)));
    EXPECT_EQ(of_many.all(), plain);
    EXPECT_EQ(of_many.place(of_many.after(4)), folder.path().string() + "/many.gz, line 3");
    MappedText const moved = std::move(of_one);
    EXPECT_EQ(moved.all(), plain);
    EXPECT_EQ(MappedText(folder.write("empty.gz", gzipped(""))).size(), 0U);
}

TEST(MappedText, RefusesWhatIsDamagedOrOtherwiseCompressed) {
    test::ScratchFolder const folder;
    auto const whole = gzipped("one\ntwo\nthree\n");
    auto changed = whole;
    changed[whole.size() - 6] ^= 1;  // of its checksum
    auto const refusal = [&](std::string const& content) -> std::string {
        try {
            MappedText const text(folder.write("bad", content));
        } catch (Error const& error) {
            EXPECT_EQ(error.exit_code(), 2);
            return error.what();
        }
        return "";
    };
    for (auto const& content : {std::string("\x1f\x8b rest"), whole.substr(0, whole.size() - 1), changed,
                                whole + whole.substr(0, 12), whole + "more"})
        EXPECT_THAT(refusal(content), testing::HasSubstr("bad: damaged"));
    for (auto const* const content :
         {"\x28\xb5\x2f\xfd rest", "BZh91AY", "\xfd\x37zXZ rest", "PK\x03\x04 rest"})
        EXPECT_THAT(refusal(content), testing::HasSubstr("bad: compressed, and not by gzip"));
    for (auto const& content : {std::string("a\tb\rc\td\r"), gzipped("a\rb")})
        EXPECT_THAT(refusal(content), testing::HasSubstr("bad: its lines end as those of old Macs"));
    for (auto const* const content : {"a\r\nb", "a\rb\n", "a\r", "a", ""}) EXPECT_EQ(refusal(content), "");
}

TEST(NameIndex, FindsNamesAndTheFirstOfEqualOnes) {
    std::vector<std::string> names;
    for (int i = 0; i < 1000; ++i) names.push_back("name" + std::to_string(i));
    auto const index = [&] {
        return NameIndex(static_cast<std::uint32_t>(names.size()), [&](std::uint32_t i) { return names[i]; });
    };
    auto const different = index();
    EXPECT_EQ(different.find("name517"), 517U);
    EXPECT_EQ(different.find("name1000"), std::nullopt);
    EXPECT_EQ(different.twice(), std::nullopt);
    names[900] = "name3";
    EXPECT_EQ(index().twice(), std::pair(3U, 900U));
    EXPECT_EQ(index().find("name3"), 3U);
    EXPECT_EQ(NameIndex(0, {}).find("x"), std::nullopt);
}

}  // namespace
}  // namespace mpira
