#include "mpira/base/text.hpp"

#include <gtest/gtest.h>

#include "mpira/base/error.hpp"

namespace mpira::text {
namespace {

TEST(Text, AWordOfTheShell) {
    EXPECT_EQ(shell_word("runs/first/screen.toml"), "runs/first/screen.toml");
    EXPECT_EQ(shell_word("my dir/$x;c.toml"), "'my dir/$x;c.toml'");
    EXPECT_EQ(shell_word("it's"), "'it'\\''s'");
    EXPECT_EQ(shell_word(""), "''");
}

TEST(Text, NearestNameIsFoundOnlyWhenNear) {
    std::vector<std::string> const known{"insertions", "seed", "window"};
    EXPECT_EQ(nearest("insertion", known), "insertions");
    EXPECT_EQ(nearest("zzzzzzzz", known), std::nullopt);
}

TEST(Text, NumbersMustBeWhole) {
    EXPECT_EQ(to_integer("12"), 12);
    EXPECT_EQ(to_integer("12x"), std::nullopt);
    EXPECT_EQ(to_integer(""), std::nullopt);
    EXPECT_EQ(to_number("nan"), std::nullopt);
    EXPECT_EQ(to_number("1e-3"), 1e-3);
}

TEST(Text, SplitKeepsEmptyFields) {
    EXPECT_EQ(split("a\t\tb", '\t'), (std::vector<std::string_view>{"a", "", "b"}));
    EXPECT_EQ(trim("  x \r\n"), "x");
}

TEST(Text, CharactersOfUtf8) {
    EXPECT_EQ(utf8_character("ab"), 1U);
    EXPECT_EQ(utf8_character("\xC3\x9F!"), 2U);              // U+00DF
    EXPECT_EQ(utf8_character("\xE6\x96\x87"), 3U);           // U+6587
    EXPECT_EQ(utf8_character("\xF0\x9F\xA7\xAC"), 4U);       // U+1F9EC
    for (std::string_view const none : {"\x80",              // a following byte alone
                                        "\xC3",              // cut short
                                        "\xE6\x96",          //
                                        "\xC3z",             // not followed
                                        "\xC0\xAF",          // longer than need be
                                        "\xE0\x9F\xBF",      //
                                        "\xF0\x8F\xBF\xBF",  //
                                        "\xED\xA0\x80",      // half a pair of UTF-16
                                        "\xF4\x90\x80\x80",  // beyond U+10FFFF
                                        "\xFF"}) {
        EXPECT_EQ(utf8_character(none), 0U);
        EXPECT_FALSE(is_utf8(none));
        EXPECT_FALSE(is_utf8(std::string("a").append(none)));
    }
    EXPECT_TRUE(is_utf8(""));
    EXPECT_TRUE(
        is_utf8("Stra\xC3\x9F"
                "e \xE6\x96\x87"));
    EXPECT_FALSE(is_utf8(std::string_view("a\0b", 3)));
}

TEST(Text, QuantitiesForPeople) {
    EXPECT_EQ(bytes(1536), "1.5 KiB");
    EXPECT_EQ(duration(3725), "62 min 05 s");
    EXPECT_EQ(duration(90000), "25 h 00 min");
}

TEST(Text, ChromosomesOfAnotherNaming) {
    std::vector<std::string> const known{"chr1", "chr2", "chrX"};
    EXPECT_EQ(chromosome_hint("2", known), ": '2' here, 'chr2' there");
    EXPECT_EQ(chromosome_hint("chrX", std::vector<std::string>{"1", "X"}), ": 'chrX' here, 'X' there");
    EXPECT_EQ(chromosome_hint("chr12", known), ", did you mean 'chr1'?");
    EXPECT_EQ(chromosome_hint("NC_000001.11", known), ": 'NC_000001.11' here, 'chr1' there");
}

TEST(Text, MessagesQuoteNoWholeFile) {
    Error const error(Origin::usage, "can't read 'x': line '" + std::string(4000, 'A') + "' is none, 'b' is");
    EXPECT_EQ(std::string(error.what()),
              "can't read 'x': line '" + std::string(200, 'A') + "...' is none, 'b' is");
    std::string umlauts;
    for (int i = 0; i < 150; ++i) umlauts += "\xC3\xA4";
    EXPECT_EQ(std::string(Error(Origin::usage, " 'x" + umlauts + "'").what()),
              " 'x" + umlauts.substr(0, 198) + "...'");
}

TEST(Text, CountsOneAndMany) {
    EXPECT_EQ(counted(0, "rank"), "0 ranks");
    EXPECT_EQ(counted(1, "rank"), "1 rank");
    EXPECT_EQ(counted(12, "core"), "12 cores");
}

}  // namespace
}  // namespace mpira::text
