#include "mpira/atlas/atlas.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "mpira/atlas/scan_record.hpp"
#include "mpira/base/error.hpp"
#include "mpira/store/result_file.hpp"

#include "atlas/draft.hpp"
#include "support/scratch_folder.hpp"

namespace mpira::atlas {
namespace {

class AtlasFiles : public testing::Test {
protected:
    test::ScratchFolder folder_;
    int number_ = 0;

    Atlas open(Draft const& draft) {
        auto const file = folder_.path() / ("atlas" + std::to_string(number_++) + ".h5ad");
        draft.write(file);
        return Atlas::open(file);
    }
    void refused(std::function<void(Draft&)> const& spoil, std::vector<std::string> const& parts) {
        Draft draft;
        spoil(draft);
        try {
            (void)open(draft);
            ADD_FAILURE() << "not refused: " << parts.front();
        } catch (Error const& error) {
            EXPECT_EQ(error.exit_code(), 2) << error.what();
            EXPECT_THAT(error.what(), testing::HasSubstr(".h5ad"));
            for (auto const& part : parts) {
                EXPECT_THAT(error.what(), testing::HasSubstr(part));
            }
        }
    }
};

TEST_F(AtlasFiles, GivesBackWhatWasWritten) {
    Draft const draft;
    auto const atlas = open(draft);
    EXPECT_EQ(atlas.assembly(), "toy1");
    ASSERT_EQ(atlas.region_count(), 4U);
    EXPECT_THAT(atlas.feature_names(), testing::ElementsAre("f", "g"));
    EXPECT_THAT(atlas.features(), testing::ElementsAreArray(draft.features));
    EXPECT_THAT(atlas.features(2), testing::ElementsAre(4, 5));
    EXPECT_THAT(atlas.regions().chrom, testing::ElementsAre(0, 0, 1, 1));
    EXPECT_THAT(atlas.regions().start, testing::ElementsAre(100, 300, 0, 50));
    EXPECT_THAT(atlas.regions().end, testing::ElementsAre(200, 400, 90, 60));
    EXPECT_EQ(atlas.region_label(3), "chrA:50-60");
    EXPECT_THAT(atlas.region_names(), testing::ElementsAre("r0", "r1", "r2", "r3"));
    EXPECT_THAT(atlas.promoter(), testing::ElementsAre(0, 1, 0, 1));
    EXPECT_THAT(atlas.accessibility("Mbn2"), testing::ElementsAre(0, 0, 2, 0));
    EXPECT_THAT(atlas.accessible_rows("Kc"), testing::ElementsAre(0, 2, 3));
    EXPECT_THAT(atlas.accessible_rows("Kc", 0.7), testing::ElementsAre(0, 2));
    EXPECT_THAT(atlas.all_rows(), testing::ElementsAre(0, 1, 2, 3));
    EXPECT_TRUE(atlas.has_cell_type("Kc"));
    EXPECT_FALSE(atlas.has_cell_type("K562"));
    EXPECT_THAT(atlas.scale("Kc"), testing::ElementsAre(7, 2));
    EXPECT_TRUE(atlas.expression_names().empty());
    EXPECT_EQ(atlas.scan_model().hash(), small_model().hash());
    EXPECT_EQ(atlas.scan_model().scan_length, 400);
    EXPECT_EQ(atlas.scan_hash(), small_model().hash());
    EXPECT_EQ(atlas.feature_source(), "scan");
    EXPECT_FALSE(atlas.provenance().contains("scan"));
    EXPECT_EQ(atlas.provenance().at("assembly"), "toy1");
    EXPECT_THAT(atlas.describe(), testing::HasSubstr("4 regions x 2 features of toy1, cell types Kc, Mbn2"));
}

TEST_F(AtlasFiles, ScaledFeaturesAreClippedToOne) {
    auto const atlas = open(Draft());
    std::vector<std::uint32_t> const rows{3, 1};
    std::vector<float> out(4);
    atlas.scaled_features(atlas.scale("all_regions"), rows, out);  // scales 6, 1
    EXPECT_THAT(out, testing::ElementsAre(1, 1, 2.0F / 6.0F, 1));
    atlas.scaled_features(atlas.scale("Kc"), rows, out);  // scales 7, 2
    EXPECT_THAT(out, testing::ElementsAre(6.0F / 7.0F, 1, 2.0F / 7.0F, 1));
}

TEST_F(AtlasFiles, ContentHashNamesTheContent) {
    auto const hash = open(Draft()).content_hash();
    EXPECT_EQ(open(Draft()).content_hash(), hash);
    std::vector<std::function<void(Draft&)>> const changes{
        [](Draft& d) { d.features[5] = 5.5F; },
        [](Draft& d) { d.accessibility[5] = 3; },
        [](Draft& d) { d.scale[0] = 8; },
        [](Draft& d) { d.promoter[0] = 1; },
        [](Draft& d) { d.tables.uns["assembly"] = "toy2"; },
        [](Draft& d) { d.tables.obs.integers[1].values[3] = 61; },
    };
    for (auto const& change : changes) {
        Draft draft;
        change(draft);
        EXPECT_NE(open(draft).content_hash(), hash);
    }
}

TEST_F(AtlasFiles, WithoutCellTypesAndPromoters) {
    Draft draft;
    draft.layout.row_arrays.resize(1);
    draft.layout.fixed_arrays[0].shape = {2, 1};
    draft.tables.uns.erase("cell_types");
    draft.tables.uns["scale_sets"] = std::vector<std::string>{"all_regions"};
    auto const atlas = open(draft);
    EXPECT_TRUE(atlas.cell_types().empty());
    EXPECT_TRUE(atlas.promoter().empty());
    EXPECT_THAT(atlas.scale("all_regions"), testing::ElementsAre(6, 7));
    EXPECT_THROW((void)atlas.accessibility("Kc"), Error);
}

TEST_F(AtlasFiles, PromotersOfEachStrand) {
    EXPECT_TRUE(open(Draft()).promoter_on('+').empty());
    Draft draft;
    draft.layout.row_arrays.push_back({"obs/promoter_plus", store::Type::boolean, {}});
    draft.layout.row_arrays.push_back({"obs/promoter_minus", store::Type::boolean, {}});
    draft.promoter_plus = {0, 1, 0, 0};
    draft.promoter_minus = {0, 1, 0, 1};
    auto const atlas = open(draft);
    EXPECT_THAT(atlas.promoter(), testing::ElementsAre(0, 1, 0, 1));
    EXPECT_THAT(atlas.promoter_on('+'), testing::ElementsAre(0, 1, 0, 0));
    EXPECT_THAT(atlas.promoter_on('-'), testing::ElementsAre(0, 1, 0, 1));
    draft.promoter_plus = {0, 0, 0, 0};
    EXPECT_NE(open(draft).content_hash(), atlas.content_hash());
    refused(
        [](Draft& d) {
            d.layout.row_arrays.push_back({"obs/promoter_plus", store::Type::boolean, {}});
        },
        {"obs/promoter_minus", "both strands"});
}

TEST_F(AtlasFiles, UnknownNamesAreRefusedWithTheNearest) {
    auto const atlas = open(Draft());
    try {
        (void)atlas.accessibility("Mbn1");
        FAIL();
    } catch (Error const& error) {
        EXPECT_EQ(error.exit_code(), 2);
        EXPECT_THAT(error.what(), testing::HasSubstr("no cell type 'Mbn1', did you mean 'Mbn2'?"));
    }
    EXPECT_THROW((void)atlas.scale("all"), Error);
}

TEST_F(AtlasFiles, RowsOutOfOrderAreRefusedByRowAndName) {
    refused(
        [](Draft& d) {
            d.tables.obs.integers[0].values = {300, 100, 0, 50};
            d.tables.obs.integers[1].values = {400, 200, 90, 60};
        },
        {"row 1 (chrB:100-200)", "after row 0 (chrB:300-400)", "sorted"});
    refused(
        [](Draft& d) {
            d.tables.uns["chrom_names"] = std::vector<std::string>{"chrA", "chrB"};
        },
        {"row 2 (chrA:0-90)", "after row 1"});
    refused([](Draft& d) { d.tables.obs.integers[1].values[2] = 0; }, {"row 2 (chrA:0-0)", "no region"});
    refused([](Draft& d) { d.tables.obs.integers[0].values[0] = -5; }, {"row 0 (chrB:-5-200)", "no region"});
}

TEST_F(AtlasFiles, UnknownChromosomesAreRefusedByName) {
    refused(
        [](Draft& d) {
            d.tables.uns["chrom_names"] = std::vector<std::string>{"chrB", "A"};
        },
        {"obs/chrom", "'chrA'", "uns/chrom_names"});
}

TEST_F(AtlasFiles, WrongValuesAreRefusedByRowAndColumn) {
    float const nan = std::numeric_limits<float>::quiet_NaN();
    refused([&](Draft& d) { d.features[3] = nan; }, {": X: nan", "row 1 (chrB:300-400)", "column 'g'"});
    refused([](Draft& d) { d.features[4] = -1; }, {": X: -1", "row 2 (chrA:0-90)", "column 'f'"});
    refused([](Draft& d) { d.accessibility[7] = std::numeric_limits<float>::infinity(); },
            {"obsm/accessibility: inf", "row 3", "column 'Mbn2'"});
    refused([](Draft& d) { d.accessibility[0] = -0.5F; }, {"obsm/accessibility: -0.5", "row 0", "'Kc'"});
    refused([](Draft& d) { d.scale[1] = 0; }, {"varm/scale: 0", "feature 'f' in 'Kc'"});
}

TEST_F(AtlasFiles, MissingPartsAndWrongShapesAreRefusedByKey) {
    for (std::string const key : {"assembly", "chrom_names", "scale_sets", "scan"}) {
        refused([&](Draft& d) { d.tables.uns.erase(key); }, {"uns/" + key, "missing"});
    }
    refused([](Draft& d) { d.layout.fixed_arrays.clear(); }, {"varm/scale", "missing"});
    refused([](Draft& d) { d.tables.obs.strings.clear(); }, {"obs/chrom", "missing"});
    refused([](Draft& d) { d.tables.obs.integers.pop_back(); }, {"obs/end", "missing"});
    refused([](Draft& d) { d.tables.uns.erase("cell_types"); }, {"uns/cell_types", "missing"});
    refused([](Draft& d) { d.tables.uns["cell_types"] = std::vector<std::string>{"Kc"}; },
            {"obsm/accessibility", "(4, 2)", "(4, 1) was expected"});
    refused(
        [](Draft& d) {
            d.tables.uns["cell_types"] = std::vector<std::string>{"Kc", "Kc"};
        },
        {"uns/cell_types", "'Kc' is named twice"});
    refused(
        [](Draft& d) {
            d.tables.uns["scale_sets"] = std::vector<std::string>{"a", "b"};
        },
        {"varm/scale", "(2, 3)", "(2, 2) was expected"});
}

TEST_F(AtlasFiles, AChangedScanModelIsRefused) {
    refused([](Draft& d) { d.tables.uns["scan"]["thresholds"][0] = 901; }, {"uns/scan", "hash"});
    refused([](Draft& d) { d.tables.uns["scan"]["widths"][0] = 2; }, {"uns/scan"});
    refused(
        [](Draft& d) {
            d.tables.uns["scan"]["background"] = std::vector<double>{0.5, 0.5};
        },
        {"uns/scan/background", "four numbers"});
    refused([](Draft& d) { d.tables.uns["scan"].erase("features"); }, {"uns/scan/features"});
}

TEST_F(AtlasFiles, AnUnfinishedCampaignIsRefused) {
    refused([](Draft& d) { d.finished = false; },
            {"obs/done", "only 2 of 4 regions", "run the same command again"});
}

TEST_F(AtlasFiles, OtherFilesAreRefused) {
    EXPECT_THROW(Atlas::open(folder_.path() / "none.h5ad"), Error);
    EXPECT_THROW(Atlas::open(folder_.write("text.h5ad", "not HDF5")), Error);
}

}  // namespace
}  // namespace mpira::atlas
