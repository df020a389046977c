// What a forward pass computes its products with: bf16 (autocast) and oneDNN, forward and backward.
#include <initializer_list>
#include <vector>

#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/function.h>

#include "mpira/model/baseline.hpp"
#include "mpira/model/network.hpp"
#include "mpira/model/products.hpp"

#include "model/get_block.hpp"
#include "support_network.hpp"

namespace mpira::model {
namespace {

using testing::HasSubstr;
using tests::Adapted;
using tests::copies_of;
using tests::kSmall;
using tests::move_trainable;
using tests::relative_difference;
using tests::uniform;

TEST(Bfloat16Forward, IsCloseAndLeavesNothingBehind) {
    auto config = kSmall;
    config.dim = 48;
    Get get(config, 3);
    get.require_grad(true);
    auto const x = uniform({2, 9, 7}, 1, 0, 1);
    auto const y = uniform({2, 9, 2}, 3, 0, 1);
    auto const exact = get.forward(x);
    poisson_loss(exact, y).backward();
    auto const gradients = copies_of([&] {
        auto all = get.parameters();
        for (auto& parameter : all) parameter.tensor = parameter.tensor.grad();
        return all;
    }());
    auto const in_bf16 = [&] {
        Bfloat16Forward const guard(at::kCPU);
        return get.forward(x);
    };
    auto const rounded = in_bf16();
    EXPECT_EQ(rounded.scalar_type(), at::kFloat);
    auto const apart = relative_difference(rounded, exact);
    EXPECT_GT(apart, 1e-6);
    EXPECT_LT(apart, 0.02);
    for (auto const& parameter : get.parameters()) parameter.tensor.mutable_grad().reset();
    poisson_loss(rounded, y).backward();
    for (auto const& parameter : get.parameters()) {
        auto const gradient = parameter.tensor.grad();
        EXPECT_EQ(gradient.scalar_type(), at::kFloat) << parameter.name;
        auto const reference = gradients.at(parameter.name);
        EXPECT_LT(gradient.sub(reference).norm().item<double>(), 0.1 * reference.norm().item<double>())
            << parameter.name;
    }
    {  // no cast of a weight outlives its forward
        c10::AutoGradMode const without_grad(false);
        get.embed_weight.mul_(1.5);
    }
    EXPECT_GT(relative_difference(in_bf16(), rounded), 1e-3);
    EXPECT_LT(relative_difference(in_bf16(), get.forward(x)), 0.02);
}

/// What the forward and the backward of `network` give: outputs, then each trainable gradient and that at x.
std::vector<at::Tensor> passed(Network& network, at::Tensor const& input) {
    network.require_grad(true);
    for (auto const& parameter : network.trainable_parameters()) parameter.tensor.mutable_grad().reset();
    auto const x = input.detach().clone().requires_grad_(true);
    auto const out = network.forward(x);
    out.square().sum().backward();
    std::vector<at::Tensor> all{out.detach(), x.grad()};
    for (auto const& parameter : network.trainable_parameters()) all.push_back(parameter.tensor.grad());
    return all;
}

TEST(OneDnnForward, GivesWhatLibTorchGives) {
    if (!has_onednn()) GTEST_SKIP() << "this LibTorch has no oneDNN";
    auto const x = uniform({2, 9, 7}, 1, 0, 1);
    auto const get = network_of(Get(kSmall, 3));
    Adapted adapted("all");
    Baseline mlp(BaselineConfig::published(BaselineKind::mlp, 7, 2, HeadKind::expression), 4);
    for (Network* const network : std::initializer_list<Network*>{get.get(), adapted.network.get(), &mlp}) {
        move_trainable(*network);
        auto const expected = passed(*network, x);
        auto const found = [&] {
            OneDnnForward const guard;
            return passed(*network, x);
        }();
        ASSERT_EQ(found.size(), expected.size());
        for (std::size_t i = 0; i < found.size(); ++i) {
            EXPECT_EQ(found[i].sizes(), expected[i].sizes());
            EXPECT_LT(relative_difference(found[i], expected[i]), 1e-5) << network->facts().kind << ' ' << i;
        }
    }
}

TEST(OneDnnForward, RecordsItsOwnBackwardAndOnlyWhereAsked) {
    if (!has_onednn()) GTEST_SKIP() << "this LibTorch has no oneDNN";
    auto const x = uniform({2, 9, 8}, 1, 0, 1);
    auto const weight = uniform({4, 8}, 2, -1, 1).requires_grad_(true);
    EXPECT_THAT(linear(x, weight, at::Tensor()).grad_fn()->name(), testing::Not(HasSubstr("CppNode")));
    OneDnnForward const guard;
    EXPECT_THAT(linear(x, weight, at::Tensor()).grad_fn()->name(), HasSubstr("CppNode"));
    auto const frozen = weight.detach();
    EXPECT_FALSE(linear(x, frozen, at::Tensor()).requires_grad());
    c10::AutoGradMode const without_grad(false);
    EXPECT_FALSE(linear(x, weight, at::Tensor()).requires_grad());
}

TEST(OneDnnForward, NestsAndYieldsToBfloat16) {
    EXPECT_FALSE(OneDnnForward::is_on());
    {
        OneDnnForward const outer;
        { OneDnnForward const inner; }
        EXPECT_TRUE(OneDnnForward::is_on());
        Get const get(kSmall, 3);
        auto const x = uniform({2, 9, 7}, 1, 0, 1);
        auto const exact = get.forward(x);
        Bfloat16Forward const narrow(at::kCPU);
        EXPECT_GT(relative_difference(get.forward(x), exact), 1e-5);
    }
    EXPECT_FALSE(OneDnnForward::is_on());
}

}  // namespace
}  // namespace mpira::model
