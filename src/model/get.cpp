#include "mpira/model/get.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include <ATen/autocast_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/log.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include "mpira/base/error.hpp"
#include "mpira/base/philox.hpp"
#include "mpira/model/network.hpp"
#include "mpira/model/noise.hpp"

#include "get_block.hpp"
#include "onednn.hpp"

namespace mpira::model {
namespace {

constexpr double kMaskTokenSd = 0.02;
constexpr double kMaskTokenBound = 2;

at::Tensor xavier_uniform(std::vector<std::int64_t> const& shape, Draws draws) {
    return uniform_tensor(shape, std::sqrt(6.0 / static_cast<double>(shape[0] + shape[1])), draws);
}

at::Tensor truncated_normal(std::vector<std::int64_t> const& shape, Draws draws) {
    auto values = at::empty(shape, at::kFloat);
    auto* const data = values.mutable_data_ptr<float>();
    for (std::int64_t i = 0; i < values.numel();) {
        // Box and Muller 1958; 1 - uniform() is never 0.
        auto const radius = kMaskTokenSd * std::sqrt(-2 * std::log(1 - draws.uniform()));
        auto const value = radius * std::cos(2 * std::numbers::pi * draws.uniform());
        if (std::abs(value) <= kMaskTokenBound) data[i++] = static_cast<float>(value);
    }
    return values;
}

/// Whether a tensor starts as ones: the LayerNorm weights.
bool is_norm_weight(std::string_view name) {
    return name.ends_with("norm.weight") || name.ends_with("norm1.weight") || name.ends_with("norm2.weight");
}

/// A tensor before training.
at::Tensor fresh(TensorSpec const& spec, Draws draws) {
    if (spec.name == "mask_token") return truncated_normal(spec.shape, draws);
    if (spec.shape.size() == 2) return xavier_uniform(spec.shape, draws);
    return is_norm_weight(spec.name) ? at::ones(spec.shape) : at::zeros(spec.shape);
}

/// (2 depth, B): what each residual branch of each sample is multiplied with.
at::Tensor branch_factors(GetConfig const& config, std::int64_t batch, TrainingDraws const& draws) {
    auto factors = at::empty({batch, 2 * config.depth}, at::kFloat);
    auto const branches = static_cast<std::size_t>(2 * config.depth);
    std::span<float> const all(factors.mutable_data_ptr<float>(), static_cast<std::size_t>(factors.numel()));
    for (std::uint32_t sample = 0; sample < static_cast<std::uint32_t>(batch); ++sample) {
        drop_path_factors(all.subspan(sample * branches, branches), config.drop_path, draws.seed, draws.step,
                          draws.first_sample + sample);
    }
    return factors.t();
}

/// As x: 0 for a dropped entry, 1 / (1 - p) for a kept one.
at::Tensor input_factors(at::Tensor const& x, TrainingDraws const& draws) {
    auto factors = at::ones(x.sizes(), at::kFloat);
    auto const size = static_cast<std::size_t>(x.size(1) * x.size(2));
    std::span<float> const all(factors.mutable_data_ptr<float>(), static_cast<std::size_t>(factors.numel()));
    for (std::uint32_t sample = 0; sample < static_cast<std::uint32_t>(x.size(0)); ++sample) {
        drop_inputs(all.subspan(sample * size, size), draws.input_dropout, draws.seed, draws.step,
                    draws.first_sample + sample);
    }
    return factors;
}

at::Tensor head_with(Get const& get, at::Tensor const& z, LowRank const* extra) {
    auto const h = layer_norm(z, get.norm_weight, get.norm_bias, get.config().eps);
    // Under Bfloat16Forward the product is bf16: log(softplus + 1e-8) wants more digits.
    auto const out = linear(h, get.head_weight, get.head_bias, extra).to(get.head_weight.scalar_type());
    return get.config().head == HeadKind::masked ? out : at::softplus(out);
}

}  // namespace

at::Tensor layer_norm(at::Tensor const& z, at::Tensor const& weight, at::Tensor const& bias, double eps) {
    return at::layer_norm(z, {z.size(-1)}, weight, bias, eps);
}

at::Tensor qkv_bias(GetBlock const& block) {
    return at::cat({block.q_bias, at::zeros_like(block.q_bias), block.v_bias});
}

at::Tensor split_heads(at::Tensor const& tokens, std::int64_t heads) {
    return tokens.unflatten(2, {heads, tokens.size(2) / heads}).transpose(1, 2);
}

at::Tensor linear(at::Tensor const& x, at::Tensor const& weight, at::Tensor const& bias) {
    bool const by_onednn = OneDnnForward::is_on() && x.is_cpu() && x.scalar_type() == at::kFloat &&
                           !at::autocast::is_autocast_enabled(at::kCPU);
    return by_onednn ? onednn::differentiable_linear(x, weight, bias) : at::linear(x, weight, bias);
}

at::Tensor linear(at::Tensor const& x, at::Tensor const& weight, at::Tensor const& bias,
                  LowRank const* extra) {
    auto y = linear(x, weight, bias);
    if (extra == nullptr || !extra->a.defined()) return y;
    return y.add(linear(linear(x, extra->a, at::Tensor()), extra->b, at::Tensor()), extra->scale);
}

at::Tensor attend(GetBlock const& block, at::Tensor const& q, at::Tensor const& k, at::Tensor const& v,
                  BlockLowRank const* extra) {
    auto const merged = attention(q, k, v).transpose(1, 2).flatten(2);
    return linear(merged, block.proj_weight, block.proj_bias, extra ? &extra->proj : nullptr);
}

at::Tensor mlp(GetBlock const& block, at::Tensor const& z, double eps, BlockLowRank const* extra) {
    auto const hidden = linear(layer_norm(z, block.norm2_weight, block.norm2_bias, eps), block.fc1_weight,
                               block.fc1_bias, extra ? &extra->fc1 : nullptr);
    return linear(at::gelu(hidden), block.fc2_weight, block.fc2_bias, extra ? &extra->fc2 : nullptr);
}

at::Tensor drop_inputs(at::Tensor const& x, std::optional<TrainingDraws> const& draws) {
    if (!draws || draws->input_dropout <= 0) return x;
    return x.mul(input_factors(x, *draws).to(x.device()));
}

at::Tensor tensor_of(TensorView const& stored, at::Device device) {
    auto host = at::empty(stored.shape, at::kFloat);
    std::memcpy(host.mutable_data_ptr<float>(), stored.bytes.data(), stored.bytes.size());
    return host.to(device);
}

at::Tensor uniform_tensor(at::IntArrayRef shape, double bound, Draws draws) {
    auto values = at::empty(shape, at::kFloat);
    auto* const data = values.mutable_data_ptr<float>();
    for (std::int64_t i = 0; i < values.numel(); ++i) {
        data[i] = static_cast<float>((2 * draws.uniform() - 1) * bound);
    }
    return values;
}

at::Tensor hide_last_column(at::Tensor const& x) {
    auto column = x.sizes().vec();
    column.back() = 1;
    return at::cat({x.narrow(-1, 0, x.size(-1) - 1), at::ones(column, x.options().requires_grad(false))}, -1);
}

at::Tensor attention(at::Tensor const& q, at::Tensor const& k, at::Tensor const& v) {
    return at::scaled_dot_product_attention(q, k, v);
}

Get::Get(GetConfig const& config, std::uint64_t seed, at::Device device) : config_(config) {
    config_.require_valid("GET");
    auto const specs = tensors_of(config_);
    auto const tensors = slots();
    ensure(specs.size() == tensors.size(), "tensors_of and Get disagree");
    for (std::size_t i = 0; i < specs.size(); ++i) {
        *tensors[i] = fresh(specs[i], {seed, Stream::weights, static_cast<std::uint32_t>(i)}).to(device);
    }
}

Get::Get(GetConfig const& config, Get const& base, std::uint64_t seed) : config_(config) {
    config_.require_valid("GET");
    auto const& from = base.config();
    auto const same = [](std::string_view key, auto mine, auto theirs) {
        require(mine == theirs,
                fmt::format("{} = {}, but the weights to start from have {} = {}; use their value, or other "
                            "weights",
                            key, mine, key, theirs));
    };
    same("features", config.features, from.features);
    same("dim", config.dim, from.dim);
    same("depth", config.depth, from.depth);
    same("heads", config.heads, from.heads);
    same("mlp_ratio", config.mlp_ratio, from.mlp_ratio);
    same("eps", config.eps, from.eps);
    bool const same_head = config.head == from.head && config.outputs == from.outputs;
    auto const known = base.parameters();
    auto const specs = tensors_of(config_);
    auto const tensors = slots();
    for (std::size_t i = 0; i < specs.size(); ++i) {
        auto const found = std::find_if(known.begin(), known.end(), [&](Parameter const& parameter) {
            return parameter.name == specs[i].name && (same_head || !parameter.name.starts_with("head_"));
        });
        *tensors[i] =
            found != known.end()
                ? found->tensor
                : fresh(specs[i], {seed, Stream::weights, static_cast<std::uint32_t>(i)}).to(base.device());
    }
}

Get::Get(Weights const& weights, at::Device device) : config_(weights.config()) {
    auto const specs = tensors_of(config_);
    auto const tensors = slots();
    for (std::size_t i = 0; i < specs.size(); ++i) {
        *tensors[i] = tensor_of(weights.file().tensor(specs[i].name), device);
    }
}

std::vector<at::Tensor*> Get::slots() {
    blocks.resize(static_cast<std::size_t>(config_.depth));
    std::vector<at::Tensor*> all{&embed_weight, &embed_bias, &cls_token};
    if (config_.head == HeadKind::masked) all.push_back(&mask_token);
    for (auto& block : blocks) {
        all.insert(all.end(),
                   {&block.norm1_weight, &block.norm1_bias, &block.qkv_weight, &block.q_bias, &block.v_bias,
                    &block.proj_weight, &block.proj_bias, &block.norm2_weight, &block.norm2_bias,
                    &block.fc1_weight, &block.fc1_bias, &block.fc2_weight, &block.fc2_bias});
    }
    all.insert(all.end(), {&norm_weight, &norm_bias, &head_weight, &head_bias});
    return all;
}

std::vector<Parameter> Get::parameters() const {
    auto copy = *this;  // shares every tensor; slots() hands out places to write to
    auto const tensors = copy.slots();
    std::vector<Parameter> parameters;
    std::size_t i = 0;
    for (auto const& spec : tensors_of(config_)) {
        parameters.push_back(
            {.name = spec.name, .tensor = *tensors[i++], .decay = spec.decay, .depth_id = spec.depth_id});
    }
    return parameters;
}

void Get::require_grad(bool yes) {
    for (auto* const tensor : slots()) tensor->requires_grad_(yes);
}

Get Get::clone() const {
    auto copy = *this;
    for (auto* const tensor : copy.slots()) *tensor = tensor->detach().clone();
    return copy;
}

Get Get::to(at::Device device, at::ScalarType type) const {
    auto copy = *this;
    for (auto* const tensor : copy.slots()) *tensor = tensor->detach().to(device, type);
    return copy;
}

at::Tensor Get::hide_accessibility(at::Tensor const& x) const {
    return config_.head == HeadKind::accessibility ? hide_last_column(x) : x;
}

at::Tensor Get::embed(at::Tensor const& x) const {
    return at::linear(x, embed_weight, embed_bias);
}

at::Tensor Get::head(at::Tensor const& z) const {
    return head_with(*this, z, nullptr);
}

at::Tensor Get::forward(at::Tensor const& x, std::optional<TrainingDraws> const& draws,
                        at::Tensor const& mask) const {
    return model::forward(*this, nullptr, x, draws, mask);
}

at::Tensor forward(Get const& get, NetworkLowRank const* extra, at::Tensor const& x,
                   std::optional<TrainingDraws> const& draws, at::Tensor const& mask) {
    auto const& config = get.config();
    ensure(x.dim() == 3 && x.size(2) == config.features, "forward: x is not (batch, regions, features)");
    ensure(!mask.defined() || config.head == HeadKind::masked, "forward: a mask, but no mask token");
    auto const batch = x.size(0);
    auto const input = drop_inputs(get.hide_accessibility(x), draws);
    auto tokens =
        linear(input, get.embed_weight, get.embed_bias, extra ? &extra->embed : nullptr);  // (B, R, D)
    if (mask.defined()) {
        auto const masked = mask.to(tokens.scalar_type()).unsqueeze(-1);
        tokens = tokens.mul(masked.neg().add(1)).add(get.mask_token.mul(masked));
    }
    auto z = at::cat({get.cls_token.expand({batch, 1, config.dim}), tokens}, 1);  // (B, N, D)

    at::Tensor factors;
    if (draws && config.drop_path > 0) {
        factors = branch_factors(config, batch, *draws).to(x.device());
    }
    auto const residual = [&](at::Tensor const& branch, std::int64_t number) {
        if (!factors.defined()) return z.add(branch);
        return z.add(branch.mul(factors[number].view({batch, 1, 1})));
    };
    std::int64_t branch = 0;
    for (std::size_t i = 0; i < get.blocks.size(); ++i) {
        auto const& block = get.blocks[i];
        auto const* const more = extra ? &extra->blocks[i] : nullptr;
        auto const h = layer_norm(z, block.norm1_weight, block.norm1_bias, config.eps);
        auto const qkv =
            linear(h, block.qkv_weight, qkv_bias(block), more ? &more->qkv : nullptr).split(config.dim, 2);
        z = residual(attend(block, split_heads(qkv[0], config.heads), split_heads(qkv[1], config.heads),
                            split_heads(qkv[2], config.heads), more),
                     branch++);
        z = residual(mlp(block, z, config.eps, more), branch++);
    }
    return head_with(get, z.narrow(1, 1, x.size(1)), extra ? &extra->head : nullptr);  // (B, R, T)
}

at::Tensor poisson_loss(at::Tensor const& prediction, at::Tensor const& target) {
    ensure(prediction.sizes() == target.sizes(), "poisson_loss: prediction and target differ in shape");
    return prediction.sub(target.mul(at::log(prediction.add(1e-8)))).mean();
}

at::Tensor masked_loss(at::Tensor const& prediction, at::Tensor const& x, at::Tensor const& mask) {
    ensure(prediction.sizes() == x.sizes(), "masked_loss: prediction and input differ in shape");
    auto const weight = mask.to(x.scalar_type()).unsqueeze(-1);
    auto const error = prediction.sub(x).mul(weight);
    return error.square().sum().div(weight.sum().mul(x.size(2)));
}

at::Tensor input_gradient(Get const& get, at::Tensor const& x, std::int64_t focus, std::int64_t output) {
    c10::AutoGradMode const with_grad(true);
    auto const input = x.detach().requires_grad_(true);
    auto const read = get.forward(input).select(1, focus).select(1, output).sum();
    return torch::autograd::grad({read}, {input})[0];
}

std::vector<TensorView> views_of(std::vector<Parameter> const& parameters, std::vector<at::Tensor>& keep) {
    std::vector<TensorView> views;
    for (auto const& parameter : parameters) {
        auto host = parameter.tensor.detach().to(at::kCPU, at::kFloat).contiguous();
        auto const bytes =
            std::as_bytes(std::span(host.const_data_ptr<float>(), static_cast<std::size_t>(host.numel())));
        views.push_back({parameter.name, ScalarType::f32, host.sizes().vec(), bytes});
        keep.push_back(std::move(host));
    }
    return views;
}

}  // namespace mpira::model
