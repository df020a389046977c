// Designs of a split, and fold files: ChromBPNet's and ours.
#include "mpira/train/split.hpp"

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "mpira/base/error.hpp"
#include "mpira/base/philox.hpp"
#include "mpira/train/fold_file.hpp"
#include "mpira/train/schema.hpp"
#include "mpira/train/settings.hpp"
#include "mpira/train/window_plan.hpp"

#include "support/scratch_folder.hpp"

namespace mpira::train {
namespace {

using genome::ChromSizes;
using genome::HeldOutInterval;
using genome::Region;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string message_of(auto&& call) {
    try {
        call();
    } catch (Error const& error) {
        EXPECT_EQ(error.origin(), Origin::usage);
        return error.what();
    }
    return "nothing was refused";
}

/// Regions of 300 bp at random places.
SplitGenome random_genome(std::uint64_t seed) {
    Draws draws(seed, Stream::tests, 0);
    SplitGenome genome{
        .chroms = ChromSizes({"chr1", "chr2", "chr3", "chr4"}, {90'000, 50'000, 25'500, 7'000}),
        .regions = {}};
    std::set<Region> regions;
    for (int i = 0; i < 400; ++i) {
        auto const chrom = static_cast<std::int32_t>(draws.uniform() * 3);  // none on chr4
        auto const start = static_cast<std::int64_t>(draws.uniform() *
                                                     static_cast<double>(genome.chroms.length(chrom) - 300));
        regions.insert({chrom, start, start + 300});
    }
    genome.regions.assign(regions.begin(), regions.end());
    return genome;
}

/// Nothing but places of that use is in a window of that use.
void expect_pure_windows(genome::RegionColumns const& regions, std::vector<std::uint32_t> const& rows,
                         std::vector<Use> const& uses) {
    WindowPlan const plan(regions, rows, runs_of(regions, rows, uses, Use::train), 7, 5'000'000);
    for (std::uint32_t epoch = 0; epoch < 3; ++epoch) {
        for (auto const& window : plan.epoch(0, epoch)) {
            for (auto place = window.first; place < window.end; ++place) {
                EXPECT_EQ(uses[place], Use::train);
            }
        }
    }
}

/// The uses of all regions of a genome.
std::vector<Use> uses_of(SplitGenome const& genome, Holdout const& fold) {
    std::vector<std::int32_t> chrom;
    std::vector<std::int64_t> start;
    std::vector<std::int64_t> end;
    std::vector<std::uint32_t> all;
    for (auto const& region : genome.regions) {
        all.push_back(static_cast<std::uint32_t>(all.size()));
        chrom.push_back(region.chrom);
        start.push_back(region.start);
        end.push_back(region.end);
    }
    genome::RegionColumns const columns{genome.chroms.names(), chrom, start, end};
    auto uses = assign_uses(columns, all, fold);
    expect_pure_windows(columns, all, uses);
    return uses;
}

TEST(SplitUnits, ChromosomesAndBlocksCountRegionsByTheirCentres) {
    SplitGenome const genome{.chroms = ChromSizes({"a", "b"}, {2500, 900}),
                             .regions = {{0, 800, 1198}, {0, 900, 1100}, {0, 2400, 2500}}};
    auto const chromosomes = chromosome_units(genome);
    ASSERT_EQ(chromosomes.size(), 2U);
    EXPECT_EQ(chromosomes[0].regions, 3U);
    EXPECT_EQ(chromosomes[1].bases, 900);
    auto const blocks = block_units(genome, 1000);
    ASSERT_EQ(blocks.size(), 4U);
    EXPECT_EQ(blocks[0].name, "a_block0");
    EXPECT_EQ(blocks[2].name, "a_block2");
    EXPECT_EQ(blocks[2].pieces, (std::vector<Region>{{0, 2000, 2500}}));
    EXPECT_EQ(blocks[0].regions, 1U);
    EXPECT_EQ(blocks[1].regions, 1U) << "a centre on the border belongs to the later block";
    EXPECT_EQ(without_empty(blocks).size(), 3U);
    EXPECT_EQ(without_empty(block_units({.chroms = genome.chroms, .regions = {}}, 1000)).size(), 4U);
}

TEST(Deal, LargestFirstToTheLightest) {
    std::vector<SplitUnit> units;
    for (std::uint64_t const regions : {1, 9, 4, 4, 0, 6}) {
        units.push_back({.name = "", .pieces = {}, .cell_types = {}, .regions = regions, .bases = 10});
    }
    EXPECT_THAT(deal(units, 2), ElementsAre(1, 0, 1, 0, 1, 1));
    for (auto& unit : units) unit.regions = 0;
    EXPECT_THAT(deal(units, 3), ElementsAre(0, 1, 2, 0, 1, 2));
}

TEST(MakeFolds, AnyDesignIsAPartitionAndKeepsItsMargin) {
    auto const genome = random_genome(1);
    auto const blocks = block_units(genome, 10'000);
    auto const five = merged(blocks, deal(blocks, 5), 5);
    std::uint64_t most = 0;
    std::uint64_t fewest = genome.regions.size();
    for (auto const& fold : five) {
        most = std::max(most, fold.regions);
        fewest = std::min(fewest, fold.regions);
    }
    EXPECT_LT(most - fewest, 20U);
    for (auto const& units : {without_empty(chromosome_units(genome)), without_empty(blocks), five}) {
        for (std::int64_t const margin : {0, 700}) {
            auto const folds = make_folds(units, genome.chroms, {.margin_bp = margin});
            ASSERT_EQ(folds.size(), units.size());
            std::vector<int> tested(genome.regions.size());
            for (std::size_t f = 0; f < folds.size(); ++f) {
                auto const uses = uses_of(genome, *folds[f].file);
                auto const& next = units[(f + 1) % units.size()];
                for (std::size_t row = 0; row < uses.size(); ++row) {
                    auto const& region = genome.regions[row];
                    auto const holds = [&](SplitUnit const& unit) {
                        return std::ranges::any_of(unit.pieces, [&](Region const& piece) {
                            return piece.chrom == region.chrom && region.centre() >= piece.start &&
                                   region.centre() < piece.end;
                        });
                    };
                    auto const is_near = [&](SplitUnit const& unit) {
                        return std::ranges::any_of(unit.pieces, [&](Region const& piece) {
                            return piece.chrom == region.chrom && region.start < piece.end + margin &&
                                   region.end > piece.start - margin;
                        });
                    };
                    bool const test = uses[row] == Use::test;
                    bool const validation = uses[row] == Use::validation;
                    bool const train = uses[row] == Use::train;
                    tested[row] += test ? 1 : 0;
                    EXPECT_EQ(test, holds(units[f]));
                    EXPECT_FALSE((train || validation) && is_near(units[f]));
                    EXPECT_FALSE(validation && !holds(next));
                    EXPECT_FALSE(train && holds(next));
                }
            }
            EXPECT_THAT(tested, ::testing::Each(1));
        }
    }
}

TEST(MakeFolds, WholeChromosomesAreWrittenAsChromBpnetHasThem) {
    auto const genome = random_genome(2);
    auto const folds = make_folds(without_empty(chromosome_units(genome)), genome.chroms, {});
    ASSERT_EQ(folds.size(), 3U);
    EXPECT_EQ(folds[1].name, "chr2");
    auto const file = nlohmann::json::parse(fold_file_text(*folds[1].file, nullptr));
    EXPECT_EQ(file,
              nlohmann::json::parse(R"({"train": ["chr1", "chr4"], "valid": ["chr3"], "test": ["chr2"]})"));
    auto const without_valid =
        make_folds(chromosome_units(genome), genome.chroms, {.margin_bp = 0, .validates = false});
    EXPECT_THAT(without_valid[3].file->validation, IsEmpty());
    // A colon in a name would make it look like an interval.
    ChromSizes const odd({"HLA:01", "b", "c"}, {100, 200, 300});
    auto const named = make_folds(chromosome_units({.chroms = odd, .regions = {}}), odd, {});
    EXPECT_EQ(named[0].name, "HLA_01");
    EXPECT_THAT(named[0].file->test, ElementsAre(HeldOutInterval{"HLA:01", 0, 100}));
}

TEST(MakeFolds, RefusalsSayWhatIsMissing) {
    auto const genome = random_genome(3);
    auto const units = chromosome_units(genome);
    std::vector<SplitUnit> const two(units.begin(), units.begin() + 2);
    auto const said = [&](std::vector<SplitUnit> const& some, SplitRules const& rules) {
        return message_of([&] { return make_folds(some, genome.chroms, rules); });
    };
    EXPECT_THAT(said(two, {}), AllOf(HasSubstr("3 folds"), HasSubstr("--no-valid")));
    EXPECT_THAT(said({two[0]}, {.margin_bp = 0, .validates = false}), HasSubstr("2 folds"));
    EXPECT_THAT(said(block_units(genome, 1000), {.margin_bp = 5000}), HasSubstr("validation"));
    std::vector<SplitUnit> const same{{.name = "a b", .pieces = {}, .cell_types = {"x"}},
                                      {.name = "a_b", .pieces = {}, .cell_types = {"y"}},
                                      {.name = "c", .pieces = {}, .cell_types = {"z"}}};
    EXPECT_THAT(message_of([&] { return make_cell_type_folds(same, true); }), HasSubstr("a_b.json"));
    std::vector<std::string> const names{"chrom1"};
    std::vector<std::int32_t> const chrom{0};
    std::vector<std::int64_t> const start{3};
    std::vector<std::int64_t> const end{9};
    genome::RegionColumns const regions{names, chrom, start, end};
    EXPECT_THAT(message_of([&] { return SplitGenome::of(regions, ChromSizes({"chr1"}, {50})); }),
                AllOf(HasSubstr("'chrom1'"), HasSubstr("chrom1:3-9")));
    EXPECT_THAT(message_of([&] { return SplitGenome::of(regions, ChromSizes({"chrom1"}, {8})); }),
                HasSubstr("8 bp"));
}

class FoldFiles : public ::testing::Test {
protected:
    Holdout read(std::string const& text) { return read_fold_file(folder_.write("f.json", text)); }
    std::string refusal(std::string const& text) {
        return message_of([&] { return read(text); });
    }
    test::ScratchFolder folder_;
};

TEST_F(FoldFiles, WhatIsWrittenIsReadAgain) {
    auto const genome = random_genome(4);
    auto const blocks = block_units(genome, 10'000);
    for (auto const& fold :
         make_folds(merged(blocks, deal(blocks, 4), 4), genome.chroms, {.margin_bp = 150})) {
        auto const again = read(fold_file_text(*fold.file, {{"by", "block"}}));
        EXPECT_EQ(again.test, fold.file->test);
        EXPECT_EQ(again.validation, fold.file->validation);
        EXPECT_EQ(again.train, fold.file->train);
        EXPECT_EQ(again.margin_bp, 150);
    }
    auto const types = make_cell_type_folds(cell_type_units({"A", "B \"x\"", "C", "D"}), true);
    auto const again = read(fold_file_text(*types[3].file, nullptr));
    EXPECT_THAT(again.test_cell_types, ElementsAre("D"));
    EXPECT_THAT(again.validation_cell_types, ElementsAre("A"));
    EXPECT_THAT(again.train_cell_types, ElementsAre("B \"x\"", "C"));
    EXPECT_FALSE(again.test.size() + again.train.size() > 0);
    auto wrong = *types[0].file;
    wrong.test_cell_types = {"\xff"};
    EXPECT_THAT(message_of([&] { return fold_file_text(wrong, nullptr); }), HasSubstr("UTF-8"));
}

TEST_F(FoldFiles, RefusalsNameFileAndKey) {
    for (auto const& [text, said] : std::vector<std::pair<std::string, std::string>>{
             {"{\"train\": [", "is no JSON"},
             {"[]", "is array, expected an object"},
             {R"({"train": ["a"], "vald": ["b"], "test": ["c"]})",
              "\"vald\" is no key of a fold file, did you mean 'valid'?"},
             {R"({"train": "a", "valid": ["b"], "test": ["c"]})", "\"train\" is string"},
             {R"({"train": ["a"], "valid": [3], "test": ["c"]})", "\"valid\" holds number"},
             {R"({"train": ["a"], "valid": ["b:5"], "test": ["c"]})", "\"valid\": 'b:5' is no interval"},
             {R"({"train": ["a"], "valid": ["b"]})", "\"test\" is missing"},
             {R"({"train": ["a"], "valid": ["b"], "test": []})", "\"test\" is missing or empty"},
             {R"({"valid": ["b"], "test": ["c"]})", "\"train\" is missing"},
             {R"({"train": ["a", "c"], "valid": ["b"], "test": ["c:5-9"]})", "overlaps c of \"train\""},
             {R"({"train": ["a"], "valid": ["c:0-9", "c:20-30"], "test": ["c:9-20", "c:25-26"]})",
              "\"test\" has c:25-26, which overlaps c:20-30 of \"valid\""},
             {R"({"train": ["a"], "test": ["c"], "margin_bp": -1})", "\"margin_bp\" is -1"},
             {R"({"train": ["a"], "test": ["c"], "margin_bp": 0.5})", "\"margin_bp\" is 0.5"},
             {R"({"train": ["a"], "test": ["c"], "margin_bp": "5"})", "\"margin_bp\""},
             {R"({"cell_types": []})", "\"cell_types\" is array"},
             {R"({"cell_types": {"tests": ["A"]}})", "\"cell_types.tests\""},
             {R"({"cell_types": {"valid": ["A"], "train": ["B"]}})", "\"test\" is missing"},
             {R"({"cell_types": {"test": ["A"]}})", "\"cell_types.train\" is missing"},
             {R"({"cell_types": {"test": ["A"], "train": ["B", "A"]}})", "has 'A' in train and in test"},
             {R"({"train": ["a"], "test": ["c"], "cell_types": {"valid": ["A"]}})", "\"cell_types.test\""}}) {
        EXPECT_THAT(refusal(text), AllOf(HasSubstr("f.json"), HasSubstr(said))) << text;
    }
    EXPECT_THAT(message_of([&] { return read_fold_file(folder_ / "none.json"); }), HasSubstr("none.json"));
}

TEST_F(FoldFiles, AFolderIsItsFiles) {
    for (char const* name : {"fold_10", "fold_2", "fold_1"}) {
        folder_.write(std::string(name) + ".json", R"({"train": ["a"], "valid": ["b"], "test": ["c"]})");
    }
    folder_.write("notes.txt", "not a fold");
    auto const folds = read_folds(folder_.path());
    ASSERT_EQ(folds.size(), 3U);
    EXPECT_EQ(folds[0].name, "fold_1");
    EXPECT_EQ(folds[2].name, "fold_10");
    EXPECT_EQ(find_fold(folds, "fold_2", "here"), 1U);
    EXPECT_THAT(message_of([&] { return find_fold(folds, "", "here"); }), HasSubstr("fold_1, fold_2"));
    auto const one = read_folds(folder_ / "fold_2.json");
    EXPECT_EQ(find_fold(one, "", "here"), 0U);
    EXPECT_THAT(one[0].intervals, ElementsAre(HeldOutInterval{"c"}));
    test::ScratchFolder const empty;
    EXPECT_THAT(message_of([&] { return read_folds(empty.path()); }), HasSubstr("no fold file"));
}

TEST_F(FoldFiles, SettingsTakeThem) {
    auto const genome = random_genome(5);
    auto const file = folder_.write(
        "f.json",
        R"({"train": ["chr1"], "valid": ["chr2:0-30000"], "test": ["chr3", "chrY"], "margin_bp": 200})");
    auto const schema = train_schema();
    Settings settings(schema, "test.toml");
    settings.set("holdout.folds", file.string(), "test");
    settings.set("holdout.margin_bp", std::int64_t{50}, "test");
    std::vector<std::string> const names(genome.chroms.names().begin(), genome.chroms.names().end());
    genome::RegionColumns const columns{names, {}, {}, {}};
    auto const taken = holdout_of(settings, columns);
    EXPECT_THAT(taken.test, ElementsAre(HeldOutInterval{"chr3"}));
    EXPECT_THAT(taken.validation, ElementsAre(HeldOutInterval{"chr2", 0, 30000}));
    EXPECT_THAT(taken.train, ElementsAre(HeldOutInterval{"chr1"}));
    EXPECT_THAT(taken.unknown_chroms, ElementsAre("chrY"));
    EXPECT_EQ(taken.margin_bp, 200);
    auto const uses = uses_of(genome, taken);
    for (std::size_t row = 0; row < uses.size(); ++row) {
        auto const& region = genome.regions[row];
        bool const rest = region.chrom == 1 && region.centre() >= 30000;
        auto const expected = region.chrom == 0   ? Use::train
                              : region.chrom == 2 ? Use::test
                              : rest              ? Use::edge
                                                  : Use::validation;
        EXPECT_EQ(uses[row], expected);
    }
    settings.set("validation.mode", std::string("none"), "test");
    EXPECT_FALSE(holdout_of(settings, columns).has_validation());
    settings.set("validation.mode", std::string("regions"), "test");
    settings.set("validation.regions", std::vector<std::string>{"chr4"}, "test");
    EXPECT_THAT(holdout_of(settings, columns).validation, ElementsAre(HeldOutInterval{"chr4"}));
    settings.set("holdout.fold", std::string("g"), "test");
    EXPECT_THAT(message_of([&] { return holdout_of(settings, columns); }),
                AllOf(HasSubstr("holdout.fold"), HasSubstr("no fold 'g'")));
    settings.set("holdout.fold", std::string(), "test");
    folder_.write("f.json", R"({"train": ["chr1"], "valid": ["2"], "test": ["3"]})");
    EXPECT_THAT(message_of([&] { return holdout_of(settings, columns); }),
                AllOf(HasSubstr("f: \"test\""), HasSubstr("'3'"), HasSubstr("chr1, chr2")));
}

}  // namespace
}  // namespace mpira::train
