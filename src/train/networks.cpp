#include "mpira/train/networks.hpp"

#include <algorithm>

#include <c10/core/GradMode.h>

#include "mpira/base/error.hpp"
#include "mpira/model/baseline.hpp"
#include "mpira/model/lora.hpp"
#include "mpira/model/weights.hpp"

namespace mpira::train {

namespace {

using model::Network;

std::unique_ptr<Network> make_baseline(model::BaselineKind kind, Settings const& settings,
                                       Inputs const& inputs, at::Device device) {
    auto const& config = inputs.network;
    if (config.head == model::HeadKind::masked) {
        settings.refuse("model.kind", "only GET is pretrained by masking");
    }
    return std::make_unique<model::Baseline>(
        model::BaselineConfig::published(kind, config.features, config.outputs, config.head),
        inputs.recipe.seed, device);
}

std::unique_ptr<Network> from_base(Settings const& settings, Inputs const& inputs, at::Device device) {
    model::Weights const base(settings.path("init.weights"));
    require(base.card().content_hash == inputs.base->content_hash,
            settings.path("init.weights").string() + " has changed since this run began to read it");
    auto const& config = inputs.network;
    auto const rank = settings.integer("lora.rank");
    if (rank > 0) {
        model::LoraConfig const lora{
            .rank = rank,
            .alpha = settings.number("lora.alpha"),
            .layers = model::lora_layers(settings.text("lora.scope"), settings.source() + ": lora.scope")};
        return std::make_unique<model::Lora>(base, config, lora, inputs.recipe.seed, device);
    }
    return model::network_of(model::Get(config, model::Get(base), inputs.recipe.seed).to(device, at::kFloat));
}

}  // namespace

std::unique_ptr<Network> make_network(Settings const& settings, Inputs const& inputs, at::Device device) {
    auto const& kind = settings.text("model.kind");
    std::unique_ptr<Network> network;
    if (inputs.base) {
        network = from_base(settings, inputs, device);
    } else if (kind == "get") {
        network = model::network_of(model::Get(inputs.network, inputs.recipe.seed, device));
    } else {
        network = make_baseline(kind == "cnn" ? model::BaselineKind::cnn : model::BaselineKind::mlp, settings,
                                inputs, device);
    }
    c10::AutoGradMode const no_graph(false);
    auto const& names = inputs.atlas->feature_names();
    auto const first = network->parameters().front().tensor;  // (D, F), or (channels, F, kernel)
    for (auto const& motif : settings.texts("input.left_out_motifs")) {
        auto const column = std::find(names.begin(), names.end(), motif) - names.begin();
        ensure(first.size(1) == static_cast<std::int64_t>(names.size()) + 1, "a first layer of other inputs");
        first.select(1, column).zero_();
    }
    return network;
}

}  // namespace mpira::train
