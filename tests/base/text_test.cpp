#include "mpira/base/text.hpp"

#include <gtest/gtest.h>

namespace mpira::text {
namespace {

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

TEST(Text, QuantitiesForPeople) {
    EXPECT_EQ(bytes(1536), "1.5 KiB");
    EXPECT_EQ(duration(3725), "62 min 05 s");
    EXPECT_EQ(duration(90000), "25 h 00 min");
}

}  // namespace
}  // namespace mpira::text
