#include "mpira/model/lora.hpp"

#include <algorithm>
#include <cmath>

#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include "mpira/base/error.hpp"

#include "adaptor_sites.hpp"
#include "get_block.hpp"

namespace mpira::model {
namespace {

LowRank& factors_at(NetworkLowRank& all, AdaptorSite const& site) {
    if (site.layer == LinearLayer::embed) return all.embed;
    if (site.layer == LinearLayer::head) return all.head;
    auto& block = all.blocks[static_cast<std::size_t>(site.block)];
    if (site.layer == LinearLayer::qkv) return block.qkv;
    if (site.layer == LinearLayer::proj) return block.proj;
    return site.layer == LinearLayer::fc1 ? block.fc1 : block.fc2;
}

at::Tensor& weight_at(Get& get, AdaptorSite const& site) {
    if (site.layer == LinearLayer::embed) return get.embed_weight;
    if (site.layer == LinearLayer::head) return get.head_weight;
    auto& block = get.blocks[static_cast<std::size_t>(site.block)];
    if (site.layer == LinearLayer::qkv) return block.qkv_weight;
    if (site.layer == LinearLayer::proj) return block.proj_weight;
    return site.layer == LinearLayer::fc1 ? block.fc1_weight : block.fc2_weight;
}

bool adapts_head(LoraConfig const& lora) {
    return std::find(lora.layers.begin(), lora.layers.end(), LinearLayer::head) != lora.layers.end();
}

/// `base`, when the adaptor belongs to it.
Weights const& base_of(Weights const& adaptor, Weights const& base) {
    auto const& wanted = adaptor.card().adaptor->base;
    require(wanted == base.card().content_hash,
            fmt::format("{} belongs to the weights with content hash {}, {} has {}; give the weights it was "
                        "trained on",
                        adaptor.file().path().string(), wanted, base.file().path().string(),
                        base.card().content_hash));
    return base;
}

}  // namespace

Lora::Lora(Weights const& base, GetConfig const& config, LoraConfig const& lora, std::uint64_t seed,
           at::Device device)
    : get_(config, Get(base, device), seed), adaptor_{.lora = lora, .base = base.card().content_hash} {
    adaptor_.lora.require_valid("LoRA");
    if (config.head != base.config().head || config.outputs != base.config().outputs) {
        std::erase(adaptor_.lora.layers, LinearLayer::head);
        require(!adaptor_.lora.layers.empty(),
                fmt::format("LoRA on the head alone, but {} has another head (which is drawn and trained in "
                            "full); name other layers",
                            base.file().path().string()));
    }
    factors_.blocks.resize(static_cast<std::size_t>(config.depth));
    std::uint32_t number = 0;
    for (auto const& site : adaptor_sites(config, adaptor_.lora)) {
        auto& factors = factors_at(factors_, site);
        factors.scale = lora.alpha / static_cast<double>(lora.rank);
        auto const bound = 1 / std::sqrt(static_cast<double>(site.inputs));
        factors.a =
            uniform_tensor({lora.rank, site.inputs}, bound, {seed, Stream::weights, number++, 1}).to(device);
        factors.b = at::zeros({site.outputs, lora.rank}, factors.a.options());
    }
}

Lora::Lora(Weights const& base, std::filesystem::path const& adaptor, at::Device device)
    : Lora(base, Weights(adaptor, WeightsKind::adaptor), device) {}

Lora::Lora(Weights const& base, Weights const& adaptor, at::Device device)
    : get_(adaptor.config(), Get(base_of(adaptor, base), device), 0), adaptor_(*adaptor.card().adaptor) {
    factors_.blocks.resize(static_cast<std::size_t>(config().depth));
    auto const& file = adaptor.file();
    for (auto const& site : adaptor_sites(config(), adaptor_.lora)) {
        auto& factors = factors_at(factors_, site);
        factors.scale = adaptor_.lora.alpha / static_cast<double>(adaptor_.lora.rank);
        factors.a = tensor_of(file.tensor(site.name + ".lora_A"), device);
        factors.b = tensor_of(file.tensor(site.name + ".lora_B"), device);
    }
    auto const head = std::string(head_name_of(config().head));
    get_.head_weight = tensor_of(file.tensor(head + ".weight"), device);
    get_.head_bias = tensor_of(file.tensor(head + ".bias"), device);
    if (config().head == HeadKind::masked) get_.mask_token = tensor_of(file.tensor("mask_token"), device);
}

Get Lora::merged() const {
    c10::AutoGradMode const without_grad(false);
    auto get = get_.clone();
    auto factors = factors_;
    for (auto const& site : adaptor_sites(config(), adaptor_.lora)) {
        auto const& low_rank = factors_at(factors, site);
        auto& weight = weight_at(get, site);
        auto const change =
            at::mm(low_rank.b.to(at::kDouble), low_rank.a.to(at::kDouble)).mul(low_rank.scale);
        weight = weight.to(at::kDouble).add(change).to(weight.scalar_type());
    }
    return get;
}

NetworkFacts Lora::facts() const {
    return {.kind = "LoRA",
            .features = config().features,
            .outputs = config().outputs,
            .head = config().head,
            .depth = config().depth};
}

at::Tensor Lora::forward(at::Tensor const& x, std::optional<TrainingDraws> const& draws,
                         at::Tensor const& mask) const {
    return model::forward(get_, &factors_, x, draws, mask);
}

std::vector<Parameter> Lora::parameters() const {
    std::vector<Parameter> all;
    auto factors = factors_;
    for (auto const& site : adaptor_sites(config(), adaptor_.lora)) {
        auto const& low_rank = factors_at(factors, site);
        all.push_back({site.name + ".lora_A", low_rank.a, true, true, site.depth_id});
        all.push_back({site.name + ".lora_B", low_rank.b, true, true, site.depth_id});
    }
    auto base = get_.parameters();
    std::stable_partition(base.begin(), base.end(),
                          [](Parameter const& parameter) { return is_of_head(parameter.name); });
    for (auto& parameter : base) {
        parameter.trainable = is_of_head(parameter.name) && !adapts_head(adaptor_.lora);
    }
    all.insert(all.end(), base.begin(), base.end());
    return all;
}

std::unique_ptr<Network> Lora::clone() const {
    auto get = get_;
    if (!adapts_head(adaptor_.lora)) {
        get.head_weight = get.head_weight.detach().clone();
        get.head_bias = get.head_bias.detach().clone();
        if (get.mask_token.defined()) get.mask_token = get.mask_token.detach().clone();
    }
    auto factors = factors_;
    for (auto const& site : adaptor_sites(config(), adaptor_.lora)) {
        auto& low_rank = factors_at(factors, site);
        low_rank.a = low_rank.a.detach().clone();
        low_rank.b = low_rank.b.detach().clone();
    }
    return std::unique_ptr<Network>(new Lora(std::move(get), adaptor_, std::move(factors)));
}

std::unique_ptr<Network> Lora::to(at::Device device, at::ScalarType type) const {
    auto factors = factors_;
    for (auto const& site : adaptor_sites(config(), adaptor_.lora)) {
        auto& low_rank = factors_at(factors, site);
        low_rank.a = low_rank.a.detach().to(device, type);
        low_rank.b = low_rank.b.detach().to(device, type);
    }
    return std::unique_ptr<Network>(new Lora(get_.to(device, type), adaptor_, std::move(factors)));
}

std::string Lora::write(std::filesystem::path const& file, ModelCard card) const {
    card.architecture = config();
    card.baseline.reset();
    card.adaptor = adaptor_;
    if (std::find(card.parents.begin(), card.parents.end(), adaptor_.base) == card.parents.end()) {
        card.parents.push_back(adaptor_.base);
    }
    auto written = parameters();
    written.resize(adaptor_tensors_of(config(), adaptor_.lora).size());
    std::vector<at::Tensor> keep;
    auto const views = views_of(written, keep);
    return write_weights(file, std::move(card), views);
}

std::string merge_adaptor(std::filesystem::path const& base, std::filesystem::path const& adaptor,
                          std::filesystem::path const& output) {
    Weights const base_weights(base);
    Weights const adaptor_weights(adaptor, WeightsKind::adaptor);
    Lora const lora(base_weights, adaptor_weights);
    auto card = adaptor_weights.card();
    card.parents.push_back(card.content_hash);
    card.adaptor.reset();
    return GetNetwork(lora.merged()).write(output, std::move(card));
}

}  // namespace mpira::model
