#pragma once

#include <cstdint>

namespace mpira::train {

/// The learning rate of every optimiser step: linear warm-up, then half a cosine.
///
/// Steps 0 .. warmup_steps-1 go in equal parts from `min_lr` to `lr`, both ends included; the rest follow
/// min_lr + (lr - min_lr) * (1 + cos(pi * t / T)) / 2 with t counted from the end of the warm-up and T the
/// number of steps after it (spec/get.md 1.4, without its shift by one step).
struct LrSchedule {
    double lr = 1e-4;
    double min_lr = 1e-6;
    std::uint64_t warmup_steps = 0;
    std::uint64_t total_steps = 1;

    /// The rate of step `step`, 0 <= step < total_steps; later steps get `min_lr`.
    [[nodiscard]] double at(std::uint64_t step) const noexcept;
};

}  // namespace mpira::train
