#include "mpira/model/baseline.hpp"

#include <cmath>

#include <ATen/ops/conv1d.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/softplus.h>

#include "mpira/base/error.hpp"
#include "mpira/model/weights.hpp"

#include "get_block.hpp"

namespace mpira::model {

Baseline::Baseline(BaselineConfig const& config, std::uint64_t seed, at::Device device) : config_(config) {
    config_.require_valid("baseline network");
    std::uint32_t number = 0;
    std::int64_t inputs = 0;  // of the layer: its bias comes after its weight
    for (auto const& spec : tensors_of(config_)) {
        if (spec.shape.size() > 1) inputs = spec.shape[1] * (spec.shape.size() == 3 ? spec.shape[2] : 1);
        auto const bound = 1 / std::sqrt(static_cast<double>(inputs));
        tensors_.push_back(uniform_tensor(spec.shape, bound, {seed, Stream::weights, number++}).to(device));
    }
}

Baseline::Baseline(Weights const& weights, at::Device device) : config_(weights.card().baseline.value()) {
    for (auto const& spec : tensors_of(config_)) {
        tensors_.push_back(tensor_of(weights.file().tensor(spec.name), device));
    }
}

NetworkFacts Baseline::facts() const {
    return {.kind = std::string(name_of(config_.kind)),
            .features = config_.features,
            .outputs = config_.outputs,
            .head = config_.head,
            .depth = 0};
}

at::Tensor Baseline::forward(at::Tensor const& x, std::optional<TrainingDraws> const& draws,
                             at::Tensor const& mask) const {
    ensure(x.dim() == 3 && x.size(2) == config_.features, "Baseline: x is not (batch, regions, features)");
    ensure(!mask.defined(), "Baseline: a mask, but no mask token");
    auto z = drop_inputs(config_.head == HeadKind::accessibility ? hide_last_column(x) : x, draws);
    auto tensor = tensors_.begin();
    if (!config_.channels.empty()) {
        z = z.transpose(1, 2);  // (B, F, R)
        for (std::size_t i = 0; i < config_.channels.size(); ++i, tensor += 2) {
            z = at::relu(at::conv1d(z, tensor[0], tensor[1], 1, (config_.kernel - 1) / 2));
        }
        z = z.transpose(1, 2);  // (B, R, C)
    }
    for (std::size_t i = 0; i < config_.hidden.size(); ++i, tensor += 2) {
        z = at::relu(linear(z, tensor[0], tensor[1]));
    }
    // As in GET's head: the rest of the loss is f32, also under Bfloat16Forward.
    return at::softplus(linear(z, tensor[0], tensor[1]).to(tensor[0].scalar_type()));  // (B, R, T)
}

std::vector<Parameter> Baseline::parameters() const {
    std::vector<Parameter> all;
    auto tensor = tensors_.begin();
    for (auto const& spec : tensors_of(config_)) {
        all.push_back(
            {.name = spec.name, .tensor = *tensor++, .decay = spec.decay, .depth_id = spec.depth_id});
    }
    return all;
}

std::unique_ptr<Network> Baseline::clone() const {
    auto tensors = tensors_;
    for (auto& tensor : tensors) tensor = tensor.detach().clone();
    return std::unique_ptr<Network>(new Baseline(config_, std::move(tensors)));
}

std::unique_ptr<Network> Baseline::to(at::Device device, at::ScalarType type) const {
    auto tensors = tensors_;
    for (auto& tensor : tensors) tensor = tensor.detach().to(device, type);
    return std::unique_ptr<Network>(new Baseline(config_, std::move(tensors)));
}

std::string Baseline::write(std::filesystem::path const& file, ModelCard card) const {
    card.architecture = {};
    card.architecture.features = config_.features;
    card.architecture.outputs = config_.outputs;
    card.architecture.head = config_.head;
    card.baseline = config_;
    card.adaptor.reset();
    std::vector<at::Tensor> keep;
    auto const views = views_of(parameters(), keep);
    return write_weights(file, std::move(card), views);
}

}  // namespace mpira::model
