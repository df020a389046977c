#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "mpira/base/philox.hpp"
#include "mpira/model/get.hpp"

// Networks and features that nobody trained or measured: time does not depend on their values.
namespace mpira::perf {

inline std::vector<float> uniform(std::int64_t count, std::uint32_t number) {
    std::vector<float> values(static_cast<std::size_t>(count));
    Draws draws(1, Stream::tests, number);
    for (auto& value : values) value = static_cast<float>(draws.uniform());
    return values;
}

/// A weights file whose windows have `window` regions and are read in the middle.
inline void write_random_weights(model::GetConfig const& config, std::int64_t window,
                                 std::filesystem::path const& file) {
    model::ModelCard card;
    card.architecture = config;
    card.window = window;
    card.focus = window / 2;
    card.motifs.assign(static_cast<std::size_t>(config.motifs()), "motif");
    card.scales.assign(card.motifs.size(), 1);
    std::vector<at::Tensor> keep;
    model::write_weights(file, card, model::views_of(model::Get(config, 1).parameters(), keep));
}

}  // namespace mpira::perf
