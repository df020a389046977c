#include "mpira/model/adaptor.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

#include "adaptor_sites.hpp"
#include "json_fields.hpp"

namespace mpira::model {
namespace {

struct LayerName {
    LinearLayer layer;
    std::string_view name;
};
constexpr LayerName kLayerNames[] = {{LinearLayer::embed, "embed"}, {LinearLayer::qkv, "qkv"},
                                     {LinearLayer::proj, "proj"},   {LinearLayer::fc1, "fc1"},
                                     {LinearLayer::fc2, "fc2"},     {LinearLayer::head, "head"}};
constexpr std::int64_t kMostRank = 1 << 16;

LinearLayer linear_layer(std::string_view name, std::string_view where) {
    for (auto const& entry : kLayerNames) {
        if (entry.name == name) return entry.layer;
    }
    fail_usage(
        fmt::format("{}: there is no kind of layer '{}'; expected encoder, all, or some of embed, qkv, "
                    "proj, fc1, fc2, head with commas between them",
                    where, name));
}

bool has(LoraConfig const& lora, LinearLayer layer) {
    return std::find(lora.layers.begin(), lora.layers.end(), layer) != lora.layers.end();
}

}  // namespace

std::string_view name_of(LinearLayer layer) {
    for (auto const& entry : kLayerNames) {
        if (entry.layer == layer) return entry.name;
    }
    return "unknown";
}

std::vector<LinearLayer> lora_layers(std::string_view scope, std::string_view where) {
    std::vector<LinearLayer> layers;
    if (scope == "encoder" || scope == "all") {
        for (auto const& entry : kLayerNames) {
            if (entry.layer != LinearLayer::head || scope == "all") layers.push_back(entry.layer);
        }
        return layers;
    }
    for (auto const name : text::split(scope, ',')) layers.push_back(linear_layer(text::trim(name), where));
    return layers;
}

void LoraConfig::require_valid(std::string_view where) const {
    require(rank >= 1 && rank <= kMostRank,
            fmt::format("{}: rank = {}, expected 1 to {}", where, rank, kMostRank));
    require(std::isfinite(alpha) && alpha > 0,
            fmt::format("{}: alpha = {}, expected more than 0", where, alpha));
    require(!layers.empty(), fmt::format("{}: no layer gets an adaptor", where));
    for (std::size_t i = 0; i < layers.size(); ++i) {
        require(std::find(layers.begin(), layers.begin() + static_cast<std::ptrdiff_t>(i), layers[i]) ==
                    layers.begin() + static_cast<std::ptrdiff_t>(i),
                fmt::format("{}: layer {} is named twice", where, name_of(layers[i])));
    }
}

void to_json(nlohmann::json& json, AdaptorFacts const& facts) {
    std::vector<std::string_view> layers;
    for (auto const layer : facts.lora.layers) layers.push_back(name_of(layer));
    json = {{"rank", facts.lora.rank}, {"alpha", facts.lora.alpha}, {"layers", layers}, {"base", facts.base}};
}

void from_json(nlohmann::json const& json, AdaptorFacts& facts) {
    Fields const fields(json, "adaptor");
    facts.lora.rank = fields.get<std::int64_t>("rank");
    facts.lora.alpha = fields.get<double>("alpha");
    facts.lora.layers.clear();
    for (auto const& name : fields.get<std::vector<std::string>>("layers")) {
        facts.lora.layers.push_back(linear_layer(name, "adaptor.layers"));
    }
    facts.base = fields.get<std::string>("base");
    facts.lora.require_valid("adaptor");
}

std::vector<AdaptorSite> adaptor_sites(GetConfig const& config, LoraConfig const& lora) {
    std::vector<AdaptorSite> sites;
    auto const add = [&](LinearLayer layer, std::int64_t block, std::string name, std::int64_t outputs,
                         std::int64_t inputs, std::int64_t depth_id) {
        if (!has(lora, layer)) return;
        sites.push_back({layer, block, std::move(name), inputs, outputs, static_cast<int>(depth_id)});
    };
    auto const d = config.dim;
    add(LinearLayer::embed, -1, "region_embed.embed", d, config.features, 0);
    for (std::int64_t i = 0; i < config.depth; ++i) {
        auto const block = fmt::format("encoder.blocks.{}.", i);
        add(LinearLayer::qkv, i, block + "attn.qkv", 3 * d, d, i + 1);
        add(LinearLayer::proj, i, block + "attn.proj", d, d, i + 1);
        add(LinearLayer::fc1, i, block + "mlp.fc1", config.hidden(), d, i + 1);
        add(LinearLayer::fc2, i, block + "mlp.fc2", d, config.hidden(), i + 1);
    }
    add(LinearLayer::head, -1, std::string(head_name_of(config.head)), config.outputs, d, config.depth + 1);
    return sites;
}

bool is_of_head(std::string_view tensor) {
    return tensor.starts_with("head_") || tensor == "mask_token";
}

std::vector<TensorSpec> adaptor_tensors_of(GetConfig const& config, LoraConfig const& lora) {
    std::vector<TensorSpec> specs;
    for (auto const& site : adaptor_sites(config, lora)) {
        specs.push_back({site.name + ".lora_A", {lora.rank, site.inputs}, true, site.depth_id});
        specs.push_back({site.name + ".lora_B", {site.outputs, lora.rank}, true, site.depth_id});
    }
    for (auto& spec : tensors_of(config)) {
        if (is_of_head(spec.name)) specs.push_back(std::move(spec));
    }
    return specs;
}

}  // namespace mpira::model
