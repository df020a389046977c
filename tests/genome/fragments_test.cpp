#include "mpira/genome/fragments.hpp"

#include <filesystem>
#include <tuple>

#include <gmock/gmock.h>
#include <htslib/bgzf.h>
#include <htslib/tbx.h>

#include "genome/files.hpp"

namespace mpira::genome {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// A bgzipped file with its index, as bgzip and tabix make them.
std::filesystem::path bgzipped(Folder const& folder, std::string const& name, std::string const& text,
                               bool index = true) {
    auto file = folder.write(name, "");
    BGZF* const out = bgzf_open(file.c_str(), "w");
    EXPECT_EQ(bgzf_write(out, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    bgzf_close(out);
    EXPECT_EQ(index ? tbx_index_build(file.c_str(), 0, &tbx_conf_bed) : 0, 0);
    return file;
}

using Found = std::vector<std::tuple<std::int64_t, std::int64_t, std::string>>;
Found read(FragmentFile& file, char const* chrom, std::int64_t start, std::int64_t end) {
    Found found;
    file.read(chrom, start, end,
              [&](Fragment const& one) { found.emplace_back(one.start, one.end, one.barcode); });
    return found;
}

constexpr char const* kText =
    "# made by hand\nchr1\t10\t60\tAAA-1\t2\nchr1\t50\t200\tCCC-1\t1\nchr1\t200\t210\tAAA-1\t7\n"
    "chrM\t5\t9\tAAA-1\t1\n";

TEST(FragmentFile, GivesWhatSharesABase) {
    Folder const folder;
    FragmentFile file(bgzipped(folder, "f.tsv.gz", kText));
    EXPECT_THAT(file.chroms(), ElementsAre("chr1", "chrM"));
    EXPECT_EQ(read(file, "chr1", 0, 1000),
              (Found{{10, 60, "AAA-1"}, {50, 200, "CCC-1"}, {200, 210, "AAA-1"}}));
    EXPECT_EQ(read(file, "chr1", 199, 200), (Found{{50, 200, "CCC-1"}}));
    EXPECT_EQ(read(file, "chr1", 200, 201), (Found{{200, 210, "AAA-1"}}));
    EXPECT_EQ(read(file, "chrM", 0, 1000), (Found{{5, 9, "AAA-1"}}));
    EXPECT_THAT(read(file, "chr2", 0, 1000), IsEmpty());
    EXPECT_THAT(read(file, "chr1", 5, 5), IsEmpty());
    // Without barcodes it is a BED of fragments.
    FragmentFile bare(bgzipped(folder, "bare.bed.gz", "chr1\t1\t4\n"));
    EXPECT_EQ(read(bare, "chr1", 0, 10), (Found{{1, 4, ""}}));
}

TEST(FragmentFile, ContentNotPlaceNamesIt) {
    Folder const folder;
    auto const one = FragmentFile(bgzipped(folder, "one.tsv.gz", kText)).content_hash();
    EXPECT_EQ(one, FragmentFile(bgzipped(folder, "two.tsv.gz", kText)).content_hash());
    EXPECT_NE(one, FragmentFile(bgzipped(folder, "three.tsv.gz", "chr1\t1\t4\n")).content_hash());
}

TEST(FragmentFile, WhatIsRefused) {
    Folder const folder;
    auto const refuses = [](std::filesystem::path const& file, std::initializer_list<std::string> fragments) {
        expect_refusal([&] { FragmentFile(file).read("chr1", 0, 1000, [](Fragment const&) {}); }, fragments);
    };
    refuses(folder.path() / "none.tsv.gz", {"none.tsv.gz", "No such file"});
    refuses(folder.path(), {"no file"});
    refuses(folder.write("plain.tsv", kText), {"plain.tsv", "bgzip"});
    refuses(bgzipped(folder, "bare.tsv.gz", kText, false), {"bare.tsv.gz", "tabix -p bed"});
    auto const foreign = bgzipped(folder, "foreign.tsv.gz", kText, false);
    folder.write("foreign.tsv.gz.tbi", "this is no index");
    refuses(foreign, {"foreign.tsv.gz", "index"});
    refuses(bgzipped(folder, "word.tsv.gz", "chr1\t10\t20x\tA\n"), {"word.tsv.gz", "'chr1\t10\t20x\tA'"});
    std::string many;
    for (int i = 0; i < 40000; ++i)
        many += "chr1\t" + std::to_string(i) + "\t" + std::to_string(i + 50) + "\tAAA\t1\n";
    auto const cut = bgzipped(folder, "cut.tsv.gz", many);
    std::filesystem::resize_file(cut, std::filesystem::file_size(cut) / 2);
    expect_refusal([&] { FragmentFile(cut).read("chr1", 0, 100000, [](Fragment const&) {}); },
                   {"cut.tsv.gz", "end is missing"});
}

}  // namespace
}  // namespace mpira::genome
