#include "mpira/genome/genes.hpp"

#include <algorithm>
#include <map>
#include <tuple>

#include <htslib/bgzf.h>

#include "mpira/base/philox.hpp"

#include "genome/files.hpp"

namespace mpira::genome {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> const kChroms{"chr1", "chr2"};

constexpr char const* kGtf =
    "#!genome-build x\n"
    "chr1\tsrc\tgene\t101\t900\t.\t+\t.\tgene_id \"A.1\"; gene_name \"a; b\"; gene_type \"protein_coding\";\n"
    "chr1\tsrc\ttranscript\t101\t800\t.\t+\t.\tgene_id \"A.1\"; transcript_id \"A1\"; gene_name \"a; b\";\n"
    "chr1\tsrc\texon\t101\t200\t.\t+\t.\tgene_id \"A.1\"; transcript_id \"A1\";\n"
    "chr1\tsrc\ttranscript\t301\t900\t.\t+\t.\tgene_id \"A.1\"; transcript_id \"A2\";\n"
    "chr1\tsrc\ttranscript\t301\t700\t.\t+\t.\tgene_id \"A.1\"; transcript_id \"A3\";\n"
    "chr2\tsrc\tgene\t51\t400\t.\t-\t.\tgene_id \"B\"; gene_biotype \"lncRNA\";\n"
    "chrM\tsrc\tgene\t1\t90\t.\t-\t.\tgene_id \"M\";\n"
    "chr2\tsrc\tgene\t5\t40\t.\t?\t.\tgene_id \"S\";\n";

TEST(Genes, Gtf) {
    Folder const folder;
    auto const genes = read_genes(folder.write("a.gtf", kGtf), kChroms);
    EXPECT_THAT(genes.ids, ElementsAre("A.1", "B"));
    EXPECT_THAT(genes.names, ElementsAre("a; b", "B"));
    EXPECT_THAT(genes.types, ElementsAre("protein_coding", "lncRNA"));
    // From 1 with both ends inside, to 0-based: the 5' end of '-' is the last base.
    EXPECT_THAT(genes.tss, ElementsAre(Tss{0, 0, 100, '+'}, Tss{0, 0, 300, '+'}, Tss{1, 1, 399, '-'}));
    EXPECT_EQ(genes.report.repeated, 1);
    EXPECT_EQ(genes.report.without_transcript, 1);
    EXPECT_EQ(genes.report.other_chromosome, 1);
    EXPECT_EQ(genes.report.without_strand, 1);
    EXPECT_EQ(genes.report.lines, 8);

    auto const coding = read_genes(folder.path() / "a.gtf", kChroms, {{"protein_coding"}});
    EXPECT_THAT(coding.ids, ElementsAre("A.1"));
    EXPECT_EQ(coding.report.other_type, 1);
    EXPECT_EQ(coding.tss.size(), 2);
}

TEST(Genes, GtfWithTranscriptsOfOtherNames) {
    auto const line = [](char const* type, int start, int end, char strand, char const* gene,
                         std::string const& transcript) {
        auto text = "chr1\tFlyBase\t" + std::string(type) + "\t" + std::to_string(start) + "\t" +
                    std::to_string(end) + "\t.\t" + strand + "\t.\tgene_id \"" + gene +
                    "\"; gene_symbol \"s\";";
        return text + (transcript.empty() ? "" : " transcript_id \"" + transcript + "\";") + "\n";
    };
    auto text = line("gene", 101, 900, '+', "A", "") + line("mRNA", 101, 800, '+', "A", "A1") +
                line("mRNA", 301, 900, '+', "A", "A2") + line("gene", 51, 400, '-', "B", "") +
                line("pre_miRNA", 61, 380, '-', "B", "B1") + line("pseudogene", 61, 390, '-', "B", "B2") +
                line("gene", 11, 40, '+', "C", "") + line("enhancer", 20, 25, '+', "C", "");
    for (auto const* const part : {"exon", "CDS", "5UTR", "five_prime_utr", "UTR", "start_codon",
                                   "stop_codon", "intron", "Selenocysteine", "tss"})
        text += line(part, 501, 510, '+', "A", "A1");
    Folder const folder;
    auto const genes = read_genes(folder.write("a.gtf", text), kChroms);
    EXPECT_THAT(genes.ids, ElementsAre("A", "B", "C"));
    EXPECT_THAT(genes.tss, ElementsAre(Tss{2, 0, 10, '+'}, Tss{0, 0, 100, '+'}, Tss{0, 0, 300, '+'},
                                       Tss{1, 0, 379, '-'}, Tss{1, 0, 389, '-'}));
    EXPECT_EQ(genes.report.without_transcript, 1);
}

TEST(Genes, GzippedIsTheSame) {
    Folder const folder;
    auto const plain = read_genes(folder.write("a.gtf", kGtf), kChroms);
    auto const file = folder.path() / "b.gtf.gz";
    BGZF* const out = bgzf_open(file.c_str(), "w");
    ASSERT_NE(out, nullptr);
    std::string const text = kGtf;
    ASSERT_EQ(bgzf_write(out, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    ASSERT_EQ(bgzf_close(out), 0);
    auto const zipped = read_genes(file, kChroms);
    EXPECT_EQ(zipped.ids, plain.ids);
    EXPECT_EQ(zipped.tss, plain.tss);
}

TEST(Genes, Gff3WithParentsInAnyOrder) {
    Folder const folder;
    auto const genes = read_genes(folder.write("a.gff3",
                                               "##gff-version 3\n"
                                               "chr1\ts\tmRNA\t11\t90\t.\t-\t.\tID=t1;Parent=g%3B1\n"
                                               "chr1\ts\tgene\t11\t95\t.\t-\t.\tID=g%3B1;Name=One;biotype=x\n"
                                               "chr1\ts\texon\t11\t40\t.\t-\t.\tParent=t1,g%3B1\n"
                                               "chr1\ts\tncRNA_gene\t200\t300\t.\t+\t.\tID=g2;gene_id=G2\n"
                                               "chr1\ts\tlnc_RNA\t220\t300\t.\t+\t.\tID=t2;Parent=g2,g%3B1\n"
                                               "chr1\ts\tmRNA\t5\t6\t.\t+\t.\tID=t3;Parent=nobody\n"
                                               "chr2\ts\tpseudogene\t7\t9\t.\t+\t.\tID=g3\n"
                                               "##FASTA\n>chr1\nACGT\n"),
                                  kChroms);
    EXPECT_THAT(genes.ids, ElementsAre("g;1", "G2", "g3"));
    EXPECT_THAT(genes.names, ElementsAre("One", "G2", "g3"));
    EXPECT_THAT(genes.types, ElementsAre("x", "", ""));
    EXPECT_THAT(genes.tss,
                ElementsAre(Tss{0, 0, 89, '-'}, Tss{0, 0, 219, '+'}, Tss{1, 0, 219, '+'}, Tss{2, 1, 6, '+'}));
}

TEST(Genes, Bed) {
    Folder const folder;
    auto const genes = read_genes(folder.write("tss.bed",
                                               "track name=x\n"
                                               "chr2\t10\t11\tx\t0\t+\n"
                                               "chr1\t20\t25\tx\t0\t-\n"
                                               "chr1\t7\t8\t.\t0\t+\n"
                                               "chr1\t7\t8\t.\t0\t-\n"),
                                  kChroms);
    EXPECT_THAT(genes.ids, ElementsAre("x", "chr1:7:+", "chr1:7:-"));
    EXPECT_THAT(genes.tss,
                ElementsAre(Tss{1, 0, 7, '+'}, Tss{2, 0, 7, '-'}, Tss{0, 0, 24, '-'}, Tss{0, 1, 10, '+'}));
}

TEST(Genes, Refusals) {
    struct Case {
        char const* name;
        char const* text;
        std::initializer_list<std::string> fragments;
        GeneFilter filter{};
    };
    Folder const folder;
    std::string const good = kGtf;
    for (auto const& [name, text, fragments, filter] : std::initializer_list<Case>{
             {"a.txt", "x", {"a.txt", ".gtf", "'.txt'"}},
             {"a.gtf", "# none\n", {"a.gtf", "holds no gene"}},
             {"a.gtf", "chr1\ts\texon\t1\t2\t.\t+\t.\tgene_id \"x\";\n", {"holds no gene", "transcript"}},
             {"a.gtf", "\nchr1\ts\tgene\t1\t2\n", {"a.gtf line 2", "9 tab-separated", "5 found"}},
             {"a.gtf", "chr1\ts\tgene\tx\t2\t.\t+\t.\tgene_id \"x\";\n", {"line 1", "'x'", "not an integer"}},
             {"a.gtf", "chr1\ts\tgene\t0\t2\t.\t+\t.\tgene_id \"x\";\n", {"line 1", "start is 0", "is 1"}},
             {"a.gtf", "chr1\ts\tgene\t9\t2\t.\t+\t.\tgene_id \"x\";\n", {"line 1", "(2)", "(9)"}},
             {"a.gtf", "chr1\ts\tgene\t1\t2\t.\t*\t.\tgene_id \"x\";\n", {"line 1", "strand '*'"}},
             {"a.gtf", "chr1\ts\ttranscript\t1\t2\t.\t+\t.\tID=x\n", {"line 1", "gene_id"}},
             {"a.gtf", "1\ts\tgene\t1\t2\t.\t+\t.\tgene_id \"x\";\n", {"a.gtf", "'1' here", "'chr1' there"}},
             {"a.gtf", kGtf, {"a.gtf", "'rRNA'", "'protein_coding'"}, {{"rRNA"}}},
             {"a.gff3", "chr1\ts\tgene\t1\t2\t.\t+\t.\tName=x\n", {"a.gff3 line 1", "ID="}},
             {"a.bed", "chr1\t1\t2\tx\n", {"a.bed line 1", "6 tab-separated", "4 found"}},
             {"a.bed", "chr1\t1\t2\tx\t0\t.\n", {"a.bed line 1", "strand '.'"}},
             {"a.bed", "chr1\t2\t2\tx\t0\t+\n", {"a.bed line 1", "not after"}},
             {"a.bed", "chr1\t-1\t2\tx\t0\t+\n", {"a.bed line 1", "-1"}},
             {"a.bed", "chr1\t1\t2\tx\t0\t+\n", {"a.bed", "no gene types"}, {{"rRNA"}}},
         }) {
        auto const file = folder.write(name, text);
        expect_refusal([&] { (void)read_genes(file, kChroms, filter); }, fragments);
    }
    expect_refusal([&] { (void)read_genes(folder.path() / "none.gtf", kChroms); }, {"none.gtf"});
}

/// Regions of two chromosomes, some inside others.
struct Table {
    std::vector<std::int32_t> chrom;
    std::vector<std::int64_t> start, end;
    [[nodiscard]] RegionColumns columns() const { return {kChroms, chrom, start, end}; }
};

Table random_table(Draws& draws) {
    std::vector<std::tuple<std::int32_t, std::int64_t, std::int64_t>> regions;
    for (int i = 0; i < 60; ++i) {
        auto const start = static_cast<std::int64_t>(draws.below(5000));
        auto const length = 1 + static_cast<std::int64_t>(draws.below(draws.below(8) == 0 ? 2000 : 150));
        regions.emplace_back(static_cast<std::int32_t>(draws.below(2)), start, start + length);
    }
    std::ranges::sort(regions);
    Table table;
    for (auto const& [chrom, start, end] : regions) {
        table.chrom.push_back(chrom);
        table.start.push_back(start);
        table.end.push_back(end);
    }
    return table;
}

TEST(Promoters, EqualASearchOfEveryPair) {
    Draws draws(3, Stream::tests, 70);
    for (int repeat = 0; repeat < 20; ++repeat) {
        auto const table = random_table(draws);
        Genes genes;
        for (int g = 0; g < 12; ++g) genes.ids.push_back(std::to_string(g));
        for (int i = 0; i < 40; ++i) {
            genes.tss.push_back(
                {static_cast<std::uint32_t>(draws.below(12)), static_cast<std::int32_t>(draws.below(2)),
                 static_cast<std::int64_t>(draws.below(5500)), draws.below(2) == 0 ? '+' : '-'});
        }
        std::ranges::sort(genes.tss, {},
                          [](Tss const& t) { return std::tuple(t.chrom, t.position, t.strand, t.gene); });
        genes.tss.erase(std::ranges::unique(genes.tss).begin(), genes.tss.end());
        auto const flank = static_cast<std::int64_t>(draws.below(400));

        std::map<std::tuple<std::uint32_t, std::uint32_t, char>, std::vector<std::int64_t>> expected;
        for (auto const& tss : genes.tss) {
            for (std::uint32_t row = 0; row < table.chrom.size(); ++row) {
                bool const meets = table.chrom[row] == tss.chrom &&
                                   table.start[row] <= tss.position + flank &&
                                   table.end[row] > tss.position - flank;
                if (meets) expected[{tss.gene, row, tss.strand}].push_back(tss.position);
            }
        }
        auto const found = promoters_of(genes, table.columns(), flank);
        ASSERT_EQ(found.size(), expected.size());
        for (auto const& promoter : found) {
            auto const at = expected.find({promoter.gene, promoter.row, promoter.strand});
            ASSERT_NE(at, expected.end());
            EXPECT_EQ(promoter.starts, at->second.size());
            auto const centre = (table.start[promoter.row] + table.end[promoter.row]) / 2;
            auto const nearest = *std::ranges::min_element(
                at->second, {}, [&](auto p) { return std::pair(std::abs(p - centre), p); });
            EXPECT_EQ(promoter.position, nearest);
        }
        // A gene's rows follow each other.
        std::vector<bool> seen(genes.ids.size(), false);
        for (std::size_t i = 0; i < found.size(); ++i) {
            if (i > 0 && found[i].gene == found[i - 1].gene) continue;
            EXPECT_FALSE(seen[found[i].gene]);
            seen[found[i].gene] = true;
        }
    }
}

TEST(Promoters, SharedRegionsKeepAllGenes) {
    Table table;
    table.chrom = {0, 0, 1};
    table.start = {100, 700, 100};
    table.end = {200, 800, 200};
    Genes genes;
    genes.ids = {"a", "b"};
    genes.tss = {{0, 0, 150, '+'}, {1, 0, 160, '+'}, {1, 0, 160, '-'}, {0, 0, 170, '+'}, {0, 0, 900, '+'}};
    auto const found = promoters_of(genes, table.columns(), 100);
    EXPECT_THAT(found, ElementsAre(Promoter{0, 0, '+', 150, 2}, Promoter{1, 0, '+', 160, 1},
                                   Promoter{1, 0, '-', 160, 1}));
    EXPECT_EQ(promoters_of(genes, table.columns(), 101).size(), 4);  // 900 - 101 is region 1's last base
    EXPECT_THAT(promoters_of(genes, table.columns(), 0).size(), 3);
    genes.tss = {{0, 1, 500, '+'}};
    EXPECT_THAT(promoters_of(genes, table.columns(), 300), IsEmpty());
}

TEST(FocusedWindows, HoldTheirFocusAndNeverLeaveTheirChromosome) {
    Draws draws(4, Stream::tests, 71);
    for (int repeat = 0; repeat < 60; ++repeat) {
        auto const table = random_table(draws);
        std::vector<std::uint32_t> chosen;
        for (std::uint32_t row = 0; row < table.chrom.size(); ++row)
            if (draws.below(3) > 0) chosen.push_back(row);
        if (chosen.empty()) continue;
        WindowRules rules;
        rules.regions = 1 + draws.below(35);
        rules.focus = draws.below(rules.regions);
        FocusedWindows const windows(table.columns(), chosen, rules);
        for (std::uint32_t place = 0; place < chosen.size(); ++place) {
            auto const window = windows.around(table.columns(), place);
            auto const chrom = table.chrom[chosen[place]];
            auto const on_chromosome = static_cast<std::uint64_t>(
                std::ranges::count_if(chosen, [&](auto row) { return table.chrom[row] == chrom; }));
            ASSERT_EQ(window.size, std::min(rules.regions, on_chromosome));
            ASSERT_EQ(window.first + window.focus, place);
            ASSERT_LT(window.focus, window.size);
            std::int64_t last = 0;
            for (auto at = window.first; at < window.first + window.size; ++at) {
                ASSERT_EQ(table.chrom[chosen[at]], chrom);
                last = std::max(last, table.end[chosen[at]]);
            }
            EXPECT_EQ(window.span_bp, last - table.start[chosen[window.first]]);
            EXPECT_EQ(windows.place_of(chosen[place]), place);
            // As far from where the rules want it as the chromosome asks for, and no further.
            auto const before = static_cast<std::uint64_t>(std::ranges::count_if(
                std::span(chosen).first(place), [&](auto row) { return table.chrom[row] == chrom; }));
            bool const fits = before >= rules.focus && on_chromosome - before >= rules.regions - rules.focus;
            auto const expected = on_chromosome < rules.regions ? WindowEnd::short_
                                  : fits                        ? WindowEnd::complete
                                                                : WindowEnd::shifted;
            EXPECT_EQ(window.end, expected);
            if (fits) {
                EXPECT_EQ(window.focus, rules.focus);
            }
            if (expected == WindowEnd::shifted) {
                EXPECT_TRUE(before == window.focus || on_chromosome - before == window.size - window.focus);
            }
        }
        if (chosen.back() + 1 < table.chrom.size()) {
            EXPECT_EQ(windows.place_of(chosen.back() + 1), std::nullopt);
        }
    }
    Table const one{{0}, {5}, {9}};
    expect_refusal([&] { (void)FocusedWindows(one.columns(), {0}, {.regions = 3, .focus = 3}); },
                   {"focus (3)", "3 regions"});
    EXPECT_EQ(name_of(WindowEnd::short_), "short");
}

}  // namespace
}  // namespace mpira::genome
