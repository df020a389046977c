#include "mpira/genome/gene_table.hpp"

#include <gmock/gmock.h>

#include "genome/files.hpp"

namespace mpira::genome {
namespace {

using testing::ElementsAre;

TEST(GeneTable, AllColumnsOrThoseAskedFor) {
    Folder const folder;
    auto const file = folder.write("t.tsv", "gene\tbrain\tliver\nB\t1\t2.5\n\nA\t0\t1e1\r\n");
    GeneTable const all(file);
    EXPECT_THAT(all.columns(), ElementsAre("brain", "liver"));
    EXPECT_THAT(all.genes(), ElementsAre("B", "A"));
    EXPECT_THAT(all.row(1), ElementsAre(0, 10));
    EXPECT_EQ(all.find("A"), 1U);
    EXPECT_FALSE(all.find("C"));

    std::vector<std::string> const wanted{"liver", "brain"};
    GeneTable const some(folder.write("s.tsv", "gene\tbrain\tx\tliver\nA\t1\tNA\t2.5\nB\t0\t-\t1e1\n"),
                         wanted);
    EXPECT_THAT(some.of("A"), ElementsAre(2.5, 1));
    EXPECT_TRUE(some.of("C").empty());
}

TEST(GeneTable, WhatIsRefused) {
    Folder const folder;
    std::vector<std::string> const wanted{"liver", "brain"};
    auto const refuses = [&](char const* text, std::initializer_list<std::string> fragments,
                             bool all = false) {
        auto const wrong = folder.write("wrong.tsv", text);
        expect_refusal([&] { all ? GeneTable(wrong) : GeneTable(wrong, wanted); }, fragments);
    };
    refuses("", {"wrong.tsv", "empty"});
    refuses("gene\tbrain\tlivr\n", {"wrong.tsv", "line 1", "'liver'", "did you mean 'livr'"});
    refuses("gene\tbrain\tliver\tbrain\n", {"line 1", "'brain'"});
    refuses("gene\tbrain\tliver\nA\t1\n", {"line 2", "2 fields, the header has 3"});
    refuses("gene\tbrain\tliver\nA\t1\tNA\n", {"line 2", "'NA'", "'liver'"});
    refuses("gene\tbrain\tliver\nA\t1\t2\nA\t1\t2\n", {"line 3", "'A' is given twice"});
    refuses("gene\tbrain\tliver\n\t1\t2\n", {"line 2", "without a name"});
    refuses("gene\n", {"line 1", "no column of numbers"}, true);
    refuses("gene\ta\t\n", {"line 1", "without a name"}, true);
    refuses("gene\ta\ta\n", {"line 1", "two columns", "'a'"}, true);
}

}  // namespace
}  // namespace mpira::genome
