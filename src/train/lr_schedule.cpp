#include "mpira/train/lr_schedule.hpp"

#include <cmath>
#include <numbers>

namespace mpira::train {

double LrSchedule::at(std::uint64_t step) const noexcept {
    if (step < warmup_steps) {
        if (warmup_steps == 1) return lr;  // a line through one point: its far end
        return min_lr + (lr - min_lr) * static_cast<double>(step) / static_cast<double>(warmup_steps - 1);
    }
    if (step >= total_steps) return min_lr;
    double const after = static_cast<double>(step - warmup_steps);
    double const all = static_cast<double>(total_steps - warmup_steps);
    return min_lr + (lr - min_lr) * 0.5 * (1.0 + std::cos(std::numbers::pi * after / all));
}

}  // namespace mpira::train
