#include "mpira/genome/motifs.hpp"

#include <sqlite3.h>

#include "genome/files.hpp"
#include "genome/real_data.hpp"

namespace mpira::genome {
namespace {

using testing::ElementsAre;

TEST(Jaspar, InsectsOfTheRealRelease) {
    auto const motifs = read_jaspar_sqlite(real::jaspar(), "CORE", "insects");
    ASSERT_EQ(motifs.size(), 286U);
    EXPECT_EQ(motifs.front().id, "MA0010.2");
    auto const base = [](Motif const& motif) { return motif.id.substr(0, motif.id.find('.')); };
    for (std::size_t m = 1; m < motifs.size(); ++m) EXPECT_LT(base(motifs[m - 1]), base(motifs[m]));
    auto const suhw = std::ranges::find(motifs, "MA0533.1", &Motif::id);
    ASSERT_NE(suhw, motifs.end());
    EXPECT_EQ(suhw->name, "su(Hw)");
    EXPECT_EQ(suhw->width(), 21U);
    auto const beaf = std::ranges::find(motifs, "MA0529.3", &Motif::id);  // .1 and .2 are older versions
    ASSERT_NE(beaf, motifs.end());
    EXPECT_EQ(beaf->name, "BEAF-32");
}

/// A database with the three tables we read.
std::filesystem::path small_release(Folder const& folder, char const* name, char const* rows) {
    auto const file = folder.path() / name;
    sqlite3* database = nullptr;
    EXPECT_EQ(sqlite3_open(file.c_str(), &database), SQLITE_OK);
    std::string const sql =
        "CREATE TABLE MATRIX (ID INTEGER, COLLECTION TEXT COLLATE NOCASE, BASE_ID TEXT, VERSION INTEGER, "
        "NAME TEXT);"
        "CREATE TABLE MATRIX_ANNOTATION (ID INTEGER, TAG TEXT, VAL TEXT COLLATE NOCASE);"
        "CREATE TABLE MATRIX_DATA (ID INTEGER, row TEXT, col INTEGER, val REAL);" +
        std::string(rows);
    EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(database);
    return file;
}

constexpr char kTwoVersions[] =
    "INSERT INTO MATRIX VALUES (1,'CORE','MA2',1,'old'),(2,'CORE','MA2',10,'new'),(3,'CORE','MA1',1,'one');"
    "INSERT INTO MATRIX_ANNOTATION VALUES "
    "(1,'tax_group','insects'),(2,'tax_group','insects'),(3,'tax_group','plants');"
    "INSERT INTO MATRIX_DATA VALUES (1,'A',1,9),(1,'C',1,0),(1,'G',1,0),(1,'T',1,0),"
    "(2,'A',1,1),(2,'C',1,2),(2,'G',1,3),(2,'T',1,4),(2,'T',2,8),(2,'G',2,7),(2,'C',2,6),(2,'A',2,5),"
    "(3,'A',1,1),(3,'C',1,1),(3,'G',1,1),(3,'T',1,1);";

TEST(Jaspar, NewestVersionByNumber) {
    Folder const folder;
    auto const file = small_release(folder, "small.sqlite", kTwoVersions);
    auto const insects = read_jaspar_sqlite(file, "CORE", "insects");
    ASSERT_EQ(insects.size(), 1U);
    EXPECT_EQ(insects[0].id, "MA2.10");
    EXPECT_EQ(insects[0].name, "new");
    EXPECT_THAT(insects[0].counts, ElementsAre(ElementsAre(1, 2, 3, 4), ElementsAre(5, 6, 7, 8)));
    auto const all = read_jaspar_sqlite(file, "core", "");
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all[0].id, "MA1.1");
}

TEST(Jaspar, Refusals) {
    Folder const folder;
    auto const good = small_release(folder, "small.sqlite", kTwoVersions);
    expect_refusal([&] { (void)read_jaspar_sqlite(good, "CORE", "insect"); },
                   {"small.sqlite", "tax_group 'insect'", "insects, plants"});
    expect_refusal([&] { (void)read_jaspar_sqlite(good, "PBM", "insects"); }, {"collection 'PBM'", "CORE"});
    expect_refusal([&] { (void)read_jaspar_sqlite(folder.path() / "none.sqlite", "CORE", ""); },
                   {"none.sqlite", "no such file"});
    auto const text = folder.write("text.sqlite", "this is no database, however long the line may be\n");
    expect_refusal([&] { (void)read_jaspar_sqlite(text, "CORE", ""); }, {"text.sqlite", "JASPAR"});
    auto const empty = folder.write("empty.sqlite", "");
    expect_refusal([&] { (void)read_jaspar_sqlite(empty, "CORE", ""); }, {"empty.sqlite", "no such table"});
    struct Case {
        char const* rows;
        std::initializer_list<std::string> fragments;
    };
    int number = 0;
    for (auto const& [rows, fragments] : std::initializer_list<Case>{
             {"INSERT INTO MATRIX_DATA VALUES (1,'A',1,1),(1,'C',1,1),(1,'G',1,1);",
              {"MA1.1", "3 cells for 1 pos"}},
             {"INSERT INTO MATRIX_DATA VALUES (1,'A',1,1),(1,'C',1,-1),(1,'G',1,1),(1,'T',1,1);",
              {"MA1.1", "-1"}},
             {"INSERT INTO MATRIX_DATA VALUES (1,'A',1,0),(1,'C',1,0),(1,'G',1,0),(1,'T',1,0);",
              {"MA1.1", "position 1 counts no base"}},
             {"INSERT INTO MATRIX_DATA VALUES (1,'U',1,0);", {"MA1.1", "row 'U'"}},
             {"", {"MA1.1", "0 cells"}},
         }) {
        auto const name = std::string("bad").append(std::to_string(number++)).append(".sqlite");
        auto const file = small_release(
            folder, name.c_str(),
            (std::string("INSERT INTO MATRIX VALUES (1,'CORE','MA1',1,'one');") + rows).c_str());
        expect_refusal([&] { (void)read_jaspar_sqlite(file, "CORE", ""); }, fragments);
    }
}

constexpr char kMeme[] =
    "MEME version 5.4.1\n\nALPHABET= ACGT\n\nstrands: + -\n\nBackground letter frequencies\nA 0.25 C 0.25 G "
    "0.25 T 0.25\n"
    "\nMOTIF M1 first\nletter-probability matrix: alength= 4 w= 2 nsites= 10 E= 0\n 0.5 0.5 0 0\n 0.1\t0.2 "
    "0.3 0.4\n"
    "URL http://example.org\n\nMOTIF M2\nletter-probability matrix: alength= 4 w= 1\n1 0 0 0\n";

TEST(Meme, ReadsMotifs) {
    Folder const folder;
    auto const motifs = read_motifs(folder.write("two.meme", kMeme));
    ASSERT_EQ(motifs.size(), 2U);
    EXPECT_EQ(motifs[0].id, "M1");
    EXPECT_EQ(motifs[0].name, "first");
    EXPECT_THAT(motifs[0].counts[0], ElementsAre(5, 5, 0, 0));
    EXPECT_THAT(motifs[0].counts[1], ElementsAre(testing::DoubleEq(1), testing::DoubleEq(2),
                                                 testing::DoubleEq(3), testing::DoubleEq(4)));
    EXPECT_EQ(motifs[1].name, "M2");
    EXPECT_THAT(motifs[1].counts[0], ElementsAre(20, 0, 0, 0));
}

TEST(Meme, Refusals) {
    std::string const head = "MEME version 4\nALPHABET= ACGT\n";  // two lines
    std::string const matrix = "letter-probability matrix: alength= 4 w= 2 nsites= 9\n";
    struct Case {
        std::string text;
        std::initializer_list<std::string> fragments;
    };
    Folder const folder;
    for (auto const& [text, fragments] : std::initializer_list<Case>{
             {"M1\nA [1 2]\n", {"bad.meme line 1", "MEME version", "JASPAR", "TRANSFAC"}},
             {"", {"bad.meme", "empty"}},
             {"MEME version 4\nALPHABET= ACDEFGHIKLMNPQRSTVWY\n", {"bad.meme line 2", "only ACGT"}},
             {head, {"bad.meme", "no motif"}},
             {head + "MOTIF\n", {"bad.meme line 3", "without an identifier"}},
             {head + "MOTIF M1\n", {"bad.meme", "'M1' (line 3)", "no letter-probability matrix"}},
             {head + "MOTIF M1\nMOTIF M2\n", {"bad.meme", "'M1' (line 3)", "no letter-probability matrix"}},
             {head + matrix, {"bad.meme line 3", "without its MOTIF"}},
             {head + "MOTIF M1\n" + matrix + ".25 .25 .25 .25\n",
              {"bad.meme", "ends inside motif 'M1'", "1 rows"}},
             {head + "MOTIF M1\n" + matrix + ".25 .25 .25 .25\n\n", {"bad.meme line 6", "'M1'", "1 rows"}},
             {head + "MOTIF M1\n" + matrix + ".25 .25 .25 .2\n", {"bad.meme line 5", "sum to 0.95"}},
             {head + "MOTIF M1\n" + matrix + ".25 .25 .25 x\n",
              {"bad.meme line 5", "'x' is not a probability"}},
             {head + "MOTIF M1\n" + matrix + "1.5 -.5 0 0\n",
              {"bad.meme line 5", "'-.5' is not a probability"}},
             {head + "MOTIF M1\nletter-probability matrix: alength= 4\n", {"bad.meme line 4", "w="}},
             {head + "MOTIF M1\nletter-probability matrix: w= 0\n", {"bad.meme line 4", "w="}},
             {head + "MOTIF M1\nletter-probability matrix: alength= 20 w= 2\n",
              {"bad.meme line 4", "alength= 20"}},
             {head + "MOTIF M1\nletter-probability matrix: w= 1 nsites= -3\n",
              {"bad.meme line 4", "nsites= -3"}},
             {head + "MOTIF M1\nletter-probability matrix: w= 1\n1 0 0 0\nMOTIF M1\n",
              {"bad.meme line 6", "'M1' is already on line 3"}},
         }) {
        auto const file = folder.write("bad.meme", text);
        expect_refusal([&] { (void)read_motifs(file); }, fragments);
    }
}

TEST(JasparText, ReadsMotifs) {
    Folder const folder;
    auto const motifs = read_motifs(folder.write("three.jaspar",
                                                 "# JASPAR\n>MA1.1\tone\nA  [ 1  2 ]\nC  [3 4]\nG [ 5 6 ]\r\n"
                                                 "T [ 7 8.5 ]\n\n>MA2.1\n1 2\n3 4\n5 6\n7 8\n"
                                                 ">MA3.1 three x\nt .5\ng 0\nc .25\na .25\n"));
    ASSERT_EQ(motifs.size(), 3U);
    EXPECT_EQ(motifs[0].id, "MA1.1");
    EXPECT_EQ(motifs[0].name, "one");
    EXPECT_THAT(motifs[0].counts, ElementsAre(ElementsAre(1, 3, 5, 7), ElementsAre(2, 4, 6, 8.5)));
    EXPECT_EQ(motifs[1].name, "MA2.1");
    EXPECT_THAT(motifs[1].counts, ElementsAre(ElementsAre(1, 3, 5, 7), ElementsAre(2, 4, 6, 8)));
    EXPECT_EQ(motifs[2].name, "three");
    EXPECT_THAT(motifs[2].counts, ElementsAre(ElementsAre(5, 5, 0, 10)));  // of 20 sites
    auto const one_site = read_motifs(folder.write("one.pfm", ">m\n1 0\n0 1\n0 0\n0 0\n"));
    EXPECT_THAT(one_site.at(0).counts, ElementsAre(ElementsAre(1, 0, 0, 0), ElementsAre(0, 1, 0, 0)));
}

TEST(JasparText, Refusals) {
    struct Case {
        char const* text;
        std::initializer_list<std::string> fragments;
    };
    Folder const folder;
    for (auto const& [text, fragments] : std::initializer_list<Case>{
             {">\n", {"bad.jaspar line 1", "without an identifier"}},
             {">m\nA [1 2]\nC [1 2]\nG [1 2]\n", {"bad.jaspar line 1", "'m' has 3 rows"}},
             {">m\nA [1 2]\nA [1 2]\n", {"bad.jaspar line 3", "two rows A"}},
             {">m\nA [1 2]\nC [1]\n", {"bad.jaspar line 3", "row C", "1 counts", "first row 2"}},
             {">m\nA []\n", {"bad.jaspar line 2", "0 counts"}},
             {">m\nA [1 2\n", {"bad.jaspar line 2", "']'"}},
             {">m\nA [1 x]\n", {"bad.jaspar line 2", "'x'"}},
             {">m\nA [1 -1]\n", {"bad.jaspar line 2", "'-1'"}},
             {">m\n1\n1\n1\n1\n1\n", {"bad.jaspar line 6", "'>id name'"}},
             {">m\n1 0\n1 0\n1 0\n1 0\n", {"bad.jaspar line 5", "'m'", "position 2 counts no base"}},
             {">m\n1\n1\n1\n1\n>m\n1\n1\n1\n1\n", {"'m' of line 6", "already on line 1"}},
         }) {
        auto const file = folder.write("bad.jaspar", text);
        expect_refusal([&] { (void)read_motifs(file); }, fragments);
    }
}

TEST(Transfac, ReadsMotifs) {
    Folder const folder;
    auto const motifs = read_motifs(folder.write(
        "three.transfac",
        "VV  a set, of today\nXX\n//\nAC  M1\nXX\nID  V$ONE_01\nXX\nNA  One\nDE  one; of it\nP0      A      "
        "C      "
        "G      T\n01      1      2      3      4      N\n02      5      6      7      8.5      W\nXX\nCC  "
        "01 text\n//\n"
        "ID two\nPO\tT\tG\tC\tA\n00\t.5\t.25\t.25\t0\n//\nAC M3\nID three\nP0 A C G T\n1 9 0 0 0\n//\n"));
    ASSERT_EQ(motifs.size(), 3U);
    EXPECT_EQ(motifs[0].id, "M1");
    EXPECT_EQ(motifs[0].name, "One");
    EXPECT_THAT(motifs[0].counts, ElementsAre(ElementsAre(1, 2, 3, 4), ElementsAre(5, 6, 7, 8.5)));
    EXPECT_EQ(motifs[1].id, "two");
    EXPECT_THAT(motifs[1].counts, ElementsAre(ElementsAre(0, 5, 5, 10)));
    EXPECT_EQ(motifs[2].id, "M3");
    EXPECT_EQ(motifs[2].name, "three");
}

TEST(Transfac, Refusals) {
    std::string const head = "AC M1\nP0 A C G T\n";  // two lines
    struct Case {
        std::string text;
        std::initializer_list<std::string> fragments;
    };
    Folder const folder;
    for (auto const& [text, fragments] : std::initializer_list<Case>{
             {"XX\n//\n", {"bad.transfac", "no motif"}},
             {"AC\n", {"bad.transfac line 1", "AC without a name"}},
             {"AC M1\n//\n", {"bad.transfac line 2", "'M1' (line 1)", "no matrix"}},
             {"AC M1\nAC M2\n", {"bad.transfac line 2", "second AC", "'M1'"}},
             {"AC M1\n01 1 2 3 4\n", {"bad.transfac line 2", "before its P0"}},
             {"AC M1\nP0 A C G\n", {"bad.transfac line 2", "A, C, G and T"}},
             {"AC M1\nP0 A C G G\n", {"bad.transfac line 2", "each once"}},
             {head + "P0 A C G T\n", {"bad.transfac line 3", "second matrix"}},
             {head + "02 1 2 3 4\n", {"bad.transfac line 3", "row 02", "1 was expected"}},
             {head + "01 1 2 3 4\n03 1 2 3 4\n", {"bad.transfac line 4", "row 03", "2 was expected"}},
             {head + "01 1 2 3\n", {"bad.transfac line 3", "four counts"}},
             {head + "01 1 2 3 W\n", {"bad.transfac line 3", "'W'"}},
             {head + "01 1 2 3 4\n", {"bad.transfac", "ends inside motif 'M1'"}},
             {"VV x\n//\nP0 A C G T\n01 1 2 3 4\n//\n", {"motif of line 3", "neither AC nor ID"}},
             {head + "01 0 0 0 0\n//\n", {"'M1'", "position 1 counts no base"}},
             {head + "01 1 2 3 4\n//\n" + head + "01 1 2 3 4\n//\n", {"'M1' of line 5", "already on line 1"}},
         }) {
        auto const file = folder.write("bad.transfac", text);
        expect_refusal([&] { (void)read_motifs(file); }, fragments);
    }
}

std::vector<Motif> three_motifs() {
    std::array<double, 4> const column{1, 2, 3, 4};
    return {{"M1.1", "a", {column}}, {"M2.1", "b", {column}}, {"M3.1", "c", {column}}};
}

TEST(MotifClusters, FeaturesInOrderOfFirstAppearance) {
    Folder const folder;
    auto const motifs = three_motifs();
    auto const features = read_motif_clusters(
        folder.write("clusters.tsv", "# id\tcluster\nM3.1\tzinc\textra\nM1.1\tETS\nM2.1\tzinc\n"), motifs);
    EXPECT_THAT(features.names, ElementsAre("zinc", "ETS"));
    EXPECT_THAT(features.of_motif, ElementsAre(1, 0, 0));
    auto const fewer = read_motif_clusters(folder.write("fewer.tsv", "M1.1\t-\nM2.1\tx\nM3.1\t-\n"), motifs);
    EXPECT_THAT(fewer.names, ElementsAre("x"));
    EXPECT_THAT(fewer.of_motif, ElementsAre(-1, 0, -1));
    auto const own = one_feature_each(motifs);
    EXPECT_THAT(own.names, ElementsAre("M1.1", "M2.1", "M3.1"));
    EXPECT_THAT(own.of_motif, ElementsAre(0, 1, 2));
}

TEST(MotifClusters, Refusals) {
    struct Case {
        char const* text;
        std::initializer_list<std::string> fragments;
    };
    Folder const folder;
    auto const motifs = three_motifs();
    for (auto const& [text, fragments] : std::initializer_list<Case>{
             {"M1.1\ta\nM4.1\ta\n", {"bad.tsv line 2", "unknown motif 'M4.1'", "did you mean"}},
             {"M1.1\ta\nM2.1\ta\nM1.1\tb\n", {"bad.tsv line 3", "'M1.1' is given a second time"}},
             {"M1.1 a\n", {"bad.tsv line 1", "a tab"}},
             {"M1.1\t\n", {"bad.tsv line 1", "feature name"}},
             {"M1.1\ta\n", {"bad.tsv", "2 of 3 motifs have no line", "M2.1, M3.1"}},
             {"M1.1\t-\nM2.1\t-\nM3.1\t-\n", {"bad.tsv", "leaves every motif out"}},
         }) {
        auto const file = folder.write("bad.tsv", text);
        expect_refusal([&] { (void)read_motif_clusters(file, motifs); }, fragments);
    }
}

}  // namespace
}  // namespace mpira::genome
