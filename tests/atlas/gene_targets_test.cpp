#include "mpira/atlas/gene_targets.hpp"

#include <cmath>

#include <gmock/gmock.h>

#include "genome/files.hpp"

namespace mpira::atlas {
namespace {

using testing::ElementsAre;
using testing::FloatEq;
using testing::HasSubstr;

/// Three regions of 100 bp on chr1; gene a starts in the first (+), b and c at the second (+ and -), d at the
/// second too (+), e nowhere near.
struct Scene {
    genome::Folder folder;
    std::vector<std::string> chroms{"chr1"};
    std::vector<std::int32_t> chrom{0, 0, 0};
    std::vector<std::int64_t> start{1000, 3000, 5000}, end{1100, 3100, 5100};
    genome::Genes genes = genome::read_genes(
        folder.write("genes.bed",
                     "chr1\t1050\t1900\ta\t0\t+\nchr1\t3200\t3900\tb\t0\t+\nchr1\t2500\t3000\tc\t0\t-\n"
                     "chr1\t3020\t3900\td\t0\t+\nchr1\t8000\t8900\te\t0\t+\n"),
        chroms);

    GeneTargets make(char const* table, TargetRules const& rules = {},
                     std::vector<std::string> const& accessible = {}) {
        auto const file = folder.write("t.tsv", table);
        return {genome::GeneTable(file),     file.string(), genes,
                {chroms, chrom, start, end}, accessible,    rules};
    }
};

std::vector<float> all_rows(GeneTargets const& targets, std::vector<float> const& accessibility = {}) {
    std::vector<float> out(3 * targets.columns().size(), -1);
    targets.read_rows(0, accessibility, out);
    return out;
}
float log1(double tpm) {
    return static_cast<float>(std::log10(tpm + 1));
}

constexpr char const* kTable = "gene\tKc\na\t9\nb\t99\nc\t4\nd\t0.5\ne\t7\nz\t1\n";

TEST(GeneTargets, MeanOfLogarithmsOnEachStrand) {
    Scene scene;
    auto const targets = scene.make(kTable);
    EXPECT_THAT(targets.columns(), ElementsAre("Kc.plus", "Kc.minus"));
    auto const shared = static_cast<float>((std::log10(100.0) + std::log10(1.5)) / 2);
    EXPECT_THAT(all_rows(targets), ElementsAre(1, 0, FloatEq(shared), FloatEq(log1(4)), 0, 0));
    EXPECT_EQ(targets.entries().size(), 4U);
    EXPECT_THAT(targets.describe(), HasSubstr("1 genes are not in the annotation (z), 1 have no promoter"));
    // Any block of rows is the same as those of the whole.
    std::vector<float> middle(2);
    targets.read_rows(1, {}, middle);
    EXPECT_THAT(middle, ElementsAre(FloatEq(shared), FloatEq(log1(4))));
}

TEST(GeneTargets, SumBeforeTheLogarithmAndCounts) {
    Scene scene;
    auto const summed = all_rows(scene.make(kTable, {.sum_before_log = true}));
    EXPECT_THAT(summed, ElementsAre(1, 0, FloatEq(log1(99.5)), FloatEq(log1(4)), 0, 0));
    auto const counted = all_rows(scene.make(kTable, {.counts = true, .sum_before_log = true}));
    double const factor = 1e6 / (9 + 99 + 4 + 0.5 + 7 + 1);
    EXPECT_THAT(counted, ElementsAre(FloatEq(log1(9 * factor)), 0, FloatEq(log1(99.5 * factor)),
                                     FloatEq(log1(4 * factor)), 0, 0));
}

TEST(GeneTargets, NoExpressionWhereClosedInThatCellType) {
    Scene scene;
    auto const targets = scene.make("gene\tKc\tS2\na\t9\t9\nc\t4\t99\n", {}, {"S2", "Kc", "BG3"});
    // Accessibility of (S2, Kc, BG3): region 0 is closed in Kc; region 1 is just open in both.
    std::vector<float> const accessibility{1, 0.049F, 1, 0.05F, 0.05F, 0, 0, 0, 0};
    EXPECT_THAT(all_rows(targets, accessibility),
                ElementsAre(0, 0, 1, 0, 0, FloatEq(log1(4)), 0, 2, 0, 0, 0, 0));
    // A cell type that the atlas doesn't have is open everywhere.
    EXPECT_THAT(all_rows(scene.make("gene\tKc\na\t9\n", {}, {"S2"}), {0, 0, 0}),
                ElementsAre(1, 0, 0, 0, 0, 0));
}

TEST(GeneTargets, GenesByNameAndByEnsemblIdOfAnyVersion) {
    Scene scene;
    scene.genes = genome::read_genes(
        scene.folder.write("g.gtf",
                           "chr1\tx\tgene\t1051\t1900\t.\t+\t.\tgene_id \"ENSG1.7\"; gene_name \"one\";\n"
                           "chr1\tx\tgene\t3051\t3900\t.\t+\t.\tgene_id \"ENSG2\"; gene_name \"two\";\n"
                           "chr1\tx\tgene\t5051\t5900\t.\t+\t.\tgene_id \"FB.3\"; gene_name \"three\";\n"),
        scene.chroms);
    EXPECT_THAT(all_rows(scene.make("gene\tKc\nENSG1\t9\nENSG2.4\t99\nthree\t999\n")),
                ElementsAre(1, 0, 2, 0, 3, 0));
    // Other ids end in a dot and digits by chance.
    EXPECT_THAT(scene.make("gene\tKc\nFB\t9\none\t1\n").describe(),
                HasSubstr("1 genes are not in the annotation (FB)"));
}

TEST(GeneTargets, WhatIsRefused) {
    Scene scene;
    auto const refuses = [&](char const* table, TargetRules const& rules,
                             std::initializer_list<std::string> fragments) {
        genome::expect_refusal([&] { scene.make(table, rules); }, fragments);
    };
    refuses("gene\tKc\na\t-1\n", {}, {"t.tsv", "gene 'a'", "-1", "'Kc'"});
    refuses("gene\tKc\nq\t1\nr\t2\n", {}, {"t.tsv", "q, r", "'a'"});
    refuses("gene\tKc\ne\t1\n", {}, {"t.tsv", "promoter", "300 bp"});
    refuses("gene\tKc\tS2\na\t1\t0\n", {.counts = true}, {"t.tsv", "'S2'"});
    refuses("gene\tKc\n", {}, {"t.tsv", "promoter"});
}

}  // namespace
}  // namespace mpira::atlas
