#include "mpira/schedule/cost_model.hpp"

namespace mpira::schedule {

void CostModel::learn(double cost, double seconds) {
    constexpr double kKeep = 0.99965;  // 0.5 ^ (1 / 2000)
    weight_ = kKeep * weight_ + 1;
    sum_cost_ = kKeep * sum_cost_ + cost;
    sum_s_ = kKeep * sum_s_ + seconds;
    sum_cost2_ = kKeep * sum_cost2_ + cost * cost;
    sum_cost_s_ = kKeep * sum_cost_s_ + cost * seconds;
    double const spread = weight_ * sum_cost2_ - sum_cost_ * sum_cost_;
    // Equal costs say nothing about a fixed part: the line then goes through the origin.
    bool const is_line = spread > 1e-6 * weight_ * sum_cost2_;
    rate_ = is_line ? (weight_ * sum_cost_s_ - sum_cost_ * sum_s_) / spread : -1;
    fixed_s_ = (sum_s_ - rate_ * sum_cost_) / weight_;
    if (is_line && rate_ <= 0) {
        rate_ = 0;
        fixed_s_ = sum_s_ / weight_;
    } else if (!is_line || fixed_s_ < 0) {
        fixed_s_ = 0;
        rate_ = is_line ? sum_cost_s_ / sum_cost2_ : sum_s_ / sum_cost_;
    }
}

}  // namespace mpira::schedule
