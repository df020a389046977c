#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "mpira/base/philox.hpp"
#include "mpira/schedule/simulator.hpp"

namespace mpira::schedule::tests {

/// Lognormal with this mean, as in the measurements of scheduling peers: sigma 1.5.
inline std::vector<double> heavy_tailed(std::size_t count, double mean_s, std::uint64_t seed) {
    constexpr double kSigma = 1.5;
    double const mu = std::log(mean_s) - kSigma * kSigma / 2;
    Draws draws(seed, Stream::tests, 0);
    std::vector<double> seconds(count);
    for (auto& value : seconds) {
        double const u = 1 - draws.uniform();
        double const v = draws.uniform();
        value = std::exp(mu + kSigma * std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v));
    }
    return seconds;
}

inline std::vector<float> known(std::vector<double> const& seconds) {
    return {seconds.begin(), seconds.end()};
}

inline SimulationSetup setup_of(int ranks, std::vector<double> seconds) {
    SimulationSetup setup;
    setup.ranks = ranks;
    setup.relative_cost = known(seconds);
    setup.seconds = std::move(seconds);
    return setup;
}

inline void expect_each_once(SimulationResult const& result) {
    EXPECT_TRUE(std::all_of(result.commits.begin(), result.commits.end(), [](auto n) { return n == 1; }));
}

}  // namespace mpira::schedule::tests
