#include "mpira/atlas/accessibility.hpp"

#include <algorithm>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mpira/base/error.hpp"
#include "mpira/base/philox.hpp"

#include "support/scratch_folder.hpp"

namespace mpira::atlas {
namespace {

genome::ChromSizes const kChroms({"chr1", "chr2"}, {10000, 5000});

template <typename Call>
void refused(Call&& call, std::vector<std::string> const& parts) {
    try {
        call();
        ADD_FAILURE() << "not refused: " << parts.front();
    } catch (Error const& error) {
        EXPECT_EQ(error.exit_code(), 2);
        for (auto const& part : parts) {
            EXPECT_THAT(error.what(), testing::HasSubstr(part));
        }
    }
}

std::vector<genome::Region> random_regions(Draws& draws, std::uint64_t count) {
    std::vector<genome::Region> regions;
    for (std::uint64_t i = 0; i < count; ++i) {
        auto const start = static_cast<std::int64_t>(draws.below(1000));
        auto const length = 1 + static_cast<std::int64_t>(draws.below(draws.below(5) == 0 ? 500 : 20));
        regions.push_back({static_cast<std::int32_t>(draws.below(3)), start, start + length});
    }
    std::ranges::sort(regions);
    return regions;
}

TEST(OverlapFlags, EqualComparingAllPairs) {
    for (std::uint32_t trial = 0; trial < 200; ++trial) {
        Draws draws(1, Stream::tests, trial);
        auto const regions = random_regions(draws, draws.below(40));
        auto const intervals = random_regions(draws, draws.below(15));
        std::vector<bool> expected;
        for (auto const& region : regions) {
            expected.push_back(std::ranges::any_of(intervals, [&](genome::Region const& interval) {
                return interval.chrom == region.chrom && interval.start < region.end &&
                       interval.end > region.start;
            }));
        }
        EXPECT_EQ(overlap_flags(regions, intervals), expected) << trial;
    }
}

class AccessibilityFiles : public testing::Test {
protected:
    test::ScratchFolder folder_;
    std::vector<genome::Region> regions_{{0, 100, 200}, {0, 300, 400}, {1, 0, 50}};
    std::vector<std::string> names_{"a", "b", "c"};

    [[nodiscard]] static std::vector<float> all(Accessibility const& accessibility, std::uint64_t first,
                                                std::uint64_t count) {
        std::vector<float> values(count * accessibility.cell_types().size(), -1);
        accessibility.read(first, values);
        return values;
    }
};

TEST_F(AccessibilityFiles, PeakFilesTouchByOneBase) {
    auto const kc = folder_.write("kc.bed", "chr1\t199\t300\nchr2\t49\t60\n");
    auto const mbn = folder_.write("mbn.bed", "chr1\t200\t301\n");
    std::vector<std::string> const items{"Kc=" + kc.string(), "Mbn2=" + mbn.string()};
    auto const accessibility = Accessibility::from_beds(items, kChroms, regions_, "accessibility.beds");
    EXPECT_THAT(accessibility.cell_types(), testing::ElementsAre("Kc", "Mbn2"));
    EXPECT_THAT(all(accessibility, 0, 3), testing::ElementsAre(1, 0, 0, 1, 1, 0));
    EXPECT_THAT(all(accessibility, 1, 1), testing::ElementsAre(0, 1));
}

TEST_F(AccessibilityFiles, WrongPeakFilesAreRefused) {
    auto const good = folder_.write("good.bed", "chr1\t100\t101\n").string();
    auto const empty = folder_.write("far.bed", "chr1\t5000\t6000\n").string();
    auto const from = [&](std::vector<std::string> const& items) {
        return [this, items] {
            Accessibility::from_beds(items, kChroms, regions_, "c.toml: accessibility.beds");
        };
    };
    refused(from({good}), {"c.toml: accessibility.beds", "name=path.bed"});
    refused(from({"=" + good}), {"name=path.bed"});
    refused(from({"Kc=" + good, "Kc=" + good}), {"'Kc' is named twice"});
    refused(from({"Kc=" + empty}), {"no region overlaps a peak of 'Kc'", "far.bed"});
    refused(from({"Kc=" + good + ".not"}), {"good.bed.not"});
}

TEST_F(AccessibilityFiles, TableInAnyOrder) {
    auto const table = folder_.write("t.tsv", "region\tKc\tMbn2\nc\t0.5\t0\nb\t0\t2e1\r\na\t3\t1\n\n");
    auto const accessibility = Accessibility::from_table(table, kChroms, regions_, names_);
    EXPECT_THAT(accessibility.cell_types(), testing::ElementsAre("Kc", "Mbn2"));
    EXPECT_THAT(all(accessibility, 0, 3), testing::ElementsAre(3, 1, 0, 20, 0.5, 0));
    EXPECT_THAT(all(accessibility, 2, 1), testing::ElementsAre(0.5, 0));

    auto const by_place = folder_.write("p.tsv", "\tKc\nchr1:300-400\t1\nchr2:0-50\t2\nchr1:100-200\t3");
    EXPECT_THAT(all(Accessibility::from_table(by_place, kChroms, regions_, {}), 0, 3),
                testing::ElementsAre(3, 1, 2));
    auto const columns = folder_.write(
        "c.tsv", "#chrom\tstart\tend\tKc\nchr2\t0\t50\t2\nchr1\t100\t200\t3\nchr1\t300\t400\t1\n");
    EXPECT_THAT(all(Accessibility::from_table(columns, kChroms, regions_, names_), 0, 3),
                testing::ElementsAre(3, 1, 2));
}

TEST_F(AccessibilityFiles, WrongTablesAreRefusedByLine) {
    auto const from = [&](std::string const& name, std::string const& text) {
        auto const path = folder_.write(name, text);
        return [this, path] { Accessibility::from_table(path, kChroms, regions_, names_); };
    };
    refused(from("1.tsv", "region\n"), {"1.tsv, line 1", "no column"});
    refused(from("2.tsv", "r\tKc\tKc\na\t1\t1\n"), {"2.tsv", "'Kc' is named twice"});
    refused(from("3.tsv", "r\tKc\na\t1\t2\n"), {"3.tsv, line 2", "3 fields; the header has 2"});
    refused(from("4.tsv", "r\tKc\na\t1\nx\t2\n"), {"4.tsv, line 3", "'x' is none of the regions", "'a'"});
    refused(from("5.tsv", "r\tKc\na\t1\nb\t1\na\t2\n"), {"5.tsv, line 4", "'a' was given before"});
    refused(from("6.tsv", "r\tKc\na\t1\nb\t1\n"), {"6.tsv", "no line for region 'c'"});
    for (std::string const wrong : {"-1", "nan", "x", "", "1e99"}) {
        refused(from("7.tsv", "r\tKc\na\t" + wrong + "\n"), {"7.tsv, line 2", "'" + wrong + "'"});
    }
    std::string const header = "chrom\tstart\tend\tKc\n";
    refused(from("10.tsv", "chrom\tstart\tend\n"), {"10.tsv, line 1", "no column"});
    refused(from("11.tsv", header + "chr1\t100\t201\t1\n"),
            {"11.tsv, line 2", "'chr1 100 201'", "'chr1 100 200'"});
    refused(from("12.tsv", header + "chr1\t100\tx\t1\n"), {"12.tsv, line 2", "'chr1 100 x'"});
    refused(from("13.tsv", header + "chr1\t100\t200\t1\nchr1\t100\t200\t1\n"), {"13.tsv, line 3", "before"});
    refused(from("14.tsv", "r\tKc\t\na\t1\t1\n"), {"14.tsv, line 1", "without a name"});
    refused(from("8.tsv", "r\tKc\tMbn2\na\t1\t0\nb\t1\t0\nc\t1\t0\n"), {"8.tsv", "accessible in 'Mbn2'"});
    refused(from("9.tsv", ""), {"9.tsv", "header"});
}

}  // namespace
}  // namespace mpira::atlas
