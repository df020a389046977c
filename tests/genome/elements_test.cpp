#include "mpira/genome/elements.hpp"

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "genome/files.hpp"

namespace mpira::genome {
namespace {

class Elements : public testing::Test {
protected:
    [[nodiscard]] std::filesystem::path write(std::string const& name, std::string const& text) const {
        return folder_.write(name, text);
    }
    static void refused(ElementSource const& source, std::initializer_list<std::string> parts) {
        expect_refusal([&] { (void)ElementLibrary::open(source); }, parts);
    }
    Folder folder_;
};

TEST_F(Elements, FromFasta) {
    auto const library = ElementLibrary::open(
        {.fasta = write("e.fa", ">one first element\nACGT\nacgt\n\n>two\r\nNNRyACG\r\n>three\nT")});
    ASSERT_EQ(library.size(), 3U);
    EXPECT_EQ(library.name(0), "one");
    EXPECT_EQ(library.sequence(0), "ACGTACGT");
    EXPECT_EQ(library.length(0), 8U);
    EXPECT_EQ(library.name(1), "two");
    EXPECT_EQ(library.sequence(1), "NNNNACG");
    EXPECT_EQ(library.length(1), 7U);
    EXPECT_EQ(library.sequence(2), "T");
    EXPECT_EQ(library.ambiguous_letters(), 2U);  // R and y; N is N
    EXPECT_FALSE(library.locus(0).has_value());
    EXPECT_TRUE(library.group_names().empty());
    EXPECT_THAT(library.describe(), testing::HasSubstr("3 elements of 1 to 8 bp"));
}

TEST_F(Elements, FromBedInFileOrder) {
    auto const genome = write("g.fa", ">chrA\nACGTACGTAC\nGTTTT\n>chrB\nnnnnACGTT\n");
    auto const library = ElementLibrary::open(
        {.bed = write(
             "e.bed",
             "# tiles\ntrack name=x\nchrB\t3\t9\tb1\t0\t+\tkeep\nchrA 8 15\nchrA\t0\t4\ta2\t0\t+\tdrop\n"),
         .genome = genome});
    ASSERT_EQ(library.size(), 3U);
    EXPECT_EQ(library.name(0), "b1");
    EXPECT_EQ(library.sequence(0), "NACGTT");
    EXPECT_EQ(library.name(1), "chrA:8-15");
    EXPECT_EQ(library.sequence(1), "ACGTTTT");
    EXPECT_EQ(library.length(1), 7U);
    EXPECT_EQ(library.sequence(2), "ACGT");
    ASSERT_TRUE(library.locus(2).has_value());
    EXPECT_EQ(library.locus(2)->chrom, "chrA");
    EXPECT_EQ(library.locus(2)->end, 4);
}

TEST_F(Elements, ReverseStrandIsReverseComplemented) {
    auto const genome = write("g.fa", ">chrA\nAACGTGGTNR\n");
    auto const library = ElementLibrary::open({.bed = write("e.bed",
                                                            "chrA\t0\t7\tplus\t0\t+\n"
                                                            "chrA\t0\t7\tminus\t0\t-\n"
                                                            "chrA\t0\t7\tunsaid\t0\t.\n"
                                                            "chrA\t4\t10\t.\t0\t-\textra\n"
                                                            "chrA\t4\t10\t.\t0\t+\n"
                                                            "chrA\t0\t3\n"),
                                               .genome = genome,
                                               .vector = write("v.fa", ">v\nTT__Enhancer__GG\n")});
    ASSERT_EQ(library.size(), 6U);
    EXPECT_TRUE(library.has_strands());
    EXPECT_EQ(library.sequence(0), "AACGTGG");
    EXPECT_EQ(library.sequence(1), "CCACGTT");
    EXPECT_EQ(library.sequence(2), "AACGTGG");
    EXPECT_EQ(library.sequence(3), "NNACCA");                 // of TGGTNR
    EXPECT_EQ(library.scan_sequence(1, 100), "TTCCACGTTGG");  // the vector keeps its strand
    EXPECT_EQ(library.name(3), "chrA:4-10(-)");
    EXPECT_EQ(library.name(4), "chrA:4-10");
    std::string strands;
    for (std::uint64_t element = 0; element < library.size(); ++element) {
        strands += library.locus(element)->strand;
    }
    EXPECT_EQ(strands, "+-.-+.");

    auto const without =
        ElementLibrary::open({.bed = write("f.bed", "chrA\t0\t7\tx\t0\t.\n"), .genome = genome});
    EXPECT_FALSE(without.has_strands());
    // A group in column 6 is no strand.
    auto const group = ElementLibrary::open(
        {.bed = write("h.bed", "chrA\t0\t7\tx\t0\t-\n"), .genome = genome, .group_column = 6});
    EXPECT_FALSE(group.has_strands());
    EXPECT_EQ(group.sequence(0), "AACGTGG");
    EXPECT_THAT(group.group_names(), testing::ElementsAre("-"));
}

TEST_F(Elements, GroupsFromATableInAnyOrderOrFromAColumn) {
    auto const fasta = write("e.fa", ">x\nA\n>y\nC\n>z\nG\n");
    auto const library =
        ElementLibrary::open({.fasta = fasta, .groups = write("g.tsv", "# fold\nz\tf1\ny\tf2\nx\tf1\n")});
    EXPECT_THAT(library.group_names(), testing::ElementsAre("f1", "f2"));
    EXPECT_EQ(library.group(0), 0U);
    EXPECT_EQ(library.group(1), 1U);
    EXPECT_EQ(library.group(2), 0U);
    auto const shuffled =
        ElementLibrary::open({.fasta = fasta, .groups = write("h.tsv", "y\tf2\nx\tf1\nz\tf1\n")});
    EXPECT_EQ(shuffled.content_hash(), library.content_hash());

    auto const by_column = ElementLibrary::open({.bed = write("e.bed", "c\t0\t1\tp\tf9\nc\t1\t2\tq\tf8\n"),
                                                 .genome = write("c.fa", ">c\nACGT\n"),
                                                 .group_column = 5});
    EXPECT_THAT(by_column.group_names(), testing::ElementsAre("f9", "f8"));
    EXPECT_EQ(by_column.group(1), 1U);
}

TEST_F(Elements, ScanWindowIsCentredOnTheElementInItsVector) {
    auto const vector = write("v.fa", ">vector\nAAAACC\nCC__Enhancer__GGGG\nttttrr\n");
    auto const fasta = write("e.fa", ">even\nACGTAC\n>odd\nTGCAT\n>long\nACGTACGTACGTACGTTGCA\n");
    auto const library = ElementLibrary::open({.fasta = fasta, .vector = vector});
    EXPECT_TRUE(library.has_vector());
    EXPECT_EQ(library.scan_sequence(0, 0), "ACGTAC");
    EXPECT_EQ(library.scan_sequence(0, 10), "CCACGTACGG");  // middle T (3) at 5
    EXPECT_EQ(library.scan_sequence(0, 9), "CACGTACGG");    // middle T at 4
    EXPECT_EQ(library.scan_sequence(1, 9), "CCTGCATGG");    // middle C (2) at 4
    EXPECT_EQ(library.scan_sequence(2, 6), library.sequence(2).substr(7, 6));
    EXPECT_EQ(library.scan_sequence(0, 1000), "AAAACCCCACGTACGGGGTTTTNN");  // never more than there is
    EXPECT_EQ(library.scan_sequence_of("TTTTTT", 10), "CCTTTTTTGG");
    EXPECT_EQ(library.vector_scan_sequence(6), "CCCGGG");
    EXPECT_EQ(library.vector_scan_sequence(0), "");

    auto const bare = ElementLibrary::open({.fasta = fasta});
    EXPECT_EQ(bare.scan_sequence(0, 10), "ACGTAC");
    EXPECT_EQ(bare.scan_sequence(2, 7), bare.sequence(2).substr(7, 7));
    EXPECT_EQ(bare.vector_scan_sequence(10), "");
    EXPECT_NE(bare.content_hash(), library.content_hash());
}

TEST_F(Elements, GzippedAreTheSame) {
    auto const genome = write("g.fa", ">chrA\nACGTACGTAC\nGTTTT\n");
    auto const fasta = write("e.fa", ">one\nACGT\nAC\n>two\nTTT\n");
    auto const bed = write("e.bed", "chrA\t0\t4\ta\nchrA\t8\t15\tb\n");
    auto const groups = write("groups.tsv", "one\tg\ntwo\th\n");
    for (auto const& file : {fasta, bed, groups})
        ASSERT_EQ(std::system(("gzip -k " + file.string()).c_str()), 0);
    auto const gz = [](std::filesystem::path const& file) { return file.string() + ".gz"; };

    auto const plain = ElementLibrary::open({.fasta = fasta, .groups = groups});
    auto const packed = ElementLibrary::open({.fasta = gz(fasta), .groups = gz(groups)});
    EXPECT_EQ(packed.content_hash(), plain.content_hash());
    EXPECT_EQ(packed.sequence(0), "ACGTAC");
    EXPECT_EQ(packed.group_names(), plain.group_names());

    auto const cut = ElementLibrary::open({.bed = bed, .genome = genome});
    auto const packed_cut = ElementLibrary::open({.bed = gz(bed), .genome = genome});
    EXPECT_EQ(packed_cut.content_hash(), cut.content_hash());
    EXPECT_EQ(packed_cut.sequence(1), "ACGTTTT");
}

TEST_F(Elements, WrongFastaIsRefusedByName) {
    refused({.fasta = write("a.fa", "")}, {"a.fa", "no element"});
    refused({.fasta = write("b.fa", "ACGT\n>x\nA\n")}, {"b.fa, line 1", "'>'"});
    refused({.fasta = write("c.fa", ">x\nACGT\n>empty\n\n>y\nA\n")},
            {"c.fa, line 3", "'empty' has no sequence"});
    refused({.fasta = write("d.fa", ">x\nACGT\nAC-T\n")}, {"d.fa, line 3", "element 'x' has '-'"});
    refused({.fasta = write("e.fa", ">x\nA\n>y\nC\n>x 2\nG\n")},
            {"e.fa, line 5", "'x' was used before, in", "e.fa, line 1;"});
    refused({.fasta = write("f.fa", "> \nA\n")}, {"f.fa, line 1", "without a name"});
    refused({.fasta = write("u.fa", ">x\nA\n>y\xff\nC\n")}, {"u.fa, line 3", "UTF-8"});
    refused({.fasta = write("n.fa", std::string(">x\0y\nA\n", 7))}, {"n.fa, line 1", "NUL"});
    refused({.fasta = write("m.fa", ">x\rACGT\r>y\rA\r")}, {"m.fa", "CR alone"});
    refused({.fasta = write("g.fa.gz", "\x1f\x8b rest")}, {"g.fa.gz", "damaged"});
    refused({.fasta = folder_.path() / "none.fa"}, {"none.fa"});
    refused({}, {"name one"});
}

TEST_F(Elements, WrongBedIsRefusedByLine) {
    auto const genome = write("g.fa", ">chrA\nACGTACGTAC\n");
    auto const bed = [&](std::string const& name, std::string const& text) {
        return ElementSource{.bed = write(name, text), .genome = genome};
    };
    refused(bed("a.bed", "chrA\t0\n"), {"a.bed, line 1", "start and end"});
    refused(bed("b.bed", "chrA\t0\t5\nchrA\tx\t9\n"), {"b.bed, line 2", "'x'"});
    refused(bed("c.bed", "chrA\t5\t5\n"), {"c.bed, line 1", "empty element"});
    refused(bed("d.bed", "\nchrB\t1\t5\n"), {"d.bed, line 2", "'chrB'", "chrA"});
    refused(bed("e.bed", "chrA\t1\t11\n"), {"e.bed, line 1", "beyond chrA of 10 bp"});
    refused(bed("u.bed", "chrA\t0\t5\tx\xff\n"), {"u.bed, line 1", "UTF-8"});
    refused(bed("f.bed", "chrA\t-1\t5\n"), {"f.bed, line 1"});
    refused(bed("g.bed", "chrA\t0\t5\nchrA\t0\t5\n"),
            {"g.bed, line 2", "'chrA:0-5' was used before, in", "g.bed, line 1;"});
    EXPECT_EQ(ElementLibrary::open(bed("n.bed", "chrA\t0\t5\tB\nchrA\t2\t7\tB\n")).name(1), "chrA:2-7")
        << "names that repeat make way for places, as in features";
    refused(bed("s.bed", "chrA\t0\t5\tx\t0\t+\nchrA\t0\t5\ty\t0\tbound\n"),
            {"s.bed, line 2", "strand", "'bound'"});
    refused(bed("t.bed", "chrA\t0\t5\tx\t0\t\n"), {"t.bed, line 1", "strand", "''"});
    auto wrong_column = bed("h.bed", "chrA\t0\t5\n");
    wrong_column.group_column = 4;
    refused(wrong_column, {"h.bed, line 1", "no column 4"});
    refused({.bed = write("i.bed", "chrA\t0\t5\n")}, {"i.bed", "genome"});
}

TEST_F(Elements, WrongGroupsAndVectorsAreRefused) {
    auto const fasta = write("e.fa", ">x\nA\n>y\nC\n");
    auto const groups = [&](std::string const& name, std::string const& text) {
        return ElementSource{.fasta = fasta, .groups = write(name, text)};
    };
    refused(groups("a.tsv", "x\tf\n"), {"a.tsv", "element 'y'", "e.fa, line 3", "no group"});
    refused(groups("b.tsv", "x\tf\ny\tf\nw\tf\n"), {"b.tsv, line 3", "no element 'w'"});
    refused(groups("c.tsv", "x\tf\ny\tf\nx\tg\n"), {"c.tsv, line 3", "'x' was given a group before"});
    refused(groups("d.tsv", "x f\n"), {"d.tsv, line 1", "tab"});
    auto const vector = [&](std::string const& name, std::string const& text) {
        return ElementSource{.fasta = fasta, .vector = write(name, text)};
    };
    refused(vector("v1.fa", ">v\nACGT\n"), {"v1.fa", "'__Enhancer__'", "exactly once"});
    refused(vector("v2.fa", ">v\nA__Enhancer__C__Enhancer__\n"), {"v2.fa", "exactly once"});
    refused(vector("v3.fa", ">v\nA*__Enhancer__C\n"), {"v3.fa", "'*' at position 2"});
    refused(vector("v4.fa", ">v\nA__Enhancer__C\n>w\nA\n"), {"v4.fa", "one FASTA record"});
}

}  // namespace
}  // namespace mpira::genome
