#include "jobs/agreement.hpp"

#include <cmath>
#include <limits>

#include "tests/genome/files.hpp"

namespace mpira::jobs {
namespace {

using genome::expect_refusal;
using testing::ElementsAre;
using testing::Pair;

std::vector<std::string> const kMotifs{"gata", "ets", "ctcf", "nobody"};

TEST(Annotation, MotifsAndTheirFactors) {
    genome::Folder const folder;
    auto const file = folder.write("a.tsv",
                                   "# motif\tfactor\n"
                                   "ets\tETS1\tmore\n"
                                   "gata\tGATA1\n"
                                   "gata\tGATA2\n"
                                   "ets\tGATA2\n"
                                   "gata\tGATA1\n"
                                   "gone\tX\n");
    std::vector<std::string> const left_out{"gone"};
    Annotation const annotation(file, kMotifs, left_out);
    EXPECT_THAT(annotation.pairs(),
                ElementsAre(Pair(0, "GATA1"), Pair(0, "GATA2"), Pair(1, "ETS1"), Pair(1, "GATA2")));
    EXPECT_THAT(annotation.motifs_of("GATA2"), ElementsAre(0, 1));
    EXPECT_TRUE(annotation.motifs_of("X").empty());
    EXPECT_THAT(Annotation(kMotifs).motifs_of("ctcf"), ElementsAre(2));
    auto const refuses = [&](char const* text, std::initializer_list<std::string> fragments) {
        auto const wrong = folder.write("b.tsv", text);
        expect_refusal([&] { Annotation(wrong, kMotifs, left_out); }, fragments);
    };
    refuses("gata\tA\ngato\tA\n", {"b.tsv", "line 2", "'gato'", "did you mean 'gata'"});
    refuses("gata A\n", {"line 1", "a tab"});
    refuses("gone\tX\n", {"b.tsv", "no motif of the matrix"});
}

TEST(Truth, StringLinks) {
    genome::Folder const folder;
    std::vector<std::string> const motifs{"a", "b", "c", "d"};
    Annotation const annotation(motifs);
    auto const info = folder.write("info.txt",
                                   "#string_protein_id\tpreferred_name\tsize\n"
                                   "9606.1\ta\t3\n9606.2\tb\t4\n9606.3\tc\t5\n9606.9\tother\t6\n");
    std::string const header = "protein1 protein2 experiments combined_score\n";
    auto const links = folder.write("links.txt", header +
                                                     "9606.1 9606.2 0 401\n9606.2 9606.1 0 401\n"
                                                     "9606.1 9606.3 999 400\n9606.9 9606.3 0 999\n");
    auto const truth = read_string(links, info, 400, annotation);
    EXPECT_EQ(truth.tested_count(), 3);
    EXPECT_FALSE(truth.is_tested(3));
    EXPECT_EQ(truth.pair_count(), 1);
    EXPECT_TRUE(truth.is_pair(0, 1) && truth.is_pair(1, 0));
    EXPECT_EQ(read_string(links, info, 399, annotation).pair_count(), 2);
    auto const refuses = [&](std::string const& text, std::initializer_list<std::string> fragments) {
        auto const wrong = folder.write("b.txt", text);
        expect_refusal([&] { (void)read_string(wrong, info, 400, annotation); }, fragments);
    };
    refuses("", {"b.txt, line 1", "'protein1'"});
    refuses("protein1 protein2 score\n", {"b.txt, line 1", "'combined_score'"});
    refuses(header + "9606.1 9606.2 401\n", {"b.txt, line 2", "3 fields, the header has 4"});
    refuses(header + "9606.1 9606.2 0 high\n", {"line 2", "'high'"});
    refuses(header + "9606.1 9606.7 0 401\n", {"line 2", "'9606.7'", "info.txt"});
    refuses(header + "9606.1 9606.2 0 4\n", {"b.txt", "no pair", "2 of 4 motifs"});
    expect_refusal([&] { (void)read_string(links, folder.write("empty", "# x\n"), 400, annotation); },
                   {"empty", "no protein"});
}

TEST(Truth, Pairs) {
    genome::Folder const folder;
    Annotation const annotation(kMotifs);
    auto const file = folder.write("p.tsv", "# x\ngata\tets\textra\nctcf\tctcf\nctcf\tX\n");
    auto const truth = read_pairs(file, "p", annotation);
    EXPECT_EQ(truth.tested_count(), 3);
    EXPECT_EQ(truth.pair_count(), 1);  // a motif is no pair with itself
    expect_refusal([&] { (void)read_pairs(folder.write("q.tsv", "gata\tX\n"), "q", annotation); },
                   {"q.tsv", "no pair"});
    expect_refusal([&] { (void)read_pairs(folder.write("q.tsv", "gata\n"), "q", annotation); },
                   {"q.tsv", "line 1"});
}

Truth truth_of(std::uint32_t motifs, std::vector<std::pair<std::uint32_t, std::uint32_t>> const& pairs) {
    Truth truth("t", motifs);
    for (auto const& [one, other] : pairs) truth.connect(std::vector{one}, std::vector{other});
    return truth;
}

TEST(Agreement, ByHand) {
    // Motif 3 is not tested. Candidates by strength: 0-1 true, 0-2 false, 1-2 true; the last two are tied.
    Eigen::MatrixXd strength = Eigen::MatrixXd::Zero(4, 4);
    strength(1, 0) = -0.9;
    strength(0, 2) = 0.5;
    strength(2, 1) = 0.5;
    strength(0, 3) = 1;
    auto const truth = truth_of(4, {{0, 1}, {1, 2}});
    auto const half = agreement(strength, truth, 0.5);
    EXPECT_EQ(half.called, 1);
    EXPECT_DOUBLE_EQ(half.precision, 1);
    EXPECT_DOUBLE_EQ(half.recall, 0.5);
    EXPECT_DOUBLE_EQ(half.f1, 2.0 / 3);
    EXPECT_DOUBLE_EQ(half.macro_f1, 2.0 / 3);            // not called: 1 right, 1 missed
    EXPECT_DOUBLE_EQ(half.motif_f1, (1 + 2.0 / 3) / 3);  // motifs 0, 1 and 2
    auto const all = agreement(strength, truth, 0.51);
    EXPECT_EQ(all.called, 3);
    EXPECT_DOUBLE_EQ(all.precision, 2.0 / 3);
    EXPECT_DOUBLE_EQ(all.recall, 1);
    EXPECT_DOUBLE_EQ(all.macro_f1, 0.4);
    // Nothing but zeros: no pair is called.
    auto const none = agreement(Eigen::MatrixXd::Constant(4, 4, 0.0), truth, 0.02);
    EXPECT_EQ(none.called, 0);
    EXPECT_TRUE(std::isnan(none.precision));
    EXPECT_DOUBLE_EQ(none.recall, 0);
    EXPECT_DOUBLE_EQ(none.macro_f1, 0.25);  // 1 of 3 candidates is rightly not called: F1 0.5 and 0
    Eigen::MatrixXd const nan = Eigen::MatrixXd::Constant(4, 4, std::numeric_limits<double>::quiet_NaN());
    EXPECT_EQ(agreement(nan, truth, 0.02).called, 0);
}

}  // namespace
}  // namespace mpira::jobs
