// What weights have seen: merged through parents, and held against what a run holds out.
#include "mpira/train/provenance.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "mpira/base/error.hpp"
#include "mpira/train/inputs.hpp"
#include "mpira/train/schema.hpp"

namespace mpira::train {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

SeenRecord record(SeenKind kind, std::string cell_type, std::vector<model::Interval> intervals) {
    return {.kind = kind,
            .cell_type = std::move(cell_type),
            .columns = {},
            .assembly = "hg38",
            .intervals = std::move(intervals)};
}

HeldOutTarget expression_of(std::string cell_type, std::vector<genome::HeldOutInterval> intervals) {
    return {.kind = SeenKind::expression,
            .cell_types = {std::move(cell_type)},
            .columns = {},
            .assembly = "hg38",
            .intervals = std::move(intervals)};
}

TEST(Provenance, records_merge_and_survive_json) {
    auto const all = merged({record(SeenKind::expression, "K562", {{"chr2", 0, 50}}),
                             record(SeenKind::inputs, "", {{"chr1", 0, 100}}),
                             record(SeenKind::inputs, "", {{"chr1", 90, 200}, {"chr1", 300, 400}}),
                             record(SeenKind::expression, "K562", {{"chr1", 5, 9}})});
    ASSERT_EQ(all.size(), 2U);
    EXPECT_THAT(all[0].intervals,
                ElementsAre(model::Interval{"chr1", 0, 200}, model::Interval{"chr1", 300, 400}));
    EXPECT_THAT(all[1].intervals, ElementsAre(model::Interval{"chr1", 5, 9}, model::Interval{"chr2", 0, 50}));
    EXPECT_EQ(seen_of(to_json(all), "here"), all);
    for (auto const* bad : {R"([{"kind":"smell"}])", R"([{"kind":"inputs"}])", R"([5])"}) {
        try {
            (void)seen_of(nlohmann::json::parse(bad), "base.safetensors");
            ADD_FAILURE() << bad;
        } catch (Error const& error) {
            EXPECT_EQ(error.origin(), Origin::usage);
            EXPECT_THAT(error.what(), HasSubstr("base.safetensors"));
        }
    }
}

TEST(Provenance, a_base_that_saw_the_target_is_refused_by_name) {
    std::vector<SeenRecord> const seen{record(SeenKind::inputs, "", {{"chr1", 0, 1000}, {"chr2", 0, 1000}}),
                                       record(SeenKind::accessibility, "K562", {{"chr1", 0, 1000}}),
                                       record(SeenKind::expression, "K562", {{"chr1", 0, 1000}}),
                                       record(SeenKind::expression, "astrocyte", {{"chr2", 0, 1000}})};
    auto const message = [&](HeldOutTarget const& target) -> std::string {
        try {
            (void)seen_by_base(seen, target, "base.safetensors");
        } catch (Error const& error) {
            EXPECT_EQ(error.origin(), Origin::usage);
            return error.what();
        }
        return "not refused";
    };
    EXPECT_THAT(
        message(expression_of("K562", {{"chr1", 900, 2000}})),
        AllOf(HasSubstr("base.safetensors"), HasSubstr("expression of K562"), HasSubstr("chr1:0-1000")));
    EXPECT_THAT(message(expression_of("K562", {})), HasSubstr("K562"));  // a whole cell type is held out
    HeldOutTarget accessibility = expression_of("K562", {{"chr1"}});
    accessibility.kind = SeenKind::accessibility;
    EXPECT_THAT(message(accessibility), HasSubstr("accessibility of K562"));

    // Inputs there, or expression there in another cell type: allowed, and said.
    EXPECT_THAT(seen_by_base(seen, expression_of("K562", {{"chr2"}}), "base.safetensors"),
                ElementsAre(HasSubstr("motif features"), HasSubstr("expression of astrocyte")));
    // Nothing there: nothing to say.
    EXPECT_THAT(seen_by_base(seen, expression_of("K562", {{"chr3"}}), "base.safetensors"), IsEmpty());
    EXPECT_THAT(seen_by_base(seen, expression_of("K562", {{"chr1", 1000, 2000}}), "base.safetensors"),
                IsEmpty());
    // Nothing is known, or coordinates can't be compared: said too.
    EXPECT_THAT(seen_by_base({}, expression_of("K562", {{"chr1"}}), "base.safetensors"),
                ElementsAre(HasSubstr("not recorded")));
    auto mouse = expression_of("K562", {{"chr1"}});
    mouse.assembly = "mm10";
    EXPECT_THAT(seen_by_base(std::span(seen).first(1), mouse, "b"), ElementsAre(HasSubstr("mm10")));
}

TEST(InputDifferences, name_the_setting_and_both_values) {
    auto const schema = train_schema();
    Settings settings(schema, "train.toml");
    settings.set("init.weights", std::string("base.safetensors"), "train.toml");
    settings.set("input.scale_set", std::string("cell_type"), "train.toml");
    std::vector<std::string> const cell_types{"K562"};
    model::ModelCard base;
    base.cell_type = "HepG2";
    base.scale_set = "HepG2";  // its own cell type's
    base.window_regions = "all";
    base.accessibility = model::AccessibilityMode::binarised;  // 1 in every row, as constant is
    EXPECT_THAT(input_differences(settings, base, cell_types), IsEmpty());
    base.scale_set = "all_regions";
    base.accessibility = model::AccessibilityMode::quantitative;
    base.window_regions = "accessible";
    auto const sentences = input_differences(settings, base, cell_types);
    ASSERT_EQ(sentences.size(), 3U);
    EXPECT_THAT(sentences[0], AllOf(HasSubstr("base.safetensors"), HasSubstr("input.scale_set"),
                                    HasSubstr("all_regions"), HasSubstr("\"cell_type\"")));
    EXPECT_THAT(sentences[1],
                AllOf(HasSubstr("input.accessibility"), HasSubstr("quantitative"), HasSubstr("constant")));
    EXPECT_THAT(sentences[2], AllOf(HasSubstr("input.rows"), HasSubstr("accessible")));
    settings.set("input.rows", std::string("accessible"), "train.toml");
    settings.set("input.least_accessibility", 0.03, "train.toml");
    EXPECT_THAT(input_differences(settings, base, cell_types).back(),
                AllOf(HasSubstr("input.least_accessibility = \"0\""), HasSubstr("\"0.03\"")));
    base.least_accessibility = 0.03;
    EXPECT_EQ(input_differences(settings, base, cell_types).size(), 2U);
    settings.set("input.rows", std::string("all"), "train.toml");
    base.scale_set.clear();  // converted from elsewhere: not recorded
    EXPECT_EQ(input_differences(settings, base, cell_types).size(), 2U);
}

TEST(Provenance, a_column_is_recognised_without_a_cell_type) {
    auto seen = record(SeenKind::expression, "", {{"chr1", 0, 1000}});
    seen.columns = {"CAGE_plus"};
    auto target = expression_of("", {{"chr1"}});
    target.cell_types.clear();
    target.columns = {"CAGE_minus"};
    EXPECT_THAT(seen_by_base({&seen, 1}, target, "b"), ElementsAre(HasSubstr("CAGE_plus")));
    target.columns.push_back("CAGE_plus");
    EXPECT_THROW((void)seen_by_base({&seen, 1}, target, "b"), Error);
}

}  // namespace
}  // namespace mpira::train
