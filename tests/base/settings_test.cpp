#include "mpira/base/settings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "mpira/base/error.hpp"

namespace mpira {
namespace {

std::vector<SettingSpec> schema() {
    return {
        {"seed", SettingKind::integer, std::int64_t{1}, "campaign seed"},
        {"atlas.file", SettingKind::text, {}, "atlas"},
        {"sites.mode",
         SettingKind::text,
         std::string("independent"),
         "how sites are drawn",
         Affects::result,
         {"independent", "shared"}},
        {"sites.insertions",
         SettingKind::integer,
         std::int64_t{600},
         "per element",
         Affects::result,
         {},
         1,
         1e6},
        {"commit.seconds", SettingKind::number, 5.0, "between commits", Affects::run, {}, 0.01, 600},
        {"chroms", SettingKind::texts, std::vector<std::string>{}, "only these"},
    };
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

TEST(Settings, UnknownKeysNameTheNearest) {
    Settings settings(schema(), "run.toml");
    EXPECT_THAT(message_of([&] { settings.set("sites.insertion", std::int64_t{5}, "line 3"); }),
                testing::AllOf(testing::HasSubstr("run.toml"), testing::HasSubstr("line 3"),
                               testing::HasSubstr("did you mean 'sites.insertions'?")));
}

TEST(Settings, ANameOfAnotherTableIsFound) {
    Settings settings(schema(), "run.toml");
    for (auto const& [wrong, right] : {std::pair{"insertions", "'sites.insertions'"},
                                       {"insertion", "'sites.insertions'"},
                                       {"atlas.insertions", "'sites.insertions'"},
                                       {"campaign.seed", "'seed'"},
                                       {"seeds", "'seed'"}})
        EXPECT_THAT(message_of([&] { settings.set(wrong, std::int64_t{5}, "line 3"); }),
                    testing::HasSubstr(right));
}

TEST(Settings, TypesRangesAndChoicesAreChecked) {
    Settings settings(schema(), "run.toml");
    EXPECT_THAT(message_of([&] { settings.set("seed", std::string("x"), "line 1"); }),
                testing::HasSubstr("expected an integer"));
    EXPECT_THAT(message_of([&] { settings.set("sites.insertions", std::int64_t{0}, "line 1"); }),
                testing::HasSubstr("out of range"));
    EXPECT_THAT(message_of([&] { settings.set("sites.mode", std::string("share"), "line 1"); }),
                testing::HasSubstr("did you mean 'shared'?"));
    EXPECT_THAT(message_of([&] { settings.require_complete(); }), testing::HasSubstr("atlas.file"));
    settings.set("atlas.file", std::string(), "line 1");
    EXPECT_THAT(message_of([&] { settings.require_complete(); }), testing::HasSubstr("atlas.file"));
}

TEST(Settings, TextFromTheCommandLine) {
    Settings settings(schema(), "run.toml");
    settings.set_from_text("sites.insertions", "60", "--set");
    settings.set_from_text("commit.seconds", "1", "--set");
    settings.set_from_text("chroms", "chr2R, chr3L", "--set");
    EXPECT_EQ(settings.count("sites.insertions"), 60U);
    EXPECT_EQ(settings.number("commit.seconds"), 1.0);
    EXPECT_EQ(settings.texts("chroms"), (std::vector<std::string>{"chr2R", "chr3L"}));
    EXPECT_FALSE(settings.to_json(true).contains("commit.seconds"));
    EXPECT_TRUE(settings.to_json(false).contains("commit.seconds"));
}

TEST(Settings, TheTomlNamesEveryKeyAndMarksRequiredOnes) {
    auto const toml = commented_toml(schema(), "a job");
    EXPECT_THAT(toml, testing::HasSubstr("[sites]"));
    EXPECT_THAT(toml, testing::HasSubstr("insertions = 600"));
    EXPECT_THAT(toml, testing::HasSubstr("# file = \"\"  # required"));
    std::vector<SettingSpec> const lists{{"files", SettingKind::texts, {}, "Files."}};
    EXPECT_THAT(commented_toml(lists, "a job"), testing::HasSubstr("# files = []  # required"));
}

}  // namespace
}  // namespace mpira
