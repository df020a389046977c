#include "mpira/genome/regions.hpp"

#include <fmt/format.h>
#include <htslib/bgzf.h>

#include "mpira/genome/fasta.hpp"

#include "genome/files.hpp"
#include "genome/real_data.hpp"

namespace mpira::genome {
namespace {

using testing::ElementsAre;

ChromSizes two_chroms() {
    return {{"chr2", "chr10"}, {1000, 500}};
}

TEST(ChromSizes, ReadsFilesAndIndexes) {
    Folder const folder;
    auto const chroms =
        ChromSizes::read(folder.write("dm3.chrom.sizes", "# dm3\nchr2\t1000\nchr10\t500\t6\t60\t61\n"));
    EXPECT_THAT(chroms.names(), ElementsAre("chr2", "chr10"));
    EXPECT_THAT(chroms.lengths(), ElementsAre(1000, 500));
    EXPECT_EQ(chroms.find("chr10"), 1);
    EXPECT_EQ(chroms.find("chr1"), std::nullopt);
    EXPECT_EQ(chroms.total_length(), 1500);
    EXPECT_EQ(chroms.label({1, 3, 9}), "chr10:3-9");
    auto const blanks = ChromSizes::read(folder.write("blanks", "chr2  1000\nchr10 500\n"));
    EXPECT_THAT(blanks.names(), ElementsAre("chr2", "chr10"));
    auto const of_fasta = ChromSizes::of(Fasta(folder.write("a.fa", ">x\nACG\n>y\nA\n")));
    EXPECT_THAT(of_fasta.names(), ElementsAre("x", "y"));
    EXPECT_THAT(of_fasta.lengths(), ElementsAre(3, 1));
}

TEST(ChromSizes, Refusals) {
    struct Case {
        char const* text;
        std::initializer_list<std::string> fragments;
    };
    Folder const folder;
    for (auto const& [text, fragments] : std::initializer_list<Case>{
             {"chr2\t1000\nchr3\n", {"bad.sizes line 2", "its length"}},
             {"chr2\t1e6\n", {"bad.sizes line 1", "'1e6'", "not an integer"}},
             {"chr2\t0\n", {"bad.sizes line 1", "0 bp"}},
             {"chr2\t9\n\nchr2\t9\n", {"bad.sizes line 3", "'chr2'", "already on line 1"}},
             {"# nothing\n", {"bad.sizes", "no chromosome"}},
         }) {
        auto const file = folder.write("bad.sizes", text);
        expect_refusal([&] { (void)ChromSizes::read(file); }, fragments);
    }
}

TEST(Bed, SortedInChromSizesOrderWithDuplicatesMerged) {
    Folder const folder;
    auto const bed = read_bed(folder.write("peaks.bed",
                                           "track name=x\nbrowser position chr2:1-2\n# a comment\n\n"
                                           "chr10\t5\t10\tc\t3.5\t-\n"
                                           "chr2\t20\t30\tb\t.\t+\n"
                                           "chr2\t10\t25\ta\t1000\t.\n"
                                           "chr2\t20\t30\tagain\t7\t-\r\n"
                                           "chr2\t12\t14\tinside\t0\t+\n"
                                           "chr2\t24\t26\tunder\t0\t+\n"
                                           "chr2\t30\t1000\tnext\t0\t+\n"),
                              two_chroms());
    EXPECT_THAT(bed.regions, ElementsAre(Region{0, 10, 25}, Region{0, 12, 14}, Region{0, 20, 30},
                                         Region{0, 24, 26}, Region{0, 30, 1000}, Region{1, 5, 10}));
    EXPECT_THAT(bed.names, ElementsAre("a", "inside", "b", "under", "next", "c"));
    EXPECT_THAT(bed.scores, ElementsAre(1000, 0, 7, 0, 0, 3.5));          // the highest of 20-30
    EXPECT_THAT(bed.strands, ElementsAre('.', '+', '.', '+', '+', '-'));  // 20-30 stands there on both
    EXPECT_TRUE(bed.summits.empty());
    EXPECT_EQ(bed.report.lines, 7);
    EXPECT_EQ(bed.report.skipped, 4);
    EXPECT_EQ(bed.report.duplicates, 1);
    EXPECT_EQ(bed.report.overlapping, 3);   // 12-14 and 20-30 with 10-25, 24-26 with 20-30; not 30-1000
    EXPECT_EQ(bed.report.out_of_order, 3);  // chr10 -> chr2, 20 -> 10, 20 -> 12
    EXPECT_THAT(bed.report.describe(), testing::HasSubstr("1 exact duplicates merged, 3 overlapping kept"));
}

TEST(Bed, ThreeColumnsNarrowPeakAndGzip) {
    Folder const folder;
    auto const three = read_bed(folder.write("three.bed", "chr2 1 2\nchr2   2 3\n"), two_chroms());
    EXPECT_EQ(three.regions.size(), 2U);
    EXPECT_TRUE(three.names.empty() && three.scores.empty() && three.strands.empty());

    auto const file = folder.path() / "peaks.narrowPeak.gz";
    std::string const text =
        "chr10\t5\t105\tp2\t50\t.\t9.5\t-1\t-1\t-1\nchr2\t100\t300\tp1\t900\t.\t12.25\t8.1\t6.2\t117\n";
    BGZF* const out = bgzf_open(file.c_str(), "wg");
    ASSERT_EQ(bgzf_write(out, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    ASSERT_EQ(bgzf_close(out), 0);
    auto const narrow = read_bed(file, two_chroms());
    EXPECT_THAT(narrow.regions, ElementsAre(Region{0, 100, 300}, Region{1, 5, 105}));
    EXPECT_THAT(narrow.signals, ElementsAre(12.25, 9.5));
    EXPECT_THAT(narrow.summits, ElementsAre(117, -1));

    std::filesystem::resize_file(file, std::filesystem::file_size(file) - 12);
    expect_refusal([&] { (void)read_bed(file, two_chroms()); }, {"peaks.narrowPeak.gz", "damaged"});
}

TEST(Bed, LinesOfOneIntervalAreOneRegionUnlessTheirSummitsDiffer) {
    Folder const folder;
    auto const line = [](int start, int summit) {
        return fmt::format("chr2\t{}\t300\tp\t1\t.\t1\t-1\t-1\t{}\n", start, summit);
    };
    auto const file =
        folder.write("summits.narrowPeak", line(100, 150) + line(100, 20) + line(100, 150) + line(40, 7));
    auto const merged = read_bed(file, two_chroms());
    EXPECT_THAT(merged.regions, ElementsAre(Region{0, 40, 300}, Region{0, 100, 300}));
    EXPECT_THAT(merged.summits, ElementsAre(7, 150));
    auto const kept = read_bed(file, two_chroms(), Duplicates::differ_by_summit);
    EXPECT_THAT(kept.regions, ElementsAre(Region{0, 40, 300}, Region{0, 100, 300}, Region{0, 100, 300}));
    EXPECT_THAT(kept.summits, ElementsAre(7, 20, 150));
    EXPECT_EQ(kept.report.duplicates, 1);
}

TEST(Bed, AByteOrderMarkIsNoPartOfTheFirstName) {
    Folder const folder;
    auto const bed = read_bed(folder.write("marked.bed",
                                           "\xEF\xBB\xBF"
                                           "chr2\t1\t2\r\n"),
                              two_chroms());
    EXPECT_THAT(bed.regions, ElementsAre(Region{0, 1, 2}));
}

TEST(Bed, LineEndsOfOldMacsAreNamed) {
    Folder const folder;
    auto const file = folder.write("mac.bed", "chr2\t1\t2\rchr2\t3\t4\r");
    expect_refusal([&] { (void)read_bed(file, two_chroms()); }, {"mac.bed line 1", "CR alone"});
}

TEST(Bed, RealPeaks) {
    ChromSizes const chroms({"chr2L", "chr2R", "chr3L", "chr3R", "chr4", "chrX"},
                            {23011544, 21146708, 24543557, 27905053, 1351857, 22422827});
    auto const bed = read_bed(real::peaks("SuHw_Kc"), chroms);
    EXPECT_EQ(std::ranges::count(bed.regions, 1, &Region::chrom), 647);  // spec/default-data.md 1
    EXPECT_EQ(bed.report.skipped, 1);                                    // its track line
}

TEST(Bed, Refusals) {
    struct Case {
        char const* text;
        std::initializer_list<std::string> fragments;
    };
    Folder const folder;
    for (auto const& [text, fragments] : std::initializer_list<Case>{
             {"chr2\t1\t2\nchr2\t5\n", {"bad.bed line 2", "start and end were expected", "2 columns"}},
             {"track\nchr3\t1\t2\n", {"bad.bed line 2", "unknown chromosome 'chr3'", "did you mean 'chr2'"}},
             {"chr2\tx\t2\n", {"bad.bed line 1", "start 'x'", "not an integer"}},
             {"chr2\t1\t2.5\n", {"bad.bed line 1", "end '2.5'"}},
             {"chr2\t1\t99999999999999999999\n", {"bad.bed line 1", "not an integer"}},
             {"chr2\t-1\t2\n", {"bad.bed line 1", "-1 is below 0"}},
             {"chr2\t7\t7\n", {"bad.bed line 1", "start 7 is not below end 7"}},
             {"chr2\t9\t7\n", {"bad.bed line 1", "start 9 is not below end 7"}},
             {"chr10\t400\t501\n", {"bad.bed line 1", "501 is past the end of chr10", "500 bp"}},
             {"chr2\t1\t2\tn\tlow\n", {"bad.bed line 1", "score 'low'"}},
             {"chr2\t1\t2\tn\tnan\n", {"bad.bed line 1", "score 'nan'"}},
             {"chr2\t1\t2\tn\t1\tplus\n", {"bad.bed line 1", "strand 'plus'"}},
             {"chr2\t1\t2\nchr2\t1\t3\tname\n", {"bad.bed line 2", "4 columns, but line 1 has 3"}},
             {"chr2\t1\t9\tn\t0\t.\t1\t1\t1\t8\n", {"bad.bed line 1", "peak (column 10) 8"}},
             {"chr2\t1\t9\tn\t0\t.\tx\t1\t1\t2\n", {"bad.bed line 1", "signalValue 'x'"}},
             {"# nothing\n", {"bad.bed", "no region"}},
         }) {
        auto const file = folder.write("bad.bed", text);
        expect_refusal([&] { (void)read_bed(file, two_chroms()); }, fragments);
    }
    expect_refusal([&] { (void)read_bed(folder.path() / "none.bed", two_chroms()); },
                   {"none.bed", "No such file"});
    expect_refusal([&] { (void)read_bed(folder.path(), two_chroms()); }, {"folder"});
}

}  // namespace
}  // namespace mpira::genome
