#pragma once

#include <cstdint>

namespace mpira::schedule {

/// Predicts seconds from relative costs: seconds = fixed + rate * cost, by least squares over the measured
/// units with both terms held at or above zero, old measurements fading (half after about 2,000 units).
/// Before the first measurement a unit of cost c is predicted to take c.
class CostModel {
public:
    void learn(double cost, double seconds);
    [[nodiscard]] bool has_learned() const noexcept { return weight_ > 0; }
    [[nodiscard]] double seconds(double cost) const noexcept { return fixed_s_ + rate_ * cost; }
    /// Of `count` units with this sum of costs.
    [[nodiscard]] double seconds(double cost_sum, std::uint64_t count) const noexcept {
        return fixed_s_ * static_cast<double>(count) + rate_ * cost_sum;
    }

private:
    double weight_ = 0, sum_cost_ = 0, sum_s_ = 0, sum_cost2_ = 0, sum_cost_s_ = 0;
    double fixed_s_ = 0, rate_ = 1;
};

}  // namespace mpira::schedule
