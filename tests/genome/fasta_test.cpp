#include "mpira/genome/fasta.hpp"

#include <chrono>

#include <fcntl.h>
#include <unistd.h>

#include <htslib/bgzf.h>

#include "genome/files.hpp"
#include "genome/real_data.hpp"

namespace mpira::genome {
namespace {

/// Compressed the way `mode` says: "w" is bgzip's, "wg" plain gzip's.
std::filesystem::path compress(Folder const& folder, char const* name, std::string_view text,
                               char const* mode) {
    auto const file = folder.path() / name;
    BGZF* const out = bgzf_open(file.c_str(), mode);
    EXPECT_EQ(bgzf_write(out, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    EXPECT_EQ(bgzf_close(out), 0);
    return file;
}

constexpr std::string_view kTwo = ">one first sequence\nACGTacgtNn\nGGRyC\n>two\nTTTT\n";

void expect_two(Fasta& fasta) {
    EXPECT_THAT(fasta.names(), testing::ElementsAre("one", "two"));
    EXPECT_THAT(fasta.lengths(), testing::ElementsAre(15, 4));
    EXPECT_EQ(fasta.find("two"), 1U);
    EXPECT_EQ(fasta.find("three"), std::nullopt);
    auto const before = fasta.ambiguous_letters();
    EXPECT_EQ(fasta.fetch("one", 0, 15), "ACGTACGTNNGGNNC");
    EXPECT_EQ(fasta.ambiguous_letters(), before + 2);  // R and y; N is no ambiguity letter
    EXPECT_EQ(fasta.fetch(0, 4, 11), "ACGTNNG");
    EXPECT_EQ(fasta.fetch(1, 0, 4), "TTTT");
    EXPECT_EQ(fasta.fetch(1, 2, 2), "");
}

TEST(Fasta, PlainFileIsIndexedBesideIt) {
    Folder const folder;
    auto const file = folder.write("two.fa", kTwo);
    Fasta fasta(file);
    expect_two(fasta);
    EXPECT_TRUE(std::filesystem::exists(folder.path() / "two.fa.fai"));
    Fasta again(file);  // by the index
    expect_two(again);
    Fasta moved(std::move(again));
    expect_two(fasta);
    EXPECT_EQ(moved.fetch("two", 0, 1), "T");
}

TEST(Fasta, BgzipFileAndWindowsLineEnds) {
    Folder const folder;
    Fasta packed(compress(folder, "two.fa.gz", kTwo, "w"));
    expect_two(packed);
    std::string windows;
    for (char const letter : kTwo) windows += letter == '\n' ? std::string("\r\n") : std::string(1, letter);
    Fasta fasta(folder.write("windows.fa", windows));
    expect_two(fasta);
}

TEST(Fasta, AnOlderIndexIsMadeAnew) {
    Folder const folder;
    auto const file = folder.write("two.fa", ">other\nAC\n");
    { Fasta const before(file); }
    folder.write("two.fa", kTwo);
    auto const index = folder.path() / "two.fa.fai";
    std::filesystem::last_write_time(index, std::filesystem::last_write_time(file) - std::chrono::hours(1));
    Fasta fasta(file);
    expect_two(fasta);
}

TEST(Fasta, WhoMayReadTheSequencesMayReadTheirIndex) {
    namespace fs = std::filesystem;
    for (auto const mode : {fs::perms(0600), fs::perms(0644)}) {
        Folder const folder;
        auto const file = folder.write("two.fa", kTwo);
        fs::permissions(file, mode);
        Fasta const fasta(file);
        EXPECT_EQ(fs::status(folder.path() / "two.fa.fai").permissions(), mode);
        auto const files = std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator());
        EXPECT_EQ(files, 2);  // no draft is left
    }
}

TEST(Fasta, WhereTheFolderCantBeWrittenTheIndexIsElsewhere) {
    Folder const folder;
    int const open_file = open(folder.write("two.fa", kTwo).c_str(), O_RDONLY | O_CLOEXEC);
    ASSERT_GE(open_file, 0);
    {
        Fasta fasta("/proc/self/fd/" + std::to_string(open_file));  // not even root makes files there
        expect_two(fasta);
    }
    close(open_file);
    EXPECT_FALSE(std::filesystem::exists(folder.path() / "two.fa.fai"));
}

TEST(Fasta, RealChromosome) {
    Folder const folder;
    auto const link = folder.path() / "chr2R.fa";  // so that the index isn't written into the data
    std::filesystem::create_symlink(real::chr2r(), link);
    Fasta fasta(link);
    ASSERT_EQ(fasta.size(), 1U);
    EXPECT_EQ(fasta.names()[0], "chr2R");
    EXPECT_EQ(fasta.lengths()[0], 21'146'708);
    EXPECT_EQ(fasta.fetch("chr2R", 0, 60), "GACCCGCTAGGAGATGTTGAGATTGTGAGTACTTCTTGGAATTTGGTTATCTATTATAAA");
}

TEST(Fasta, Refusals) {
    struct Case {
        char const* text;
        std::initializer_list<std::string> fragments;
    };
    Folder const folder;
    for (auto const& [text, fragments] : std::initializer_list<Case>{
             {"ACGT\n>one\nAC\n", {"bad.fa line 1", "before the first '>'"}},
             {"@read\nACGT\n+\nIIII\n", {"bad.fa line 1", "FASTQ"}},
             {">one\nAC\n>two\nAC\n>one\nGG\n", {"bad.fa line 5", "'one'", "line 1"}},
             {">one\nACGT\nAC\nACGT\n", {"bad.fa line 4", "'one'", "different lengths"}},
             {">one\nACGT\nACGTA\n", {"bad.fa line 3", "different lengths"}},
             {">one\nACGT\n> two\nAC\n", {"bad.fa line 3", "without a name"}},
             {">one\nAC GT\nACGTA\n", {"bad.fa line 2", "byte 0x20"}},
             {">b\n\264\n\366\nb\n\n", {"bad.fa line 2", "byte 0xb4"}},
             {"", {"bad.fa", "no sequence"}},
         }) {
        auto const file = folder.write("bad.fa", text);
        expect_refusal([&] { Fasta const fasta(file); }, fragments);
        std::filesystem::remove(file);
    }
    expect_refusal([&] { Fasta const fasta(folder.path() / "none.fa"); }, {"none.fa", "No such file"});
    expect_refusal([&] { Fasta const fasta(folder.path()); }, {"folder"});
    expect_refusal([&] { Fasta const fasta(compress(folder, "gzip.fa.gz", kTwo, "wg")); },
                   {"gzip.fa.gz", "bgzip"});

    Fasta fasta(folder.write("letters.fa", ">one\nACGT\nAXGT\n>two\nAC-T\n"));
    expect_refusal([&] { fasta.fetch("one", 0, 8); }, {"letters.fa", "'one'", "'X'", "position 6"});
    expect_refusal([&] { fasta.fetch("two", 1, 4); }, {"letters.fa", "'two'", "'-'", "position 3"});
    EXPECT_EQ(fasta.fetch("one", 0, 5), "ACGTA");
    expect_refusal([&] { fasta.fetch("tow", 0, 1); }, {"letters.fa", "'tow'", "did you mean 'two'"});
    expect_refusal([&] { fasta.fetch("one", 4, 9); }, {"one:4-9", "8 bp"});
    expect_refusal([&] { fasta.fetch("one", -1, 3); }, {"one:-1-3"});
    expect_refusal([&] { fasta.fetch("one", 3, 1); }, {"one:3-1"});
}

TEST(Fasta, AnIndexThatCantBeRightIsRefused) {
    Folder const folder;
    auto const file = folder.write("one.fa", ">one\nACGT\nAC\n");
    for (std::string const line :
         {"one\t6\t5\t0\t5", "one\t6\t5\t4\t0", "one\t-6\t5\t4\t5", "one\t6\t-5\t4\t5"}) {
        auto const index = folder.write("one.fa.fai", line + "\n");
        std::filesystem::last_write_time(index,
                                         std::filesystem::last_write_time(file) + std::chrono::hours(1));
        expect_refusal([&] { Fasta const fasta(file); }, {"one.fa.fai line 1", "remove the file"});
    }
}

TEST(Fasta, AFileThatShrankUnderItsIndexIsRefused) {
    Folder const folder;
    auto const file =
        folder.write("one.fa", ">one\n" + std::string(60, 'A') + "\n" + std::string(60, 'C') + "\n");
    { Fasta const indexed(file); }
    folder.write("one.fa", ">one\n" + std::string(60, 'A') + "\n");
    auto const index = folder.path() / "one.fa.fai";
    std::filesystem::last_write_time(index, std::filesystem::last_write_time(file) + std::chrono::hours(1));
    Fasta fasta(file);
    EXPECT_EQ(fasta.lengths()[0], 120);
    expect_refusal([&] { fasta.fetch(0, 0, 120); }, {"one.fa", "is the file complete"});
}

}  // namespace
}  // namespace mpira::genome
