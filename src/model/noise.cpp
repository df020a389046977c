#include "mpira/model/noise.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "mpira/base/error.hpp"
#include "mpira/base/philox.hpp"

namespace mpira::model {

namespace {

// Block i of the sample's stream. Inputs and paths count from opposite ends, so they never meet.
Philox::Counter words(std::uint64_t seed, std::uint32_t block, std::uint32_t step, std::uint32_t sample) {
    return Philox::block({block, static_cast<std::uint32_t>(Stream::dropout), step, sample},
                         {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
}

constexpr std::uint32_t kPathBlocks = 0x80000000U;

// A word below this bound drops: rate to within 2^-32.
std::uint32_t bound_of(double rate) {
    return static_cast<std::uint32_t>(std::floor(rate * 0x1p32));
}

}  // namespace

void drop_inputs(std::span<float> values, double rate, std::uint64_t seed, std::uint32_t step,
                 std::uint32_t sample) {
    ensure(rate >= 0 && rate < 1, "input dropout is not in [0, 1)");
    if (rate <= 0) return;
    std::uint32_t const bound = bound_of(rate);
    auto const kept = static_cast<float>(1.0 / (1.0 - rate));
    for (std::size_t at = 0; at < values.size(); at += 4) {
        auto const word = words(seed, static_cast<std::uint32_t>(at / 4), step, sample);
        std::size_t const count = std::min<std::size_t>(4, values.size() - at);
        for (std::size_t i = 0; i < count; ++i) values[at + i] *= word[i] < bound ? 0.0F : kept;
    }
}

void drop_path_factors(std::span<float> factors, double last_rate, std::uint64_t seed, std::uint32_t step,
                       std::uint32_t sample) {
    ensure(last_rate >= 0 && last_rate < 1 && factors.size() % 2 == 0, "drop path: a rate or size is wrong");
    std::size_t const depth = factors.size() / 2;
    for (std::size_t block = 0; block < depth; ++block) {
        double const rate =
            depth > 1 ? last_rate * static_cast<double>(block) / static_cast<double>(depth - 1) : 0.0;
        auto const word = words(seed, kPathBlocks + static_cast<std::uint32_t>(block), step, sample);
        for (std::size_t branch = 0; branch < 2; ++branch) {
            factors[2 * block + branch] =
                word[branch] < bound_of(rate) ? 0.0F : static_cast<float>(1.0 / (1.0 - rate));
        }
    }
}

}  // namespace mpira::model
