#include <algorithm>
#include <cstdio>
#include <exception>

#include <ATen/ops/empty.h>

#include "mpira/base/philox.hpp"
#include "mpira/model/predictor.hpp"

#include "support_torch.hpp"

namespace mpira::model::tests {

ModelCard card_for(GetConfig const& config, std::int64_t window) {
    ModelCard card;
    card.architecture = config;
    card.assembly = "dm3";
    card.scan_hash = "0123";
    card.scale_set = "columns";
    card.window = window;
    card.focus = window / 2;
    for (std::int64_t i = 0; i < config.motifs(); ++i) card.motifs.push_back("motif" + std::to_string(i));
    card.scales.assign(card.motifs.size(), 1);
    return card;
}

std::vector<float> uniform_values(std::size_t count, std::uint32_t number, double low, double high) {
    std::vector<float> values(count);
    Draws draws(7, Stream::tests, number);
    for (auto& value : values) value = static_cast<float>(low + (high - low) * draws.uniform());
    return values;
}

at::Tensor uniform(at::IntArrayRef shape, std::uint32_t number, double low, double high) {
    auto values = at::empty(shape, at::kFloat);
    auto const drawn = uniform_values(static_cast<std::size_t>(values.numel()), number, low, high);
    std::copy(drawn.begin(), drawn.end(), values.mutable_data_ptr<float>());
    return values;
}

ModelCard write_random_weights(std::filesystem::path const& file, GetConfig const& config,
                               std::int64_t window, std::uint64_t seed) {
    Get const get(config, seed);
    std::uint32_t number = 1000;
    for (auto& parameter : get.parameters()) {
        if (parameter.tensor.dim() == 2) continue;
        parameter.tensor.add_(uniform(parameter.tensor.sizes(), number++, -0.2, 0.2));
    }
    auto card = card_for(config, window);
    std::vector<at::Tensor> keep;
    card.content_hash = write_weights(file, card, views_of(get.parameters(), keep));
    return card;
}

Table::Table(std::int64_t region_count, std::int64_t motif_count)
    : regions(region_count),
      motifs(motif_count),
      features(uniform_values(static_cast<std::size_t>(regions * motifs), 20, -2, 2.5)),
      scales(uniform_values(static_cast<std::size_t>(motifs), 21, 1, 3)),
      accessibility(uniform_values(static_cast<std::size_t>(regions), 22, 0, 1.2)) {
    for (auto& value : features) value = std::max(value, 0.0F);
}

std::vector<int> devices() {
    return cuda_device_count() > 0 ? std::vector{-1, 0} : std::vector{-1};
}

std::string name_of_device(int device) {
    return device < 0 ? "host" : "gpu";
}

int dump_main(int argc, char** argv, char const* usage,
              std::function<bool(std::vector<std::string> const&)> const& run) {
    try {
        if (run({argv + 1, argv + argc})) return 0;
        std::fprintf(stderr, "usage: %s %s\n", argv[0], usage);
    } catch (std::exception const& error) {
        std::fprintf(stderr, "%s\n", error.what());
    }
    return 1;
}

}  // namespace mpira::model::tests
