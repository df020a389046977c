#include "mpira/model/network.hpp"

#include <algorithm>
#include <utility>

#include <ATen/autocast_mode.h>

#include "mpira/model/baseline.hpp"
#include "mpira/model/weights.hpp"

namespace mpira::model {

std::vector<Parameter> Network::trainable_parameters() const {
    auto all = parameters();
    std::erase_if(all, [](Parameter const& parameter) { return !parameter.trainable; });
    return all;
}

void Network::require_grad(bool yes) {
    for (auto const& parameter : trainable_parameters()) parameter.tensor.requires_grad_(yes);
}

NetworkFacts GetNetwork::facts() const {
    auto const& config = get_.config();
    return {.kind = "GET",
            .features = config.features,
            .outputs = config.outputs,
            .head = config.head,
            .depth = config.depth};
}

at::Tensor GetNetwork::forward(at::Tensor const& x, std::optional<TrainingDraws> const& draws,
                               at::Tensor const& mask) const {
    return get_.forward(x, draws, mask);
}

std::unique_ptr<Network> GetNetwork::clone() const {
    return network_of(get_.clone());
}

std::unique_ptr<Network> GetNetwork::to(at::Device device, at::ScalarType type) const {
    return network_of(get_.to(device, type));
}

std::string GetNetwork::write(std::filesystem::path const& file, ModelCard card) const {
    card.architecture = get_.config();
    card.baseline.reset();
    card.adaptor.reset();
    std::vector<at::Tensor> keep;
    auto const views = views_of(parameters(), keep);
    return write_weights(file, std::move(card), views);
}

std::unique_ptr<Network> network_of(Get get) {
    return std::make_unique<GetNetwork>(std::move(get));
}

std::unique_ptr<Network> load_network(std::filesystem::path const& file, at::Device device) {
    Weights const weights(file, WeightsKind::any);
    auto const& card = weights.card();
    if (card.baseline) return std::make_unique<Baseline>(weights, device);
    if (card.adaptor) return network_of(Get(Weights(file), device));  // refuses by name
    return network_of(Get(weights, device));
}

Bfloat16Forward::Bfloat16Forward(at::DeviceType device)
    : device_(device),
      was_enabled_(at::autocast::is_autocast_enabled(device)),
      former_type_(at::autocast::get_autocast_dtype(device)) {
    at::autocast::set_autocast_enabled(device, true);
    at::autocast::set_autocast_dtype(device, at::kBFloat16);
    at::autocast::increment_nesting();
}

Bfloat16Forward::~Bfloat16Forward() {
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_dtype(device_, former_type_);
    at::autocast::set_autocast_enabled(device_, was_enabled_);
}

namespace {
thread_local bool by_onednn = false;
}

OneDnnForward::OneDnnForward() : before_(std::exchange(by_onednn, true)) {}

OneDnnForward::~OneDnnForward() {
    by_onednn = before_;
}

bool OneDnnForward::is_on() noexcept {
    return by_onednn;
}

}  // namespace mpira::model
