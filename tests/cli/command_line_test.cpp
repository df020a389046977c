#include "mpira/cli/command_line.hpp"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mpira::cli {
namespace {

using testing::HasSubstr;

Parsed parse(std::vector<char const*> words) {
    words.insert(words.begin(), "mpira");
    return parse_command_line(static_cast<int>(words.size()), words.data());
}

TEST(CommandLine, AJobWithItsOptions) {
    auto const parsed = parse({"synthetic", "--config", "run.toml", "--set", "rows=5", "--set", "seed=2",
                               "--output", "out.h5ad", "--fresh", "--overwrite", "-v"});
    ASSERT_TRUE(parsed.line) << parsed.text;
    EXPECT_EQ(parsed.line->command, Command::run);
    EXPECT_EQ(parsed.line->job, "synthetic");
    EXPECT_EQ(parsed.line->config, "run.toml");
    EXPECT_EQ(parsed.line->overrides, (std::vector<std::string>{"rows=5", "seed=2"}));
    EXPECT_EQ(parsed.line->output, "out.h5ad");
    EXPECT_TRUE(parsed.line->fresh && parsed.line->overwrite && parsed.line->verbose);
}

TEST(CommandLine, OtherCommands) {
    EXPECT_EQ(parse({"status", "x.h5ad"}).line->file, "x.h5ad");
    EXPECT_EQ(parse({"plan", "synthetic", "--ranks", "8"}).line->plan.ranks, 8);
    auto const merge = parse({"merge", "base", "adaptor", "--output", "out"});
    EXPECT_EQ(merge.line->file, "base");
    EXPECT_EQ(merge.line->adaptor, "adaptor");
    EXPECT_EQ(merge.line->output, "out");
    EXPECT_EQ(parse({"simulate", "--ranks", "4,8"}).line->simulate.ranks, (std::vector<std::int64_t>{4, 8}));
    EXPECT_EQ(parse({"config", "synthetic"}).line->job, "synthetic");
}

TEST(CommandLine, WrongWordsAreNamedWithTheNearest) {
    for (auto const& [words, fragment] : std::vector<std::pair<std::vector<char const*>, std::string>>{
             {{"synthetik"}, "did you mean 'synthetic'?"},
             {{"synthetik", "--help"}, "did you mean 'synthetic'?"},
             {{"benhc", "--help"}, "no command 'benhc'"},
             {{}, "which command?"},
             {{"synthetic", "--confg", "x"}, "did you mean '--config'?"},
             {{"status"}, "FILE"},
             {{"completion", "fish"}, "fish"},
             {{"plan", "synthetic", "--ranks", "many"}, "many"},
             {{"synthetic", "--overwrite"}, "--fresh"}}) {
        auto const parsed = parse(words);
        EXPECT_FALSE(parsed.line);
        EXPECT_EQ(parsed.exit_code, 2);
        EXPECT_THAT(parsed.text, HasSubstr(fragment));
    }
}

TEST(CommandLine, ANameToBeMadeIsNeitherEmptyNorAFolderThatOtherFilesAreIn) {
    auto const with = [](char const* output) { return parse({"report", "x.h5ad", "--output", output}); };
    EXPECT_EQ(with("new//").line->output, "new");
    EXPECT_EQ(parse({"split", "--by", "block", "--output", "a/b/"}).line->output, "a/b");
    for (char const* folder : {".", "..", "./", "a/..", "/"}) {
        EXPECT_EQ(with(folder).exit_code, 2) << folder;
        EXPECT_THAT(with(folder).text, HasSubstr("is a folder")) << folder;
    }
    for (std::vector<char const*> const& words :
         {std::vector<char const*>{"synthetic", "--output", ""},
          {"synthetic", "--config", ""},
          {"seal", "x.h5ad", "--output", ""},
          {"report", "x.h5ad", "--output", "r.html", "--tables", ""},
          {"export", "x.h5ad", "--format", "tsv", "--output", ""},
          {"bench", "--folder", ""},
          {"doctor", "--output", ""},
          {"merge", "base", "adaptor", "--output", ""},
          {"regions", "p.bed", "--chrom-sizes", "", "--output", "r.bed"}}) {
        EXPECT_EQ(parse(words).exit_code, 2) << words.front();
        EXPECT_THAT(parse(words).text, HasSubstr("the name is empty")) << words.front();
    }
}

TEST(CommandLine, HelpHasAnExampleForEachCommand) {
    auto const help = parse({"--help"});
    EXPECT_EQ(help.exit_code, 0);
    for (char const* command : {"synthetic", "status", "verify", "seal", "split", "weights", "merge", "plan",
                                "simulate", "bench", "jobs", "config", "doctor", "completion"}) {
        EXPECT_THAT(help.text, HasSubstr(command));
        auto const one = parse({command, "--help"});
        EXPECT_EQ(one.exit_code, 0);
        EXPECT_THAT(one.text, HasSubstr("Example:"));
    }
}

TEST(CommandLine, CompletionKnowsCommandsOptionsAndSettings) {
    for (char const* shell : {"bash", "zsh"}) {
        auto const script = completion_script(shell);
        EXPECT_THAT(script, HasSubstr("synthetic"));
        EXPECT_THAT(script, HasSubstr("--overwrite"));
        EXPECT_THAT(script, HasSubstr("duration.mean_ms="));
        EXPECT_THAT(script, HasSubstr("commit.seconds="));
        EXPECT_THAT(script, HasSubstr("checkpoint.every_s="));
        EXPECT_THAT(script, HasSubstr("folds.ranks_per_fold="));
        EXPECT_THAT(script, HasSubstr(" train folds"));
    }
}

TEST(CommandLine, ANumberIsFinite) {
    for (char const* number : {"nan", "-nan", "inf", "-1", "1e300"}) {
        for (std::vector<char const*> words :
             {std::vector<char const*>{"evaluate", "x", "--output", "y", "--min-barcodes"},
              {"plan", "synthetic", "--rate"},
              {"bench", "--seconds"},
              {"simulate", "--sigma"},
              {"split", "--by", "block", "--output", "y", "--margin-bp"}}) {
            words.push_back(number);
            EXPECT_EQ(parse(words).exit_code, 2) << words.front() << ' ' << number;
        }
    }
    EXPECT_EQ(parse({"plan", "synthetic", "--rate", "2.5"}).line->plan.rate, 2.5);
}

TEST(CommandLine, NumbersOfUnitsMayHaveAnExponent) {
    char const* const words[] = {"mpira", "simulate", "--units", "1e3"};
    auto const parsed = parse_command_line(4, words);
    ASSERT_TRUE(parsed.line) << parsed.text;
    EXPECT_EQ(parsed.line->simulate.units, 1000);
    char const* const wrong[] = {"mpira", "simulate", "--units", "1.5"};
    EXPECT_EQ(parse_command_line(4, wrong).exit_code, 2);
}

}  // namespace
}  // namespace mpira::cli
