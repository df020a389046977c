#include <tuple>

#include "mpira/genome/cell_matrix.hpp"

#include "genome/files.hpp"

namespace mpira::genome {
namespace {

using testing::ElementsAre;
using Found = std::vector<std::tuple<std::uint32_t, std::uint32_t, std::int64_t>>;

std::string const kHead = "%%MatrixMarket matrix coordinate integer general\n";

/// A folder of a matrix of 3 rows, where `rows` is peaks.bed or features.tsv, and 2 cells.
std::filesystem::path folder_of(Folder const& folder, std::string const& name, std::string const& matrix,
                                std::string const& rows_name, std::string const& rows) {
    std::filesystem::create_directory(folder.path() / name);
    folder.write(name + "/matrix.mtx", matrix);
    folder.write(name + "/barcodes.tsv", "AAA-1\nCCC-1\n");
    folder.write(name + "/" + rows_name, rows);
    return folder.path() / name;
}

Found read(CellMatrix& matrix) {
    Found found;
    matrix.read([&](CellMatrix::Entry const& one) { found.emplace_back(one.peak, one.cell, one.count); });
    return found;
}

TEST(MatrixMarket, PeaksOfABed) {
    Folder const folder;
    auto const matrix = open_matrix_market(
        folder_of(folder, "atac", kHead + "%metadata\n3 2 5\n1 1 2\n3 2 1\n2 1 0\n3\t1  7.00\n2 2 1.2e+02\n",
                  "peaks.bed", "# peaks\nchr1\t10\t20\nchr1\t30\t40\nchr2\t0\t5\n"));
    EXPECT_THAT(matrix->peaks(), ElementsAre("chr1:10-20", "chr1:30-40", "chr2:0-5"));
    EXPECT_THAT(matrix->cells(), ElementsAre("AAA-1", "CCC-1"));
    EXPECT_EQ(read(*matrix), (Found{{0, 0, 2}, {2, 1, 1}, {2, 0, 7}, {1, 1, 120}}));
    EXPECT_EQ(matrix->files().size(), 3U);
}

TEST(MatrixMarket, PeaksAmongGenes) {
    Folder const folder;
    auto const matrix = open_matrix_market(
        folder_of(folder, "multiome", kHead + "3 2 3\n1 1 2\n2 1 5\n3 2 9\n", "features.tsv",
                  "g1\tone\tGene Expression\tchr1\t1\t2\nchr1:5-9\tchr1:5-9\tPeaks\tchr1\t5\t9\n"
                  "chr2-3-4\tx\tPeaks\n"));
    EXPECT_THAT(matrix->peaks(), ElementsAre("chr1:5-9", "chr2-3-4"));
    EXPECT_EQ(read(*matrix), (Found{{0, 0, 5}, {1, 1, 9}}));
}

TEST(MatrixMarket, Refusals) {
    Folder const folder;
    std::string const peaks = "chr1\t1\t2\nchr1\t3\t4\nchr1\t5\t6\n";
    expect_refusal([&] { (void)open_matrix_market(folder.path()); }, {"barcodes.tsv"});
    expect_refusal([&] { (void)open_matrix_market(folder_of(folder, "bare", kHead, "other.tsv", "")); },
                   {"features.tsv"});
    expect_refusal(
        [&] { (void)open_matrix_market(folder_of(folder, "genes", kHead, "features.tsv", "g\tg\tGene\n")); },
        {"features.tsv", "no peak"});
    struct Case {
        std::string text;
        std::initializer_list<std::string> fragments;
    };
    int number = 0;
    for (auto const& [text, fragments] : std::initializer_list<Case>{
             {"", {"%%MatrixMarket"}},
             {"%%MatrixMarket matrix array integer general\n3 2\n", {"coordinate integer general"}},
             {"%%MatrixMarket matrix coordinate integer symmetric\n3 3 0\n", {"coordinate integer general"}},
             {kHead + "4 2 1\n1 1 1\n", {"line 2", "4 rows", "peaks.bed", "3"}},
             {kHead + "3 9 1\n1 1 1\n", {"line 2", "9 columns", "barcodes.tsv", "2"}},
             {kHead + "3 2\n", {"line 2", "three whole numbers"}},
             {kHead + "3 2 1\n1 1 1.5\n", {"line 3", "three whole numbers"}},
             {kHead + "3 2 1\n1 1 1e-1\n", {"line 3", "three whole numbers"}},
             {kHead + "3 2 1\n1 1 1e300\n", {"line 3", "three whole numbers"}},
             {kHead + "3 2 1\n1 1 1 1\n", {"line 3", "three whole numbers"}},
             {kHead + "3 2 1\n1e0 1 1\n", {"line 3", "three whole numbers"}},
             {kHead + "3 2 1\n4 1 1\n", {"line 3", "row 4"}},
             {kHead + "3 2 1\n1 0 1\n", {"line 3", "column 0"}},
             {kHead + "3 2 1\n1 1 -1\n", {"line 3", "value -1"}},
             {kHead + "3 2 1\n1 1 1\n1 2 1\n", {"line 4", "more entries"}},
             {kHead + "3 2 3\n1 1 1\n", {"2 entries too early"}},
         }) {
        auto const place = folder_of(folder, "bad" + std::to_string(number++), text, "peaks.bed", peaks);
        expect_refusal([&] { (void)read(*open_matrix_market(place)); }, fragments);
    }
}

}  // namespace
}  // namespace mpira::genome
