// The training configs of the published scale, read as `mpira train` reads them: what they mean, key by key.
#include <fstream>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "mpira/cli/read_settings.hpp"
#include "mpira/train/schema.hpp"
#include "mpira/train/settings.hpp"

namespace mpira::cli {
namespace {

constexpr std::uint64_t kMotifs = 282;

Settings config(std::string const& name) {
    auto const file = std::string(MPIRA_SOURCE_DIR) + "/config/" + name;
    std::ifstream in(file);
    EXPECT_TRUE(in) << file;
    std::stringstream text;
    text << in.rdbuf();
    return parse_settings(train::train_schema(), text.str(), file, {});
}

// spec/get.md 1.2: 768 wide, 12 blocks, 12 heads.
void expect_published_widths(model::GetConfig const& network) {
    EXPECT_EQ(network.features, 283);
    EXPECT_EQ(network.dim, 768);
    EXPECT_EQ(network.depth, 12);
    EXPECT_EQ(network.heads, 12);
    EXPECT_DOUBLE_EQ(network.mlp_ratio, 4);
}

// spec/get.md 1.3 to 1.5.
TEST(PaperConfigs, mean_what_was_published) {
    auto const pretrain = config("train_pretrain.toml");
    auto const base = train::network_of(pretrain, kMotifs);
    expect_published_widths(base);
    EXPECT_EQ(base.head, model::HeadKind::masked);
    EXPECT_EQ(base.outputs, 283);
    auto recipe = train::recipe_of(pretrain);
    EXPECT_EQ(recipe.epochs, 800U);
    EXPECT_EQ(recipe.batch, 256U);
    EXPECT_DOUBLE_EQ(recipe.lr, 1.5e-4);
    EXPECT_DOUBLE_EQ(recipe.warmup_fraction * static_cast<double>(recipe.epochs), 40);
    EXPECT_DOUBLE_EQ(recipe.mask.ratio, 0.5);

    auto const finetune = config("train_finetune.toml");
    auto const tuned = train::network_of(finetune, kMotifs, &base);
    expect_published_widths(tuned);
    EXPECT_EQ(tuned.head, model::HeadKind::expression);
    EXPECT_EQ(tuned.outputs, 2);
    recipe = train::recipe_of(finetune);
    EXPECT_EQ(recipe.epochs, 100U);
    EXPECT_EQ(recipe.batch, 256U);
    EXPECT_DOUBLE_EQ(recipe.lr, 1e-4);
    EXPECT_DOUBLE_EQ(recipe.min_lr, recipe.lr);

    auto const lora = config("train_lora.toml");
    auto const adapted = train::network_of(lora, kMotifs, &base);
    expect_published_widths(adapted);
    EXPECT_EQ(adapted.head, model::HeadKind::accessibility);
    EXPECT_EQ(lora.integer("lora.rank"), 8);
    EXPECT_EQ(lora.text("lora.scope"), "encoder");
    recipe = train::recipe_of(lora);
    EXPECT_EQ(recipe.epochs, 10U);
    EXPECT_EQ(recipe.batch, 256U);
    EXPECT_DOUBLE_EQ(recipe.lr, 5e-4);
}

}  // namespace
}  // namespace mpira::cli
