#include "mpira/cli/read_settings.hpp"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "mpira/base/error.hpp"
#include "mpira/jobs/table.hpp"

namespace mpira::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::vector<SettingSpec> schema() {
    using enum SettingKind;
    return {{"seed", integer, std::int64_t{1}, "seed"},
            {"sites.insertions", integer, std::int64_t{600}, "insertions", Affects::result, {}, 1, 1e6},
            {"sites.scale", number, 1.0, "scale"},
            {"sites.shared", flag, false, "shared"},
            {"sites.inner.deep", text, std::string(), "nested"},
            {"chroms", texts, std::vector<std::string>{}, "chromosomes"}};
}

Settings parse(std::string_view toml, std::vector<std::string> const& overrides = {}) {
    return parse_settings(schema(), toml, "run.toml", overrides);
}

std::string message_of(std::function<void()> const& body) {
    try {
        body();
    } catch (Error const& error) {
        EXPECT_EQ(error.exit_code(), 2);
        return error.what();
    }
    return "no error";
}

TEST(ReadSettings, NestedTablesBecomeDottedKeys) {
    auto const settings = parse(R"(seed = 7
chroms = ["chr2R", "chr3L"]
[sites]
insertions = 60
scale = 2        # an integer is a number
shared = true
inner.deep = "x"
)");
    EXPECT_EQ(settings.integer("seed"), 7);
    EXPECT_EQ(settings.count("sites.insertions"), 60U);
    EXPECT_EQ(settings.number("sites.scale"), 2.0);
    EXPECT_TRUE(settings.flag("sites.shared"));
    EXPECT_EQ(settings.text("sites.inner.deep"), "x");
    EXPECT_EQ(settings.texts("chroms"), (std::vector<std::string>{"chr2R", "chr3L"}));
}

TEST(ReadSettings, MistakesNameFileAndLine) {
    EXPECT_THAT(message_of([] { parse("seed = 1\n\n[sites]\ninsertion = 5\n"); }),
                AllOf(HasSubstr("run.toml"), HasSubstr("line 4"), HasSubstr("'sites.insertions'")));
    EXPECT_THAT(message_of([] { parse("seed = 1\n[sites]\nscale = \"two\"\n"); }),
                AllOf(HasSubstr("sites.scale"), HasSubstr("line 3"), HasSubstr("a number")));
    EXPECT_THAT(message_of([] { parse("chroms = [true]\n"); }),
                AllOf(HasSubstr("chroms"), HasSubstr("line 1")));
    EXPECT_THAT(message_of([] { parse("seed = 1979-05-27\n"); }), HasSubstr("dates and times"));
}

TEST(ReadSettings, SyntaxErrorsHaveLineAndColumn) {
    EXPECT_THAT(message_of([] { parse("seed = 1\nchroms = [\"a\"\n[sites]\n"); }), HasSubstr("run.toml:3:"));
    EXPECT_THAT(message_of([] { parse("seed = 1\nseed = 2\n"); }), HasSubstr("run.toml:2:"));
}

TEST(ReadSettings, OverridesWinAndAreChecked) {
    auto const settings = parse("seed = 1\n", {"seed=5", "chroms=a,b", "seed=6"});
    EXPECT_EQ(settings.integer("seed"), 6);
    EXPECT_EQ(settings.texts("chroms"), (std::vector<std::string>{"a", "b"}));
    for (char const* list : {R"(chroms=["a","b"])", R"(chroms = ["a", "b"])", "chroms=['a', 'b',]"})
        EXPECT_EQ(parse("", {list}).texts("chroms"), (std::vector<std::string>{"a", "b"})) << list;
    EXPECT_TRUE(parse("chroms = [\"a\"]\n", {"chroms=[]"}).texts("chroms").empty());
    EXPECT_THAT(message_of([] { parse("", {"chroms=[a]"}); }),
                AllOf(HasSubstr("--set chroms=[a]"), HasSubstr("chroms=a,b")));
    EXPECT_EQ(parse("", {"chroms=[1.5, 2]"}).texts("chroms"), (std::vector<std::string>{"1.5", "2"}));
    EXPECT_THAT(message_of([] { parse("", {"chroms=[true]"}); }), HasSubstr("texts or numbers"));
    EXPECT_THAT(message_of([] { parse("", {"seed"}); }), HasSubstr("--set seed: expected key.path=value"));
    EXPECT_THAT(message_of([] { parse("", {"sed=1"}); }), AllOf(HasSubstr("--set"), HasSubstr("'seed'")));
}

TEST(ReadSettings, WhatConfigPrintsIsWhatIsRead) {
    for (auto const& entry : jobs::job_table()) {
        auto const whole = with_campaign_schema(entry.schema());
        Settings const defaults(whole, "defaults");
        bool const has_required = [&] {
            for (auto const& spec : whole)
                if (std::holds_alternative<std::monostate>(spec.fallback)) return true;
            return false;
        }();
        if (has_required) continue;
        auto const read = parse_settings(whole, commented_toml(whole, "title"), "printed", {});
        EXPECT_EQ(read.to_json(false), defaults.to_json(false)) << entry.name;
    }
}

TEST(ReadSettings, AMissingFileIsNamed) {
    EXPECT_THAT(message_of([] { read_text("no/such.toml"); }), HasSubstr("no/such.toml: no such file"));
    EXPECT_THAT(message_of([] { read_text("."); }), HasSubstr("is a folder"));
}

}  // namespace
}  // namespace mpira::cli
