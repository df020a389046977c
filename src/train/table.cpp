#include "mpira/train/table.hpp"

#include <algorithm>

#include "mpira/base/error.hpp"

namespace mpira::train {

void TrainingTable::read_inputs(genome::PlaceRange window, std::span<float> out) const {
    auto const width = motifs();
    ensure(out.size() == window.size() * (width + 1), "a window buffer of the wrong size");
    float* at = out.data();
    for (auto place = window.first; place < window.end; ++place) {
        float const* raw = features.data() + std::uint64_t{rows[place]} * width;
        for (std::uint64_t i = 0; i < width; ++i) at[i] = std::min(1.0F, raw[i] / scales[i]);
        at[width] = accessibility.empty() ? 1.0F : accessibility[place];
        at += width + 1;
    }
}

void TrainingTable::require_consistent() const {
    ensure(!rows.empty() && !scales.empty() && outputs > 0, "an empty training table");
    ensure(std::is_sorted(rows.begin(), rows.end()) &&
               (rows.back() + std::uint64_t{1}) * motifs() <= features.size(),
           "rows outside the table, or out of order");
    ensure(accessibility.empty() || accessibility.size() == places(), "one accessibility a place");
    ensure(targets.size() == places() * outputs, "one target a place and output");
    ensure(scored.empty() || scored.size() == targets.size(), "one scored flag a target");
}

}  // namespace mpira::train
