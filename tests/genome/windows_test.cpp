#include "mpira/genome/windows.hpp"

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mpira/base/error.hpp"
#include "mpira/base/philox.hpp"

namespace mpira::genome {
namespace {

struct Table {
    std::vector<std::string> names;
    std::vector<std::int32_t> chrom;
    std::vector<std::int64_t> start;
    std::vector<std::int64_t> end;

    [[nodiscard]] RegionColumns columns() const { return {names, chrom, start, end}; }
    void add(std::int32_t on, std::int64_t from, std::int64_t to) {
        chrom.push_back(on);
        start.push_back(from);
        end.push_back(to);
    }
    [[nodiscard]] std::vector<std::uint32_t> all() const {
        std::vector<std::uint32_t> rows(chrom.size());
        std::iota(rows.begin(), rows.end(), 0U);
        return rows;
    }
};

Table evenly(std::int32_t chroms, std::int64_t each, std::int64_t step = 1000) {
    Table table;
    for (std::int32_t c = 0; c < chroms; ++c) {
        table.names.push_back("chr" + std::to_string(c + 1));
        for (std::int64_t i = 0; i < each; ++i) {
            table.add(c, i * step, i * step + 400);
        }
    }
    return table;
}

/// Regions of random length and distance, some nested, with a gap of megabases now and then.
Table random_table(Draws& draws) {
    Table table;
    auto const chroms = 1 + static_cast<std::int32_t>(draws.below(4));
    for (std::int32_t c = 0; c < chroms; ++c) {
        table.names.push_back("chr" + std::to_string(c + 1));
        std::int64_t at = 0;
        for (std::uint64_t i = draws.below(80); i > 0; --i) {
            at += static_cast<std::int64_t>(draws.below(draws.below(20) == 0 ? 300'000 : 20'000));
            table.add(c, at, at + 1 + static_cast<std::int64_t>(draws.below(60'000)));
        }
    }
    return table;
}

TEST(HeldOutInterval, IsReadAndWritten) {
    EXPECT_EQ(parse_held_out("chr2R:1000-2000", "x"), (HeldOutInterval{"chr2R", 1000, 2000}));
    EXPECT_EQ(parse_held_out(" chrX ", "x"), (HeldOutInterval{"chrX", 0, HeldOutInterval::kWhole}));
    EXPECT_EQ(parse_held_out("HLA:01:5-6", "x"), (HeldOutInterval{"HLA:01", 5, 6}));
    for (std::string const text : {"chr2R:1-2", "chr2R"}) {
        EXPECT_EQ(to_text(parse_held_out(text, "x")), text);
    }
}

TEST(HeldOutInterval, RefusesWhatIsNone) {
    for (std::string const text :
         {"", ":1-2", "chr1:", "chr1:5", "chr1:5-5", "chr1:9-5", "chr1:-1-5", "chr1:a-b"}) {
        try {
            parse_held_out(text, "config.toml: folds.test");
            ADD_FAILURE() << text;
        } catch (Error const& error) {
            EXPECT_EQ(error.exit_code(), 2);
            EXPECT_THAT(error.what(), testing::HasSubstr("config.toml: folds.test: '" + text + "'"));
        }
    }
}

TEST(HeldOutRows, CentreAndOverlap) {
    auto const table = evenly(2, 10);  // regions [0, 400), [1000, 1400), ...; centres at 200, 1200, ...
    std::vector<HeldOutInterval> const block{{"chr2", 1300, 3201}};
    std::vector<std::uint8_t> centre(20, 0);
    centre[12] = centre[13] = 1;  // 2200 and 3200
    auto overlap = centre;
    overlap[11] = 1;  // [1000, 1400) meets [1300, ...)
    EXPECT_EQ(held_out_rows(table.columns(), block, Belongs::centre), centre);
    EXPECT_EQ(held_out_rows(table.columns(), block, Belongs::overlap), overlap);
    EXPECT_TRUE(overlaps_any(block, "chr2", 3200, 3300));
    EXPECT_FALSE(overlaps_any(block, "chr2", 3201, 3300));
    EXPECT_FALSE(overlaps_any(block, "chr2", 1000, 1300));
    EXPECT_FALSE(overlaps_any(block, "chr1", 1400, 1500));
}

TEST(HeldOutRows, BlocksByCentreTileTheGenome) {
    Draws draws(3, Stream::tests, 0);
    auto const table = random_table(draws);
    std::vector<int> times(table.chrom.size(), 0);
    for (auto const& name : table.names) {
        for (std::int64_t block = 0; block < 200; ++block) {
            std::vector<HeldOutInterval> const interval{{name, block * 100'000, (block + 1) * 100'000}};
            auto const flags = held_out_rows(table.columns(), interval, Belongs::centre);
            for (std::size_t row = 0; row < flags.size(); ++row) {
                times[row] += flags[row];
            }
        }
    }
    EXPECT_THAT(times, testing::Each(1));
}

TEST(HeldOutRows, ManyIntervalsAreAsEachByItself) {
    Draws draws(5, Stream::tests, 1);
    auto const table = random_table(draws);
    std::vector<HeldOutInterval> intervals;
    for (int i = 0; i < 60; ++i) {
        auto const& name = table.names[static_cast<std::size_t>(draws.uniform() * 0.999 *
                                                                static_cast<double>(table.names.size()))];
        auto const start = static_cast<std::int64_t>(draws.uniform() * 1e7);
        intervals.push_back({name, start, start + 1 + static_cast<std::int64_t>(draws.uniform() * 2e5)});
    }
    for (auto const belongs : {Belongs::centre, Belongs::overlap}) {
        std::vector<std::uint8_t> each(table.chrom.size(), 0);
        for (auto const& interval : intervals) {
            auto const flags = held_out_rows(table.columns(), {&interval, 1}, belongs);
            for (std::size_t row = 0; row < flags.size(); ++row) each[row] |= flags[row];
        }
        EXPECT_EQ(held_out_rows(table.columns(), intervals, belongs), each);
    }
}

TEST(HeldOutRows, UnknownChromosomeIsRefusedByName) {
    auto const table = evenly(2, 10);
    std::vector<HeldOutInterval> const wrong{{"chr12", 0, 5}};
    try {
        (void)held_out_rows(table.columns(), wrong, Belongs::centre);
        FAIL();
    } catch (Error const& error) {
        EXPECT_EQ(error.exit_code(), 2);
        EXPECT_THAT(error.what(), testing::HasSubstr("'chr12'"));
    }
}

TEST(Segments, LieLeftAndRightOfAHeldOutBlock) {
    auto const table = evenly(2, 10);
    std::vector<std::uint8_t> excluded(20, 0);
    excluded[3] = excluded[4] = 1;
    EXPECT_THAT(segments(table.columns(), table.all(), excluded),
                testing::ElementsAre(PlaceRange{0, 3}, PlaceRange{5, 10}, PlaceRange{10, 20}));
    EXPECT_THAT(segments(table.columns(), table.all(), excluded, 4),
                testing::ElementsAre(PlaceRange{5, 10}, PlaceRange{10, 20}));
}

TEST(Segments, AHeldOutRegionCutsAlsoWhereItIsNotChosen) {
    auto const table = evenly(1, 10);
    std::vector<std::uint8_t> excluded(10, 0);
    excluded[4] = 1;
    std::vector<std::uint32_t> const chosen{0, 2, 3, 5, 6, 9};
    EXPECT_THAT(segments(table.columns(), chosen, excluded),
                testing::ElementsAre(PlaceRange{0, 3}, PlaceRange{3, 6}));
}

// The reference dropped closed regions and went on cutting windows by the labels the rows had before, so that
// windows crossed chromosomes and held-out ones were trained on. Whatever is dropped, a window of ours is R
// consecutive chosen regions of one chromosome, without a held-out one, within the span; and none is
// forgotten.
TEST(Windows, NeverCrossAnythingAlsoAfterRowsWereDropped) {
    std::uint64_t windows = 0;
    for (std::uint32_t trial = 0; trial < 300; ++trial) {
        Draws draws(5, Stream::tests, trial);
        auto const table = random_table(draws);
        auto const regions = table.columns();
        std::vector<std::uint32_t> chosen;
        std::uint64_t const kept = draws.below(11);
        for (std::uint32_t row = 0; row < regions.size(); ++row) {
            if (draws.below(10) < kept) {
                chosen.push_back(row);
            }
        }
        std::vector<std::uint8_t> excluded(regions.size(), 0);
        if (regions.size() > 0) {
            std::uint64_t const first = draws.below(regions.size());
            std::uint64_t const end = std::min<std::uint64_t>(regions.size(), first + draws.below(12));
            std::fill(excluded.begin() + static_cast<std::ptrdiff_t>(first),
                      excluded.begin() + static_cast<std::ptrdiff_t>(end), std::uint8_t{1});
        }
        WindowRules const rules{.regions = 1 + draws.below(12), .focus = 0, .max_span_bp = 250'000};

        std::vector<std::uint32_t> found;
        for (auto const& segment : segments(regions, chosen, excluded)) {
            for (auto const start : window_starts(regions, chosen, segment, rules)) {
                found.push_back(start);
            }
        }
        std::vector<std::uint32_t> expected;
        for (std::uint32_t start = 0; start + rules.regions <= chosen.size(); ++start) {
            std::uint32_t const low = chosen[start];
            std::uint32_t const high = chosen[start + rules.regions - 1];
            std::int64_t last_end = 0;
            bool good = true;
            for (std::uint32_t row = low; row <= high; ++row) {
                good = good && table.chrom[row] == table.chrom[low] && excluded[row] == 0;
            }
            for (std::uint64_t i = 0; i < rules.regions; ++i) {
                last_end = std::max(last_end, table.end[chosen[start + i]]);
            }
            if (good && last_end - table.start[low] <= rules.max_span_bp) {
                expected.push_back(start);
            }
        }
        ASSERT_EQ(found, expected) << "trial " << trial;
        windows += found.size();
    }
    EXPECT_GT(windows, 3000U);  // the trials weren't empty
}

TEST(Sites, EveryRegionWithACompleteWindow) {
    auto const table = evenly(3, 10);
    Sites const sites(table.columns(), table.all(), {.regions = 4, .focus = 2}, {});
    ASSERT_EQ(sites.size(), 3U * 7U);
    EXPECT_EQ(sites.focus_row(0), 2U);
    EXPECT_THAT(sites.rows(7), testing::ElementsAre(10, 11, 12, 13));
    EXPECT_EQ(sites.focus_row(7), 12U);
}

TEST(Sites, KeepToChromosomesClassesAndOutsideHeldOutRegions) {
    auto const table = evenly(2, 10);
    std::vector<std::uint8_t> promoter(20, 0);
    promoter[12] = promoter[18] = promoter[5] = 1;
    std::vector<std::uint8_t> excluded(20, 0);
    excluded[17] = 1;
    SiteFilter filter;
    filter.chroms = {"chr2"};
    filter.site_class = promoter;
    filter.classes = {1};
    WindowRules const rules{.regions = 4, .focus = 2};
    Sites const both(table.columns(), table.all(), rules, filter);
    EXPECT_EQ(both.size(), 2U);
    filter.excluded = excluded;
    Sites const sites(table.columns(), table.all(), rules, filter);
    ASSERT_EQ(sites.size(), 1U);  // the window of region 18 holds region 17
    EXPECT_EQ(sites.focus_row(0), 12U);
    EXPECT_THAT(sites.describe(), testing::StartsWith("1 sites: 20 regions, 6 without a complete window"));
}

TEST(Sites, WindowsWiderThanTheSpanAreNone) {
    auto const table = evenly(1, 10, 100'000);
    EXPECT_EQ(
        Sites(table.columns(), table.all(), {.regions = 3, .focus = 1, .max_span_bp = 200'400}, {}).size(),
        8U);
    EXPECT_THROW(Sites(table.columns(), table.all(), {.regions = 3, .focus = 1, .max_span_bp = 200'399}, {}),
                 Error);
}

TEST(Sites, NothingLeftAndWrongRulesAreUsageErrors) {
    auto const table = evenly(1, 3);
    auto const refuses = [&](WindowRules const& rules, SiteFilter const& filter, std::string const& why) {
        try {
            Sites const sites(table.columns(), table.all(), rules, filter);
            ADD_FAILURE() << why;
        } catch (Error const& error) {
            EXPECT_EQ(error.exit_code(), 2);
            EXPECT_THAT(error.what(), testing::HasSubstr(why));
        }
    };
    refuses({.regions = 4, .focus = 2}, {}, "no site is left: 0 sites: 3 regions, 3 without");
    refuses({.regions = 2, .focus = 2}, {}, "focus (2)");
    SiteFilter wrong_chrom;
    wrong_chrom.chroms = {"2"};
    refuses({.regions = 2, .focus = 1}, wrong_chrom, "'2'");
    SiteFilter no_flags;
    no_flags.classes = {1};
    refuses({.regions = 2, .focus = 1}, no_flags, "promoter flags");
}

}  // namespace
}  // namespace mpira::genome
