#include "mpira/model/get.hpp"

#include <cmath>
#include <map>

#include <ATen/ops/equal.h>
#include <ATen/ops/flip.h>
#include <ATen/ops/full.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "support_torch.hpp"

namespace mpira::model {
namespace {

using testing::HasSubstr;
using tests::uniform;

GetConfig const kSmall{.features = 7, .dim = 12, .depth = 3, .heads = 3, .mlp_ratio = 2.5, .outputs = 2};

double largest_difference(at::Tensor const& a, at::Tensor const& b) {
    return a.sub(b).abs().max().item<double>();
}

TEST(GetConfig, CountsThePublishedParameters) {  // spec/get.md 1.1
    GetConfig config;
    EXPECT_EQ(config.parameter_count(), 85'267'202);
    config.head = HeadKind::accessibility;
    config.outputs = 1;
    EXPECT_EQ(config.parameter_count(), 85'266'433);
    config.head = HeadKind::masked;
    config.outputs = 283;
    EXPECT_EQ(config.parameter_count(), 85'484'059);
    EXPECT_EQ((GetConfig{.features = 287, .dim = 64, .depth = 3, .heads = 4, .outputs = 1}).parameter_count(),
              168'449);
}

TEST(GetConfig, ImpossibleWidthsAreRefused) {
    auto const refused = [](GetConfig const& config) {
        return tests::usage_message([&] { config.require_valid("x.toml"); });
    };
    EXPECT_THAT(refused({.features = 1}), HasSubstr("x.toml: features = 1"));
    EXPECT_THAT(refused({.dim = 64, .heads = 5}), HasSubstr("heads = 5 does not divide dim = 64"));
    EXPECT_THAT(refused({.depth = 0}), HasSubstr("depth = 0"));
    EXPECT_THAT(refused({.mlp_ratio = 0}), HasSubstr("mlp_ratio"));
    EXPECT_THAT(refused({.outputs = 2, .head = HeadKind::accessibility}), HasSubstr("outputs"));
    EXPECT_THAT(refused({.outputs = 2, .head = HeadKind::masked}), HasSubstr("outputs"));
    EXPECT_THAT(refused({.drop_path = 1}), HasSubstr("drop_path = 1"));
}

TEST(Get, StartsAsTheSpecificationSays) {  // spec/get.md 1.2
    auto config = kSmall;
    config.dim = 48;
    config.head = HeadKind::masked;
    config.outputs = config.features;
    Get const get(config, 3);
    for (auto const& [name, tensor, decay, trainable, depth_id] : get.parameters()) {
        EXPECT_TRUE(trainable);
        int const expected = name.starts_with("encoder.blocks.") ? 1 + (name[15] - '0')
                             : name.starts_with("head") || name.starts_with("encoder.norm")
                                 ? static_cast<int>(config.depth) + 1
                                 : 0;  // region_embed, cls_token, mask_token
        EXPECT_EQ(depth_id, expected) << name;
        if (tensor.dim() == 2) {
            double const bound = std::sqrt(6.0 / static_cast<double>(tensor.size(0) + tensor.size(1)));
            auto const most = tensor.abs().max().item<double>();
            EXPECT_LE(most, bound) << name;
            EXPECT_GT(most, 0.95 * bound) << name;
            EXPECT_NEAR(tensor.square().mean().item<double>(), bound * bound / 3, 0.15 * bound * bound)
                << name;
            EXPECT_TRUE(decay) << name;
        } else if (name == "mask_token") {
            EXPECT_NEAR(tensor.square().mean().item<double>(), 0.02 * 0.02, 0.5 * 0.02 * 0.02);
            EXPECT_TRUE(decay);
        } else {
            bool const is_norm = name.find("norm") != std::string::npos && name.ends_with("weight");
            EXPECT_TRUE(at::equal(tensor, at::full(tensor.sizes(), is_norm ? 1.0 : 0.0))) << name;
            EXPECT_FALSE(decay) << name;
        }
    }
    EXPECT_TRUE(at::equal(Get(config, 3).parameters()[0].tensor, get.parameters()[0].tensor));
    EXPECT_FALSE(at::equal(Get(config, 4).parameters()[0].tensor, get.parameters()[0].tensor));
}

TEST(Get, RegionsHaveNoOrder) {
    Get const get(kSmall, 1);
    auto const x = uniform({2, 9, 7}, 1, 0, 1);
    EXPECT_LT(largest_difference(at::flip(get.forward(at::flip(x, {1})), {1}), get.forward(x)), 1e-5);
}

TEST(Get, TheAccessibilityHeadHidesItsColumn) {
    auto config = kSmall;
    config.head = HeadKind::accessibility;
    config.outputs = 1;
    Get const get(config, 1);
    auto const x = uniform({2, 5, 7}, 1, 0, 1);
    auto other = x.clone();
    other.select(2, 6).fill_(0.5);
    EXPECT_TRUE(at::equal(get.forward(x), get.forward(other)));
    EXPECT_NE(x.select(2, 6)[0][0].item<float>(), 1.0F) << "the caller's input was written to";
}

TEST(Get, AMaskedRegionIsNotSeen) {
    auto config = kSmall;
    config.head = HeadKind::masked;
    config.outputs = config.features;
    Get const get(config, 1);
    auto const x = uniform({1, 5, 7}, 1, 0, 1);
    auto const mask = at::full({1, 5}, false, at::kBool);
    mask.select(1, 2).fill_(true);
    auto other = x.clone();
    other.select(1, 2).fill_(0.5);
    EXPECT_TRUE(at::equal(get.forward(x, {}, mask), get.forward(other, {}, mask)));
    EXPECT_FALSE(at::equal(get.forward(x), get.forward(other)));
    EXPECT_THROW((void)Get(kSmall, 1).forward(x, {}, mask), Error);
}

TEST(Get, TrainingNoiseBelongsToTheSample) {
    auto config = kSmall;
    config.drop_path = 0.5;
    Get const get(config, 1);
    auto const x = uniform({4, 5, 7}, 1, 0, 1);
    TrainingDraws const draws{.seed = 9, .step = 3, .first_sample = 8, .input_dropout = 0.3};
    auto const whole = get.forward(x, draws);
    EXPECT_TRUE(at::equal(whole, get.forward(x, draws)));
    auto second = draws;
    second.first_sample = 10;
    EXPECT_LT(largest_difference(get.forward(x.narrow(0, 2, 2), second), whole.narrow(0, 2, 2)), 1e-6);
    auto later = draws;
    later.step = 4;
    EXPECT_GT(largest_difference(get.forward(x, later), whole), 1e-3);
    EXPECT_GT(largest_difference(get.forward(x), whole), 1e-3);
}

TEST(Get, WithoutRatesTrainingIsTheForward) {
    auto config = kSmall;
    config.drop_path = 0;
    Get const get(config, 1);
    auto const x = uniform({4, 5, 7}, 1, 0, 1);
    EXPECT_TRUE(at::equal(get.forward(x, TrainingDraws{.seed = 1}), get.forward(x)));
}

TEST(Get, GradientsReachEveryParameter) {
    for (auto const head : {HeadKind::expression, HeadKind::accessibility, HeadKind::masked}) {
        auto config = kSmall;
        config.head = head;
        config.outputs = head == HeadKind::expression ? 2 : head == HeadKind::accessibility ? 1 : 7;
        Get get(config, 1);
        get.require_grad(true);
        auto const x = uniform({2, 5, 7}, 1, 0, 1);
        at::Tensor mask;
        if (head == HeadKind::masked) mask = uniform({2, 5}, 2, 0, 1).lt(0.5);
        auto const out = get.forward(x, {}, mask);
        auto const loss = head == HeadKind::masked ? masked_loss(out, x, mask)
                                                   : poisson_loss(out, uniform(out.sizes(), 3, 0, 1));
        loss.backward();
        for (auto const& parameter : get.parameters()) {
            ASSERT_TRUE(parameter.tensor.grad().defined()) << parameter.name;
            EXPECT_GT(parameter.tensor.grad().abs().max().item<double>(), 0) << parameter.name;
        }
    }
}

TEST(Get, TheInputGradientIsTheDifferenceQuotient) {
    Get const get(kSmall, 1);
    auto const x = uniform({1, 5, 7}, 1, 0, 1);
    auto const gradient = input_gradient(get, x, 2, 1);
    double const step = 1e-2;
    for (std::int64_t const region : {0, 2, 4}) {
        auto up = x.clone();
        auto down = x.clone();
        up[0][region][3].add_(step);
        down[0][region][3].sub_(step);
        auto const slope = get.forward(up).sub(get.forward(down))[0][2][1].item<double>() / (2 * step);
        EXPECT_NEAR(gradient[0][region][3].item<double>(), slope, 1e-3);
    }
}

TEST(Get, WeightsSurviveAFile) {
    tests::Folder const folder;
    Get const get(kSmall, 8);
    std::vector<at::Tensor> keep;
    write_weights(folder / "w.safetensors", tests::card_for(kSmall, 5), views_of(get.parameters(), keep));
    Get const read{Weights(folder / "w.safetensors")};
    auto const before = get.parameters();
    auto const after = read.parameters();
    ASSERT_EQ(before.size(), after.size());
    for (std::size_t i = 0; i < before.size(); ++i) {
        EXPECT_EQ(before[i].name, after[i].name);
        EXPECT_TRUE(at::equal(before[i].tensor, after[i].tensor)) << before[i].name;
    }
    auto const copy = read.clone();
    copy.parameters()[0].tensor.zero_();
    EXPECT_GT(read.parameters()[0].tensor.abs().max().item<double>(), 0);
}

}  // namespace
}  // namespace mpira::model
