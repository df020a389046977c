// Writes what our network computes, for tests/python/get_parity.py to compare with its own: per case a
// weights file NAME.safetensors and NAME.io.safetensors with the input, the outputs, the loss and the input
// gradients.
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>

#include "mpira/base/philox.hpp"
#include "mpira/model/get.hpp"
#include "mpira/model/weights.hpp"

namespace mpira::model {
namespace {

struct Case {
    std::string name;
    GetConfig config;
    std::int64_t batch;
    std::int64_t regions;
};

at::Tensor uniform(at::IntArrayRef shape, std::uint32_t number, double low, double high) {
    auto values = at::empty(shape, at::kFloat);
    Draws draws(7, Stream::tests, number);
    auto* const data = values.mutable_data_ptr<float>();
    for (std::int64_t i = 0; i < values.numel(); ++i) {
        data[i] = static_cast<float>(low + (high - low) * draws.uniform());
    }
    return values;
}

/// Fresh weights have zero biases and unit norms: moved, so that a forgotten one shows.
void stir(Get& get) {
    std::uint32_t number = 1000;
    for (auto& parameter : get.parameters()) {
        if (parameter.tensor.dim() != 2) {
            parameter.tensor.add_(uniform(parameter.tensor.sizes(), number++, -0.2, 0.2));
        }
    }
}

TensorView view_of(std::string name, at::Tensor const& tensor) {
    auto const count = static_cast<std::size_t>(tensor.numel());
    return {std::move(name), ScalarType::f32, tensor.sizes().vec(),
            std::as_bytes(std::span(tensor.const_data_ptr<float>(), count))};
}

void dump(Case const& entry, std::filesystem::path const& folder) {
    auto const& config = entry.config;
    Get get(config, 5);
    stir(get);
    ModelCard card;
    card.architecture = config;
    card.window = entry.regions;
    card.focus = entry.regions / 2;
    for (std::int64_t i = 0; i < config.motifs(); ++i) {
        card.motifs.push_back("motif" + std::to_string(i));
        card.scales.push_back(1);
    }
    std::vector<at::Tensor> keep;
    write_weights(folder / (entry.name + ".safetensors"), card, views_of(get, keep));

    // Read back: the file is part of what is compared.
    Get const model(Weights(folder / (entry.name + ".safetensors")));
    auto const x = uniform({entry.batch, entry.regions, config.features}, 1, 0, 1);
    auto const mask = config.head == HeadKind::masked ? uniform({entry.batch, entry.regions}, 2, 0, 1).lt(0.5)
                                                      : at::Tensor{};
    std::vector<std::pair<std::string, at::Tensor>> results{{"x", x}};
    auto const out = model.forward(x, {}, mask);
    results.emplace_back("out", out);
    if (mask.defined()) {
        results.emplace_back("mask", mask.to(at::kFloat));
        results.emplace_back("loss", masked_loss(out, x, mask));
    } else {
        auto const target = uniform(out.sizes(), 3, 0, 3);
        results.emplace_back("target", target);
        results.emplace_back("loss", poisson_loss(out, target));
        for (std::int64_t output = 0; output < config.outputs; ++output) {
            results.emplace_back("gradient." + std::to_string(output),
                                 input_gradient(model, x, card.focus, output));
        }
    }
    std::vector<TensorView> views;
    for (auto& [name, tensor] : results) {
        tensor = tensor.detach().contiguous();
        views.push_back(view_of(name, tensor));
    }
    write_safetensors(folder / (entry.name + ".io.safetensors"), views, {{"case", entry.name}});
}

int run(std::filesystem::path const& folder) {
    at::set_num_threads(2);
    c10::AutoGradMode const without_grad(false);
    GetConfig const odd{.features = 7, .dim = 12, .depth = 3, .heads = 3, .mlp_ratio = 2.5, .outputs = 2};
    GetConfig small{.features = 4, .dim = 10, .depth = 1, .heads = 1, .mlp_ratio = 4, .outputs = 1};
    GetConfig hidden = odd;
    hidden.head = HeadKind::accessibility;
    hidden.outputs = 1;
    GetConfig masked = odd;
    masked.head = HeadKind::masked;
    masked.outputs = masked.features;
    Case const cases[] = {{"odd", odd, 3, 5},
                          {"small", small, 2, 1},
                          {"accessibility", hidden, 2, 9},
                          {"masked", masked, 4, 6},
                          {"full", GetConfig{}, 1, 200}};
    for (auto const& entry : cases) dump(entry, folder);
    return 0;
}

}  // namespace
}  // namespace mpira::model

int main(int argc, char** argv) {
    try {
        if (argc == 2) return mpira::model::run(argv[1]);
        std::fputs("usage: model_parity_dump FOLDER\n", stderr);
    } catch (std::exception const& error) {
        std::fputs(error.what(), stderr);
    }
    return 1;
}
