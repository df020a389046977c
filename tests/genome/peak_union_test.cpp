#include "mpira/genome/peak_union.hpp"

#include "genome/files.hpp"

namespace mpira::genome {
namespace {

using testing::ElementsAre;

ChromSizes two_chroms() {
    return {{"chr2", "chr10"}, {1000, 50}};
}

PeakSet set_of(char const* name, std::vector<Region> regions) {
    Bed bed;
    bed.regions = std::move(regions);
    return {name, std::move(bed)};
}

TEST(PeakUnion, OverlappingPeaksBecomeOne) {
    std::vector<PeakSet> const sets{
        set_of("a", {{0, 10, 20}, {0, 40, 50}, {1, 0, 5}}),
        set_of("b", {{0, 15, 30}, {0, 30, 35}, {0, 42, 45}}),  // 30 touches 30: no base is shared
        set_of("c", {{0, 25, 28}, {1, 5, 9}}),
    };
    auto const joint = merged_peaks(sets);
    EXPECT_THAT(joint.regions, ElementsAre(Region{0, 10, 30}, Region{0, 30, 35}, Region{0, 40, 50},
                                           Region{1, 0, 5}, Region{1, 5, 9}));
    EXPECT_THAT(joint.origins, ElementsAre("a,b,c", "b", "a,b", "a", "c"));
}

TEST(PeakUnion, FixedWidthKeepsTheStrongest) {
    auto a = set_of("a", {{0, 100, 140}, {0, 400, 440}, {0, 990, 1000}});
    a.peaks.signals = {8, 1, 1};  // shares 0.8, 0.1, 0.1
    a.peaks.summits = {30, -1, -1};
    auto b = set_of("b", {{0, 150, 250}, {0, 410, 450}, {1, 0, 20}});
    b.peaks.scores = {500, 400, 100};  // shares 0.5, 0.4, 0.1
    std::vector<PeakSet> const sets{a, b};
    auto const joint = fixed_width_peaks(sets, two_chroms(), 100);
    // a's first at its summit 130 wins over b's first (centre 200, 0.5); b's second (430, 0.4) over a's
    // second; the last of a is moved inward; chr10 is too short.
    EXPECT_THAT(joint.regions, ElementsAre(Region{0, 80, 180}, Region{0, 380, 480}, Region{0, 900, 1000}));
    EXPECT_THAT(joint.origins, ElementsAre("a,b", "a,b", "a"));
    EXPECT_EQ(joint.too_short, 1);
}

TEST(PeakUnion, APeakBetweenTwoRegionsIsOfBoth) {
    auto strong = set_of("strong", {{0, 100, 110}, {0, 200, 210}});
    strong.peaks.scores = {1, 1};
    auto weak = set_of("weak", {{0, 150, 160}, {0, 800, 810}});
    weak.peaks.scores = {1, 9};
    std::vector<PeakSet> const sets{strong, weak};
    auto const joint = fixed_width_peaks(sets, two_chroms(), 80);
    EXPECT_THAT(joint.regions, ElementsAre(Region{0, 65, 145}, Region{0, 165, 245}, Region{0, 765, 845}));
    EXPECT_THAT(joint.origins, ElementsAre("strong,weak", "strong,weak", "weak"));
}

TEST(PeakUnion, TrainingCoordinatesStay) {
    auto const training = set_of("training", {{0, 0, 500}, {0, 10, 20}, {0, 600, 700}, {1, 0, 10}});
    std::vector<PeakSet> const fresh{set_of("x", {{0, 480, 490}, {0, 500, 510}, {1, 9, 12}}),
                                     set_of("y", {{0, 15, 16}, {0, 505, 520}, {0, 650, 800}})};
    OntoReport report;
    auto const joint = joined_onto(training, merged_peaks(fresh), report);
    EXPECT_THAT(joint.regions, ElementsAre(Region{0, 0, 500}, Region{0, 10, 20}, Region{0, 500, 520},
                                           Region{0, 600, 700}, Region{1, 0, 10}));
    EXPECT_THAT(joint.origins, ElementsAre("training,y,x", "training,y", "x,y", "training,y", "training,x"));
    EXPECT_EQ(report.known, 4);
    EXPECT_EQ(report.appended, 1);
}

}  // namespace
}  // namespace mpira::genome
