#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <c10/core/GradMode.h>

#include "mpira/model/lora.hpp"
#include "mpira/model/network.hpp"
#include "mpira/model/weights.hpp"

#include "support_torch.hpp"

/// What tests of networks under training share.
namespace mpira::model::tests {

inline GetConfig const kSmall{
    .features = 7, .dim = 12, .depth = 3, .heads = 3, .mlp_ratio = 2.5, .outputs = 2};

inline double relative_difference(at::Tensor const& a, at::Tensor const& b) {
    return a.sub(b).abs().max().item<double>() / b.abs().max().item<double>();
}

inline std::map<std::string, at::Tensor> copies_of(std::vector<Parameter> const& parameters) {
    std::map<std::string, at::Tensor> copies;
    for (auto const& parameter : parameters) copies[parameter.name] = parameter.tensor.detach().clone();
    return copies;
}

/// Moves every trainable tensor, so that B is not zero.
inline void move_trainable(Network const& network) {
    c10::AutoGradMode const without_grad(false);
    std::uint32_t number = 500;
    for (auto const& parameter : network.trainable_parameters()) {
        parameter.tensor.add_(uniform(parameter.tensor.sizes(), number++, -0.3, 0.3));
    }
}

/// A base on disk and adaptors over it.
struct Adapted {
    explicit Adapted(std::string const& scope, HeadKind base_head = HeadKind::expression) {
        auto config = kSmall;
        config.head = base_head;
        if (base_head == HeadKind::masked) config.outputs = config.features;
        write_random_weights(base_file, config, 5);
        LoraConfig const lora{.rank = 4, .alpha = 3, .layers = lora_layers(scope, "test")};
        network = std::make_unique<Lora>(Weights(base_file), kSmall, lora, 11);
    }
    Folder folder;
    std::filesystem::path base_file = folder / "base.safetensors";
    std::unique_ptr<Lora> network;
};

}  // namespace mpira::model::tests
