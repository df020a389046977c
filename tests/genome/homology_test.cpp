// Chain and net files, and which bins of a genome they join.
#include "mpira/genome/homology.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mpira/base/error.hpp"
#include "mpira/base/philox.hpp"
#include "mpira/genome/alignments.hpp"

#include "support/scratch_folder.hpp"

namespace mpira::genome {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

ChromSizes const kTarget({"chr1", "chr2"}, {1000, 500});
ChromSizes const kQuery({"chr1", "chrB"}, {800, 400});

class Alignments : public testing::Test {
protected:
    std::vector<Alignment> read(std::string const& text) {
        std::vector<Alignment> all;
        report_ = read_alignments(folder_.write("a.txt", text), kTarget, kQuery,
                                  [&](Alignment const& one) { all.push_back(one); });
        return all;
    }
    std::string refusal(std::string const& text) {
        try {
            read(text);
        } catch (Error const& error) {
            EXPECT_EQ(error.exit_code(), 2);
            return error.what();
        }
        return "nothing was refused";
    }

    test::ScratchFolder folder_;
    AlignmentReport report_;
};

TEST_F(Alignments, BlocksOfChainsOnBothStrands) {
    auto const all = read(
        "#comment\n"
        "chain 9 chr1 1000 + 100 190 chrB 400 + 10 90 1\n"
        "30\t10\t0\n50\n\n"
        "chain 8 chr2 500 + 0 40 chr1 800 - 700 750 2\n"
        "20 0 10\n20\n\n"
        "chain 7 chr9 50 + 0 5 chr1 800 + 0 5 3\n5\n");
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all[0].target_chrom, 0);
    EXPECT_EQ(all[0].query_chrom, 1);
    EXPECT_FALSE(all[0].reversed);
    EXPECT_THAT(all[0].pieces, ElementsAre(AlignedPiece{100, 130, 10, 40}, AlignedPiece{140, 190, 40, 90}));
    EXPECT_TRUE(all[1].reversed);
    EXPECT_THAT(all[1].pieces, ElementsAre(AlignedPiece{0, 20, 80, 100}, AlignedPiece{20, 40, 50, 70}));
    EXPECT_EQ(report_.alignments, 2);
    EXPECT_EQ(report_.other_chromosome, 1);
}

TEST_F(Alignments, FillsOfNetsWithoutTheirGaps) {
    auto const all = read(
        "net chr1 1000\n"
        " fill 100 400 chrB + 0 300 id 1 score 5 ali 200\n"
        "  gap 200 150 chrB + 100 20\n"
        "   fill 210 100 chr1 - 500 90 id 2\n"
        "    gap 230 10 chr1 - 560 10\n"
        "  gap 450 10 chrB + 200 0\n"
        " fill 600 10 chrU + 0 10 id 3\n"
        "net chr2 500\n"
        " fill 0 7 chr1 + 3 7 id 4\n");
    ASSERT_EQ(all.size(), 3U);
    EXPECT_TRUE(all[0].reversed) << "the inner fill ends first";
    EXPECT_THAT(all[0].pieces,
                ElementsAre(AlignedPiece{210, 230, 570, 590}, AlignedPiece{240, 310, 500, 560}));
    EXPECT_THAT(all[1].pieces, ElementsAre(AlignedPiece{100, 200, 0, 100}, AlignedPiece{350, 450, 120, 200},
                                           AlignedPiece{460, 500, 200, 300}));
    EXPECT_EQ(all[2].target_chrom, 1);
    EXPECT_THAT(all[2].pieces, ElementsAre(AlignedPiece{0, 7, 3, 10}));
    EXPECT_EQ(report_.other_chromosome, 1);
}

TEST_F(Alignments, RefusalsNameTheLine) {
    std::string const chain = "chain 9 chr1 1000 + 100 190 chrB 400 + 10 90 1\n";
    for (auto const& [text, said] : std::vector<std::pair<std::string, std::string>>{
             {"chr1\t0\t5\n", "line 1"},
             {"chain 9 chr1 1000 + 100 190 chrB\n90\n", "line 1: a chain's header has 12"},
             {"chain 9 chr1 999 + 0 9 chrB 400 + 0 9 1\n9\n", "chr1 has 999 bp here and 1000"},
             {"chain 9 chr1 1000 + 0 9 chrB 401 + 0 9 1\n9\n", "chrB has 401 bp here and 400"},
             {"chain 9 chr1 1000 - 0 9 chrB 400 + 0 9 1\n9\n", "expected +"},
             {"chain 9 chr1 1000 + 0 9 chrB 400 * 0 9 1\n9\n", "strand '*'"},
             {"chain 9 chr1 1000 + 9 9 chrB 400 + 0 9 1\n9\n", "9-9 is no part"},
             {"chain 9 chr1 1000 + 0 9 chrB 400 + 0 401 1\n9\n", "0-401 is no part"},
             {chain + "30 10 0\n51\n", "line 3: the blocks go past the end"},
             {chain + "30 10 0\n49\n", "line 3: the blocks end at 189 and 89, line 1 says 190 and 90"},
             {chain + "30 10 0\n" + chain, "chain of line 1 has no last block"},
             {chain + "30 10 0\n", "has no last block"},
             {chain + "30 10\n", "found 2 fields"},
             {chain + "x\n", "line 2: the size of the block 'x'"},
             {chain + "-5\n", "'-5' is not an integer, 0 or more"},
             {chain + "30 9223372036854775807 0\n5\n", "go past the end"},
             {chain + "30 10 0\n50\n60\n", "line 4: '60' is no chain"},
             {"net chr1\n", "a net line has"},
             {"net chr1 999\n", "chr1 has 999 bp here"},
             {"net chr1 1000\n fill 0 9 chrB + 0\n", "line 2: a fill has 7"},
             {"net chr1 1000\n fill 995 9 chrB + 0 9\n", "go past the end of the chromosome"},
             {"net chr1 1000\n fill 0 9 chrB + 395 9\n", "past the end of chrB"},
             {"net chr1 1000\n gap 0 9 chrB + 0 9\n", "line 2: a gap outside of any fill"},
             {"net chr1 1000\n fill 10 9 chrB + 0 9\n  gap 9 2 chrB + 0 0\n",
              "line 3: this gap lies outside"},
             {"net chr1 1000\n fill 10 9 chrB + 0 9\n  gap 12 2 chrB + 8 2\n", "line 3: in the query"},
             {"net chr1 1000\n fill 0 9 chrB + 0 9\n  hole 1 2 chrB + 0 0\n", "'hole' is none of"},
             {"net chr1 1000\n", "no alignment"},
             {"#\n\n", "a.txt: holds no alignment"},
             {"chain 9 1 1000 + 0 9 chrB 400 + 0 9 1\n9\n",
              "'1' is not among those that have one, 'chr1'"}}) {
        EXPECT_THAT(refusal(text), testing::AllOf(HasSubstr("a.txt"), HasSubstr(said))) << text;
    }
}

TEST(BinsOfAGenome, AreNumberedThroughChromosomes) {
    Bins const bins(ChromSizes({"a", "b"}, {1000, 250}), 300);
    ASSERT_EQ(bins.size(), 5U);
    EXPECT_EQ(bins.region(3), (Region{0, 900, 1000}));
    EXPECT_EQ(bins.region(4), (Region{1, 0, 250}));
    EXPECT_EQ(bins.at(0, 899), 2U);
    EXPECT_EQ(bins.at(1, 0), 4U);
}

TEST(HomologousBins, AnAlignmentJoinsOnlyWhereItIsLongEnough) {
    test::ScratchFolder const folder;
    ChromSizes const chroms({"c"}, {1000});
    // 60 bases of bin 0 lie in bin 5 and 40 in bin 6; another 40 of bin 0 in bin 6 by an alignment of their
    // own.
    auto const file = folder.write("self.chain",
                                   "chain 1 c 1000 + 0 100 c 1000 + 540 640 1\n100\n\n"
                                   "chain 1 c 1000 + 0 40 c 1000 + 640 680 2\n40\n");
    auto const at = [&](std::int64_t least) {
        return homologous_bins(file, chroms, nullptr, 100, least).target;
    };
    EXPECT_THAT(at(60), ElementsAre(0, 1, 2, 3, 4, 0, 5, 6, 7, 8));
    EXPECT_THAT(at(40), ElementsAre(0, 1, 2, 3, 4, 0, 0, 5, 6, 7));
    EXPECT_THAT(at(61), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
    auto const found = homologous_bins(file, chroms, nullptr, 100, 40);
    EXPECT_EQ(found.components, 8U);
    EXPECT_EQ(found.largest, 3U);
    EXPECT_EQ(found.joined, 3U);
    // Two genomes: the query's bins are others, though they have the same name.
    auto const both = homologous_bins(file, chroms, &chroms, 100, 60);
    EXPECT_THAT(both.target, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
    EXPECT_THAT(both.query, ElementsAre(10, 11, 12, 13, 14, 0, 15, 16, 17, 18));
}

TEST(HomologousBins, PiecesOfANetAreDrawnEvenly) {
    test::ScratchFolder const folder;
    ChromSizes const chroms({"c"}, {1000});
    // 100 bases over 200: half of them in either bin. And 200 over 100, counted as 100.
    auto const file = folder.write("self.net",
                                   "net c 1000\n fill 0 100 c + 500 200\n"
                                   " fill 200 200 c - 900 100\n");
    EXPECT_THAT(homologous_bins(file, chroms, nullptr, 100, 50).target,
                ElementsAre(0, 1, 2, 2, 3, 0, 0, 4, 5, 2));
    EXPECT_EQ(homologous_bins(file, chroms, nullptr, 100, 51).components, 10U);
}

TEST(HomologousBins, EqualBasesCountedOneByOne) {
    test::ScratchFolder const folder;
    std::vector<std::string> const names{"a", "b", "c"};
    ChromSizes const chroms(names, {1234, 770, 95});
    std::int64_t const bin_bp = 100;
    Bins const bins(chroms, bin_bp);
    Draws draws(11, Stream::tests, 0);
    auto const below = [&](std::int64_t bound) {
        return static_cast<std::int64_t>(draws.uniform() * static_cast<double>(bound));
    };
    std::string text;
    std::vector<std::map<std::pair<std::uint32_t, std::uint32_t>, std::int64_t>> counted;
    for (int chain = 0; chain < 40; ++chain) {
        auto const t = static_cast<std::int32_t>(below(3)), q = static_cast<std::int32_t>(below(3));
        auto const t_size = chroms.length(t), q_size = chroms.length(q);
        bool const reversed = draws.uniform() < 0.5;
        auto const t_start = below(t_size - 30), q_start = below(q_size - 30);
        auto t_at = t_start, q_at = q_start;
        auto& counts = counted.emplace_back();
        std::string blocks;
        for (bool last = false; !last;) {
            auto const room = std::min(t_size - t_at, q_size - q_at);
            auto const size = 1 + below(std::min<std::int64_t>(room, 150));
            for (std::int64_t i = 0; i < size; ++i) {
                auto const q_base = reversed ? q_size - 1 - (q_at + i) : q_at + i;
                ++counts[{bins.at(t, t_at + i), bins.at(q, q_base)}];
            }
            t_at += size;
            q_at += size;
            auto const dt = below(20), dq = below(20);
            last = t_at + dt >= t_size || q_at + dq >= q_size || draws.uniform() < 0.2;
            blocks += last ? fmt::format("{}\n\n", size) : fmt::format("{}\t{}\t{}\n", size, dt, dq);
            if (!last) {
                t_at += dt;
                q_at += dq;
            }
        }
        text += fmt::format("chain 1 {} {} + {} {} {} {} {} {} {} {}\n{}", names[static_cast<std::size_t>(t)],
                            t_size, t_start, t_at, names[static_cast<std::size_t>(q)], q_size,
                            reversed ? '-' : '+', q_start, q_at, chain, blocks);
    }
    auto const file = folder.write("self.chain", text);
    for (std::int64_t const least : {1, 30, 60, 90}) {
        std::vector<std::uint32_t> label(bins.size());
        std::iota(label.begin(), label.end(), 0U);
        for (auto const& counts : counted) {
            for (auto const& [pair, bases] : counts) {
                if (bases < least) continue;
                auto const [low, high] = std::minmax(label[pair.first], label[pair.second]);
                std::ranges::replace(label, std::uint32_t{high}, std::uint32_t{low});
            }
        }
        auto const found = homologous_bins(file, chroms, nullptr, bin_bp, least);
        for (std::uint32_t a = 0; a < bins.size(); ++a) {
            for (std::uint32_t b = 0; b < a; ++b) {
                EXPECT_EQ(found.target[a] == found.target[b], label[a] == label[b]) << a << ' ' << b;
            }
        }
        EXPECT_EQ(found.components, std::set(label.begin(), label.end()).size());
    }
}

}  // namespace
}  // namespace mpira::genome
