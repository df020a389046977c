#include "mpira/base/mapped_text.hpp"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
    EXPECT_THROW(MappedText(folder.write("a.gz", "\x1f\x8b rest")), Error);
    EXPECT_THROW(MappedText(folder.path() / "none"), Error);
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
