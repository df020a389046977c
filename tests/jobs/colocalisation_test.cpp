#include "jobs/colocalisation.hpp"

#include "jobs/correlations.hpp"
#include "tests/genome/files.hpp"

namespace mpira::jobs {
namespace {

using genome::expect_refusal;
using genome::Region;
using testing::ElementsAre;

TEST(Colocalisation, Tiers) {
    EXPECT_THAT(tiers_of(std::vector<double>{5, 9, 1, 7, 3, 8}), ElementsAre(1, 0, 2, 1, 2, 0));
    EXPECT_THAT(tiers_of(std::vector<double>{2, 2, 2}), ElementsAre(1, 1, 1));
    EXPECT_THAT(tiers_of(std::vector<double>{9, 1, 9, 8, 9, 9}), ElementsAre(0, 2, 0, 2, 0, 0));
    EXPECT_THAT(tiers_of(std::vector<double>{4, 3, 2, 1}), ElementsAre(0, 0, 1, 2));
}

TEST(Colocalisation, NinePointsForTwoStrongPeaks) {
    std::vector<TieredPeaks> const peaks{
        {"a", {{0, 0, 10}, {0, 20, 30}, {1, 0, 10}}, {0, 1, 2}},
        {"b", {{0, 9, 21}, {0, 30, 40}, {1, 5, 6}}, {0, 2, 1}},
        {"c", {{0, 100, 200}}, {0}},
    };
    auto const overlaps = overlaps_by_tier(peaks);
    auto const of = [&](std::size_t one, std::size_t other, std::size_t tier, std::size_t others) {
        return overlaps[((one * 3 + other) * kTiers + tier) * kTiers + others];
    };
    EXPECT_EQ(of(0, 1, 0, 0), 1);  // [0, 10) and [9, 21): strong and strong, 9
    EXPECT_EQ(of(0, 1, 1, 0), 1);  // [20, 30) and [9, 21): 6; [20, 30) and [30, 40) share no base
    EXPECT_EQ(of(0, 1, 2, 1), 1);  // on the other chromosome: 2
    EXPECT_EQ(of(1, 0, 0, 1), 1);
    EXPECT_THAT(colocalisation_scores(overlaps, 3), ElementsAre(0, 17, 0, 17, 0, 0, 0, 0, 0));
}

TEST(Colocalisation, Files) {
    genome::Folder const folder;
    genome::ChromSizes const chroms({"chr1"}, {1000});
    folder.write("a.bed", "chr1\t0\t10\tx\t3\nchr1\t20\t30\tx\t9\nchr1\t40\t50\tx\t6\n");
    folder.write("b.narrowPeak",
                 "chr1\t0\t10\tx\t7\t.\t2.5\t-1\t-1\t-1\nchr1\t20\t30\tx\t7\t.\t0.5\t-1\t-1\t-1\n"
                 "chr1\t40\t50\tx\t7\t.\t1.5\t-1\t-1\t-1\n");
    folder.write("few.bed", "chr1\t0\t10\tx\t3\nchr1\t20\t30\tx\t9\n");
    folder.write("bare.bed", "chr1\t0\t10\nchr1\t20\t30\nchr1\t40\t50\n");
    auto const two = folder.write("two.tsv", "# x\nB\tb.narrowPeak\nB2\tb.narrowPeak\n");
    auto const peaks = read_tiered_peaks(two, "signal", chroms);
    ASSERT_EQ(peaks.size(), 2);
    EXPECT_EQ(peaks[0].factor, "B");
    EXPECT_THAT(peaks[0].peaks, ElementsAre(Region{0, 0, 10}, Region{0, 20, 30}, Region{0, 40, 50}));
    EXPECT_THAT(peaks[0].tiers, ElementsAre(0, 2, 1));
    auto const before = hash_tiered_peaks(two);
    folder.write("b.narrowPeak", "chr1\t0\t10\tx\t7\t.\t2.5\t-1\t-1\t-1\n");
    EXPECT_NE(hash_tiered_peaks(two), before);
    auto const refuses = [&](char const* text, char const* column,
                             std::initializer_list<std::string> fragments) {
        auto const wrong = folder.write("list.tsv", text);
        expect_refusal([&] { (void)read_tiered_peaks(wrong, column, chroms); }, fragments);
    };
    refuses("A\ta.bed\n", "score", {"list.tsv", "two factors"});
    refuses("A a.bed\n", "score", {"list.tsv", "line 1", "a tab"});
    refuses("A\ta.bed\nA\ta.bed\n", "score", {"line 2", "'A' is given twice"});
    refuses("A\ta.bed\nB\tbare.bed\n", "score", {"bare.bed", "no scores"});
    refuses("A\ta.bed\nB\ta.bed\n", "signal", {"a.bed", "no signal"});
    refuses("A\tfew.bed\nB\ta.bed\n", "score", {"few.bed", "2 peaks"});
    refuses("A\tnone.bed\nB\ta.bed\n", "score", {"none.bed"});
    folder.write("same.bed", "chr1\t0\t10\tx\t3\nchr1\t20\t30\tx\t3\nchr1\t40\t50\tx\t3\n");
    refuses("A\ta.bed\nB\tsame.bed\n", "score", {"same.bed", "same score"});
}

TEST(Correlations, OfRanksAndValues) {
    auto const both = correlations(std::vector<double>{1, 2, 3, 10}, std::vector<double>{2, 4, 6, 7});
    EXPECT_DOUBLE_EQ(both.spearman, 1);
    EXPECT_NEAR(both.pearson, 22.0 / std::sqrt(50.0 * 14.75), 1e-15);
    auto const flat = correlations(std::vector<double>{1, 1, 1}, std::vector<double>{2, 4, 6});
    EXPECT_TRUE(std::isnan(flat.pearson) && std::isnan(flat.spearman));
}

}  // namespace
}  // namespace mpira::jobs
