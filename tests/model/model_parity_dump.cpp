// Writes what our network computes, for tests/python/get_parity.py to compare with its own: per case a
// weights file NAME.safetensors and NAME.io.safetensors with the input, the outputs, the loss and the input
// gradients.
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>

#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include "mpira/model/get.hpp"
#include "mpira/model/weights.hpp"

#include "support_torch.hpp"

namespace mpira::model {
namespace {

struct Case {
    std::string name;
    GetConfig config;
    std::int64_t batch;
    std::int64_t regions;
};

TensorView view_of(std::string name, at::Tensor const& tensor) {
    auto const count = static_cast<std::size_t>(tensor.numel());
    return {std::move(name), ScalarType::f32, tensor.sizes().vec(),
            std::as_bytes(std::span(tensor.const_data_ptr<float>(), count))};
}

void dump(Case const& entry, std::filesystem::path const& folder) {
    auto const& config = entry.config;
    auto const weights = folder / (entry.name + ".safetensors");
    auto const card = tests::write_random_weights(weights, config, entry.regions);

    // Read back: the file is part of what is compared.
    Get const model{Weights(weights)};
    auto const x = tests::uniform({entry.batch, entry.regions, config.features}, 1, 0, 1);
    auto const mask = config.head == HeadKind::masked
                          ? tests::uniform({entry.batch, entry.regions}, 2, 0, 1).lt(0.5)
                          : at::Tensor{};
    std::vector<std::pair<std::string, at::Tensor>> results{{"x", x}};
    auto const out = model.forward(x, {}, mask);
    results.emplace_back("out", out);
    if (mask.defined()) {
        results.emplace_back("mask", mask.to(at::kFloat));
        results.emplace_back("loss", masked_loss(out, x, mask));
    } else {
        auto const target = tests::uniform(out.sizes(), 3, 0, 3);
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

/// Reads a file that Python wrote and writes it again.
int copy(std::filesystem::path const& from, std::filesystem::path const& to) {
    SafetensorsFile const file(from);
    write_safetensors(to, file.tensors(), file.metadata());
    return 0;
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
        if (argc == 3) return mpira::model::copy(argv[1], argv[2]);
        std::fputs("usage: model_parity_dump FOLDER | FROM.safetensors TO.safetensors\n", stderr);
    } catch (std::exception const& error) {
        std::fputs(error.what(), stderr);
    }
    return 1;
}
