// The encoder that predictors run, forward and backward, beside Get::forward and autograd: on the host, and
// on a GPU where one is visible.
#include "model/encoder.hpp"

#include <string>
#include <utility>
#include <vector>

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/matmul.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include "mpira/model/predictor.hpp"

#include "model/normalise.hpp"
#include "model/table_rows.hpp"
#include "support_torch.hpp"

namespace mpira::model {
namespace {

using tests::uniform;

struct Case {
    std::string name;
    at::Device device;
    at::ScalarType type;
    double tolerance;  ///< relative to the largest value
    Products products = Products::onednn;
};

void PrintTo(Case const& one, std::ostream* out) {
    *out << one.name;
}

/// bf16 keeps 8 bits, and a block's rounding errors pass through the next.
std::vector<Case> cases() {
    std::vector<Case> all{{"host_f32_blas", at::kCPU, at::kFloat, 1e-5, Products::blas},
                          {"host_bf16_blas", at::kCPU, at::kBFloat16, 0.05, Products::blas}};
    if (has_onednn()) all.push_back({"host_f32", at::kCPU, at::kFloat, 1e-5});
    if (has_onednn(Precision::bf16)) all.push_back({"host_bf16", at::kCPU, at::kBFloat16, 0.05});
    if (cuda_device_count() > 0) {
        at::Device const gpu(at::kCUDA, 0);
        all.push_back({"gpu_f32", gpu, at::kFloat, 1e-5});
        all.push_back({"gpu_bf16", gpu, at::kBFloat16, 0.05});
    }
    return all;
}

class EncoderTest : public testing::TestWithParam<Case> {
protected:
    static constexpr std::int64_t kWindows = 3;
    static constexpr std::int64_t kRegions = 37;

    /// Weights of which none is 0 or 1: fresh ones would hide a norm's weight or a bias that is left out.
    static Get network(GetConfig const& config, std::uint32_t which = 0) {
        Get get(config, 5 + which);
        std::uint32_t number = 100 + 1000 * which;
        for (auto const& parameter : get.parameters())
            parameter.tensor.add_(uniform(parameter.tensor.sizes(), number++, -0.2, 0.2));
        return get;
    }
    [[nodiscard]] at::Tensor on_device(at::Tensor const& host) const { return host.to(GetParam().device); }
    [[nodiscard]] at::Tensor index(std::vector<std::int64_t> const& values) const {
        return index_tensor(values, GetParam().device);
    }
    /// The tokens before block 1, in the case's type.
    [[nodiscard]] at::Tensor tokens_of(Get const& get) const {
        auto const cls = get.cls_token.expand({kWindows, 1, get.config().dim});
        return on_device(at::cat({cls, get.embed(x_)}, 1)).to(GetParam().type);
    }
    void expect_close(at::Tensor const& found, at::Tensor const& expected) const {
        auto const wide = expected.to(at::kCPU, at::kDouble);
        auto const apart = found.to(at::kCPU, at::kDouble).sub(wide).abs().max().item<double>();
        EXPECT_LE(apart, GetParam().tolerance * wide.abs().max().item<double>());
    }
    [[nodiscard]] Encoder encoder_of(Get const& get, bool one_query) const {
        return {get.to(GetParam().device, at::kFloat), GetParam().type, one_query, GetParam().products};
    }

    c10::AutoGradMode without_{false};
    GetConfig config_{.features = 11, .dim = 64, .depth = 3, .heads = 4, .outputs = 2};
    at::Tensor x_ = uniform({kWindows, kRegions, 11}, 1, 0, 1);
    std::vector<std::int64_t> focus_{4, 0, 36};  // of each window
    std::vector<std::int64_t> rows_{1 + 4, 38 + 1 + 0, 2 * 38 + 1 + 36};
    std::vector<std::int64_t> output_{1, 0, 1};
};

TEST_P(EncoderTest, ReadsWhatTheForwardSaysAtTheFocus) {
    for (std::int64_t const depth : {1, 3}) {
        config_.depth = depth;
        auto const get = network(config_);
        auto const expected =
            get.forward(x_).flatten(0, 1).index_select(0, index_tensor({{4, 37, 2 * 37 + 36}}, at::kCPU));
        for (bool const one_query : {false, true}) {
            auto encoder = encoder_of(get, one_query);
            auto const tokens = tokens_of(get);
            auto const qkv =
                encoder.first_projections(tokens.flatten(0, 1)).view({kWindows, kRegions + 1, -1});
            expect_close(encoder.read(tokens.clone(), qkv, index(rows_)), expected);
            expect_close(encoder.read(tokens.clone(), {}, index(rows_)), expected);
        }
    }
}

/// Nearly all that bf16 costs is the rounding of the read token's sum, which the encoder keeps in f32: a
/// plain forward in bf16 is several times further off.
TEST_P(EncoderTest, NarrowTypesLoseLittleAtTheReadToken) {
    if (GetParam().type == at::kFloat) return;  // nothing is narrow
    config_.depth = 8;
    auto const at_focus = [&](at::Tensor const& out) {
        return out.to(at::kCPU, at::kFloat)
            .flatten(0, 1)
            .index_select(0, index_tensor({{4, 37, 2 * 37 + 36}}, at::kCPU));
    };
    double plain_off = 0;
    double ours_off = 0;
    for (std::uint32_t which = 0; which < 8; ++which) {
        auto const get = network(config_, which);
        auto const expected = at_focus(get.forward(x_));
        auto const off = [&](at::Tensor const& found) {
            return found.sub(expected).square().sum().item<double>();
        };
        auto const narrow = get.to(GetParam().device, GetParam().type);
        plain_off += off(at_focus(narrow.forward(on_device(x_).to(GetParam().type))));
        ours_off += off(encoder_of(get, true).read(tokens_of(get), {}, index(rows_)).to(at::kCPU));
    }
    EXPECT_LT(ours_off, plain_off / 4);
}

TEST_P(EncoderTest, GradientIsThatOfAutograd) {
    for (std::int64_t const depth : {1, 3}) {
        config_.depth = depth;
        auto const get = network(config_);
        for (bool const one_query : {false, true}) {
            auto encoder = encoder_of(get, one_query);
            at::Tensor predicted;
            auto const found =
                encoder.gradient(tokens_of(get), index(rows_), index(output_).unsqueeze(1), &predicted)
                    .narrow(1, 1, kRegions)
                    .to(at::kCPU, at::kFloat);
            for (std::int64_t b = 0; b < kWindows; ++b) {
                auto const i = static_cast<std::size_t>(b);
                auto const expected = input_gradient(get, x_.narrow(0, b, 1), focus_[i], output_[i]);
                expect_close(at::matmul(found.narrow(0, b, 1), get.embed_weight), expected);
                expect_close(predicted[b], get.forward(x_.narrow(0, b, 1))[0][focus_[i]]);
            }
        }
    }
}

TEST_P(EncoderTest, TheSameCallGivesTheSameBitsWhateverCameBefore) {
    auto const get = network(config_);
    auto encoder = encoder_of(get, true);
    auto const gradient = [&](at::Tensor const& tokens) {
        return encoder.gradient(tokens, index(rows_), index(output_).unsqueeze(1), nullptr).clone();
    };
    auto const tokens = tokens_of(get);
    auto const first = gradient(tokens.clone());
    auto const read = encoder.read(tokens.clone(), {}, index(rows_));
    static_cast<void>(gradient(tokens.mul(2)));
    for (int i = 0; i < 5; ++i) {
        EXPECT_TRUE(at::equal(gradient(tokens.clone()), first));
        EXPECT_TRUE(at::equal(encoder.read(tokens.clone(), {}, index(rows_)), read));
    }
}

/// Enough windows and tokens that a GPU does parts in any order.
TEST_P(EncoderTest, ManyWindowsHaveTheSameBits) {
    bool const is_host = GetParam().device.is_cpu();
    config_.dim = 256;
    auto const get = network(config_);
    auto encoder = encoder_of(get, true);
    for (std::int64_t const tokens : {201, 256, 300}) {
        std::int64_t const windows = is_host ? 2 : 128;
        auto const z = on_device(uniform({windows, tokens, 256}, 11, -2, 2)).to(GetParam().type);
        std::vector<std::int64_t> rows, output(static_cast<std::size_t>(windows), 1);
        for (std::int64_t b = 0; b < windows; ++b) rows.push_back(b * tokens + 100);
        auto const gradient = [&] {
            return encoder.gradient(z.clone(), index(rows), index(output).unsqueeze(1), nullptr).clone();
        };
        auto const first = gradient();
        EXPECT_GT(first.abs().max().item<double>(), 0);
        auto const read = encoder.read(z.clone(), {}, index(rows));
        for (int i = 0; i < (is_host ? 1 : 10); ++i) {
            EXPECT_TRUE(at::equal(gradient(), first)) << tokens;
            EXPECT_TRUE(at::equal(encoder.read(z.clone(), {}, index(rows)), read)) << tokens;
        }
    }
}

/// Widths with full and partial vectors, and one (20) that no kernel of a GPU takes; more rows than its
/// warps.
TEST_P(EncoderTest, NormalisesRowsOfAnyWidth) {
    auto const like = at::TensorOptions(GetParam().device).dtype(GetParam().type);
    std::vector<std::pair<std::int64_t, std::int64_t>> const sizes{
        {5, 8}, {5, 20}, {5, 64}, {5, 264}, {5, 768}, {5, 1024}, {20000, 64}};  // a GPU's warps take several
    for (auto const& [rows, dim] : sizes) {
        auto const z = on_device(uniform({rows, dim}, 7, -3, 5)).to(GetParam().type);
        auto const shift = on_device(uniform({dim}, 8, -1, 1));
        auto const dh = on_device(uniform({rows, dim}, 9, -1, 1)).to(GetParam().type);
        auto const before = on_device(uniform({rows, dim}, 10, -1, 1)).to(GetParam().type);
        auto h = at::empty({rows, dim}, like);
        auto scale = at::empty({rows}, like.dtype(at::kFloat));
        normalise(z, shift, 1e-6, h, &scale);
        auto gradient = before.clone();
        add_normalise_backward(dh, h, scale, gradient);

        auto const x = z.to(at::kCPU, at::kDouble).add(shift.to(at::kCPU));
        auto const centred = x.sub(x.mean(1, true));
        auto const by = centred.square().mean(1, true).add(1e-6).rsqrt();
        auto const y = centred.mul(by);
        expect_close(h, y);
        expect_close(scale.unsqueeze(1), by);
        auto const d = dh.to(at::kCPU, at::kDouble);
        auto const along = d.mul(y).mean(1, true);
        expect_close(gradient,
                     before.to(at::kCPU, at::kDouble).add(d.sub(d.mean(1, true)).sub(y.mul(along)).mul(by)));
    }
}

INSTANTIATE_TEST_SUITE_P(Devices, EncoderTest, testing::ValuesIn(cases()),
                         [](auto const& one) { return one.param.name; });

}  // namespace
}  // namespace mpira::model
