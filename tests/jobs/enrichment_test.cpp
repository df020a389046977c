#include "jobs/enrichment.hpp"

#include <cmath>
#include <limits>

#include "jobs/gene_sets.hpp"
#include "tests/genome/files.hpp"

namespace mpira::jobs {
namespace {

using genome::expect_refusal;
using testing::ElementsAre;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(TopGenes, SmallerOfANumberAndAShare) {
    EXPECT_EQ(top_count(20000, 1000, 0.05), 1000);
    EXPECT_EQ(top_count(20001, 1000, 0.05), 1000);
    EXPECT_EQ(top_count(19999, 1000, 0.05), 999);
    EXPECT_EQ(top_count(60, 1000, 0.05), 3);    // 0.05 * 60 is a little more than 3
    EXPECT_EQ(top_count(100, 1000, 0.29), 29);  // 0.29 * 100 is a little less than 29
    EXPECT_EQ(top_count(3, 1000, 0.05), 1);
    EXPECT_EQ(top_count(3, 1000, 1), 3);
    std::vector<double> const values{1, 3, -2, 3, 0.5};
    EXPECT_THAT(top_indices(values, 3), ElementsAre(1, 3, 0));
    EXPECT_THAT(top_indices(values, 5), ElementsAre(1, 3, 0, 4, 2));
    EXPECT_THAT(untied_top_indices(values, 1), ElementsAre());  // two of 3
    EXPECT_THAT(untied_top_indices(values, 2), ElementsAre(1, 3));
    EXPECT_THAT(untied_top_indices(values, 5), ElementsAre(1, 3, 0, 4));  // nothing below 0
    EXPECT_THAT(untied_top_indices(std::vector<double>{0, 0, 2, 0}, 3), ElementsAre(2));
}

TEST(Enrichment, KnownTails) {
    // 5 of 5 drawn from a set of 5 among 50: 1 / C(50, 5).
    EXPECT_NEAR(over_representation(5, 5, 5, 50) * 2118760, 1, 1e-12);
    // The lady tasting tea: 3 or 4 of 4 cups right, 17 / 70.
    EXPECT_NEAR(over_representation(3, 4, 4, 8), 17.0 / 70, 1e-14);
    EXPECT_EQ(over_representation(0, 4, 4, 8), 1);
    EXPECT_EQ(over_representation(5, 4, 9, 20), 0);
    EXPECT_EQ(over_representation(2, 6, 6, 10), 1);  // at least two must be
    EXPECT_LT(over_representation(3, 6, 6, 10), 1);
    EXPECT_EQ(over_representation(1, 0, 5, 10), 0);
    EXPECT_EQ(over_representation(7, 10, 7, 10), 1);
    // Far out, where 1 - cdf would be 0. 1000 of 1000 drawn from a set of 1000 among 20,000: 1 / C(20000,
    // 1000).
    auto const log_choose = std::lgamma(20001.0) - std::lgamma(1001.0) - std::lgamma(19001.0);
    EXPECT_EQ(over_representation(1000, 1000, 1000, 20000), 0);  // 10^-1722 is no double
    EXPECT_LT(-log_choose, std::log(std::numeric_limits<double>::denorm_min()));
    EXPECT_NEAR(std::log(over_representation(100, 100, 100, 20000)),
                -(std::lgamma(20001.0) - std::lgamma(101.0) - std::lgamma(19901.0)), 1e-9);
}

TEST(Enrichment, BenjaminiHochberg) {
    // Sorted 0.01, 0.02, 0.03, 0.5 of 4 tests: 0.04, 0.04, 0.04, 0.5.
    std::vector<double> p{0.5, 0.02, kNan, 0.01, 0.03};
    benjamini_hochberg(p);
    EXPECT_DOUBLE_EQ(p[0], 0.5);
    EXPECT_DOUBLE_EQ(p[1], 0.04);
    EXPECT_TRUE(std::isnan(p[2]));
    EXPECT_DOUBLE_EQ(p[3], 0.04);
    EXPECT_DOUBLE_EQ(p[4], 0.04);
    std::vector<double> ones{1, 1, 0.9};
    benjamini_hochberg(ones);
    EXPECT_THAT(ones, ElementsAre(1, 1, 1));
    std::vector<double> none{kNan};
    benjamini_hochberg(none);
    EXPECT_TRUE(std::isnan(none[0]));
}

TEST(GeneSets, Gmt) {
    genome::Folder const folder;
    auto const sets = read_gmt(folder.write("a.gmt",
                                            "# a comment\n"
                                            "one\thttp://x\tB\tA\tB\t\n"
                                            "\n"
                                            "two\t\tC\tA\r\n"));
    EXPECT_THAT(sets.names, ElementsAre("one", "two"));
    EXPECT_THAT(sets.genes, ElementsAre("B", "A", "C"));
    EXPECT_THAT(sets.members, ElementsAre(ElementsAre(0, 1), ElementsAre(1, 2)));
    auto const refuses = [&](char const* text, std::initializer_list<std::string> fragments) {
        auto const file = folder.write("b.gmt", text);
        expect_refusal([&] { (void)read_gmt(file); }, fragments);
    };
    refuses("one\td\tA\ntwo\td\n", {"b.gmt", "line 2", "2 fields"});
    refuses("one A B\n", {"line 1", "1 field was", "tabs"});
    refuses("one\td\tA\ntwo\td\tB\none\td\tC\n", {"line 3", "'one'", "line 1"});
    refuses("one\td\t\t\n", {"line 1", "'one' has no genes"});
    refuses("\td\tA\n", {"line 1", "no name"});
    refuses("", {"b.gmt", "no gene set"});
}

}  // namespace
}  // namespace mpira::jobs
