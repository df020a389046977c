// Writes what our network computes, for tests/python/get_parity.py to compare with its own: per case a
// weights file NAME.safetensors and NAME.io.safetensors with the input, the outputs, the loss and the input
// gradients; per network that is trained NAME.safetensors and NAME.training.safetensors with the gradients of
// its parameters.
#include <filesystem>
#include <string>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>

#include "mpira/model/baseline.hpp"
#include "mpira/model/get.hpp"
#include "mpira/model/lora.hpp"
#include "mpira/model/noise.hpp"
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

/// Output, loss and gradients of one training forward. `factors`: what drop path multiplied the branches
/// with.
void dump_training(std::filesystem::path const& file, Network& network, std::int64_t outputs,
                   std::optional<TrainingDraws> const& draws, at::Tensor const& factors) {
    c10::AutoGradMode const with_grad(true);
    network.require_grad(true);
    auto const x = tests::uniform({3, 9, network.facts().features}, 1, 0, 1);
    auto const target = tests::uniform({3, 9, outputs}, 3, 0, 3);
    auto const out = network.forward(x, draws);
    auto const loss = poisson_loss(out, target);
    loss.backward();
    std::vector<std::pair<std::string, at::Tensor>> results{
        {"x", x}, {"target", target}, {"out", out}, {"loss", loss}};
    if (factors.defined()) results.emplace_back("factors", factors);
    for (auto const& parameter : network.trainable_parameters()) {
        results.emplace_back("gradient/" + parameter.name, parameter.tensor.grad());
    }
    std::vector<TensorView> views;
    for (auto& [name, tensor] : results) {
        tensor = tensor.detach().contiguous();
        views.push_back(view_of(name, tensor));
    }
    write_safetensors(file, views, {{"case", file.stem().string()}});
}

void dump_networks(std::filesystem::path const& folder) {
    GetConfig config{.features = 7, .dim = 12, .depth = 3, .heads = 3, .mlp_ratio = 2.5, .outputs = 2};
    auto const card = tests::card_for(config, 9);
    for (auto const kind : {BaselineKind::cnn, BaselineKind::mlp}) {
        auto const name = std::string(name_of(kind));
        Baseline network(BaselineConfig::published(kind, 7, 2, HeadKind::expression), 3);
        network.write(folder / (name + ".safetensors"), card);
        dump_training(folder / (name + ".training.safetensors"), network, 2, {}, {});
    }

    auto const base = folder / "base.safetensors";
    tests::write_random_weights(base, config, 9);
    for (auto const* const scope : {"encoder", "all"}) {
        LoraConfig const lora{.rank = 4, .alpha = 3, .layers = lora_layers(scope, "dump")};
        Lora network(Weights(base), config, lora, 11);
        std::uint32_t number = 500;
        for (auto const& parameter : network.trainable_parameters()) {  // B away from zero
            parameter.tensor.add_(tests::uniform(parameter.tensor.sizes(), number++, -0.3, 0.3));
        }
        auto const name = std::string("lora_") + scope;
        network.write(folder / (name + ".safetensors"), card);
        dump_training(folder / (name + ".training.safetensors"), network, 2, {}, {});
    }

    config.drop_path = 0.6;
    TrainingDraws const draws{.seed = 9, .step = 3, .first_sample = 4, .input_dropout = 0};
    auto const factors = at::empty({3, 2 * config.depth}, at::kFloat);
    for (std::uint32_t sample = 0; sample < 3; ++sample) {
        auto const size = static_cast<std::size_t>(2 * config.depth);
        drop_path_factors({factors.mutable_data_ptr<float>() + sample * size, size}, config.drop_path,
                          draws.seed, draws.step, draws.first_sample + sample);
    }
    auto const dropping = folder / "drop_path.safetensors";
    tests::write_random_weights(dropping, config, 9);
    GetNetwork network{Get(Weights(dropping))};
    dump_training(folder / "drop_path.training.safetensors", network, 2, draws, factors);
}

/// The adaptor of a GET of the published size: its file, and what the network says with it, merged or not.
void dump_published_adaptor(std::filesystem::path const& folder) {
    LoraConfig const config{.rank = 4, .alpha = 4, .layers = lora_layers("encoder", "dump")};
    Weights const base(folder / "full.safetensors");
    Lora const network(base, base.config(), config, 11);
    std::uint32_t number = 500;
    for (auto const& parameter : network.trainable_parameters()) {
        if (!parameter.name.ends_with("lora_B")) continue;
        parameter.tensor.add_(tests::uniform(parameter.tensor.sizes(), number++, -0.02, 0.02));
    }
    network.write(folder / "full_adaptor.safetensors", base.card());
    auto const x = tests::uniform({1, 200, base.config().features}, 1, 0, 1);
    auto const plain = Get(base).forward(x).contiguous();
    auto const unmerged = network.forward(x).contiguous();
    auto const merged = network.merged().forward(x).contiguous();
    std::vector<TensorView> const views{view_of("base", plain), view_of("unmerged", unmerged),
                                        view_of("merged", merged)};
    write_safetensors(folder / "full_adaptor.outputs.safetensors", views, {});
}

/// Reads a file that Python wrote and writes it again.
void copy(std::filesystem::path const& from, std::filesystem::path const& to) {
    SafetensorsFile const file(from);
    write_safetensors(to, file.tensors(), file.metadata());
}

/// Input and output of the GET in a weights file.
void forward(std::filesystem::path const& weights, std::filesystem::path const& to) {
    c10::AutoGradMode const without_grad(false);
    Get const model{Weights(weights)};
    auto const x = tests::uniform({2, 9, model.config().features}, 1, 0, 1);
    auto const out = model.forward(x).contiguous();
    std::vector<TensorView> const views{view_of("x", x), view_of("out", out)};
    write_safetensors(to, views, {});
}

void dump_all(std::filesystem::path const& folder) {
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
    dump_networks(folder);
    dump_published_adaptor(folder);
}

}  // namespace
}  // namespace mpira::model

int main(int argc, char** argv) {
    using namespace mpira::model;
    return tests::dump_main(argc, argv, "FOLDER | FROM TO | WEIGHTS TO forward", [](auto const& words) {
        if (words.size() == 1) dump_all(words[0]);
        if (words.size() == 2) copy(words[0], words[1]);
        if (words.size() == 3) forward(words[0], words[1]);
        return words.size() >= 1 && words.size() <= 3;
    });
}
