#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "mpira/comm/communicator.hpp"
#include "mpira/genome/windows.hpp"
#include "mpira/train/table.hpp"
#include "mpira/train/window_plan.hpp"

namespace mpira::train {

/// A window, and the position in it of the place it is about.
struct FocusWindow {
    genome::PlaceRange window;
    std::uint64_t focus = 0;
};

/// One window a place of the runs, in order: centred on the place (focus = window / 2, as in spec/get.md
/// 2.4), shifted inward where it would leave the run, and then read where the place truly is; a shorter run
/// is the window itself. So every held-out region gets one prediction, with the most context it can have on
/// both sides, and none is read through regions that were trained on.
[[nodiscard]] std::vector<FocusWindow> focus_windows(std::span<genome::PlaceRange const> runs,
                                                     std::uint64_t window);

/// Predictions for the places of the runs, in their order, each read at the focus of its own window: (places
/// of the runs, outputs), equal on every rank. `forward` maps (B, R, motifs + 1) on the host to (B, R,
/// outputs); `micro_batch` windows at a time. [collective]
[[nodiscard]] std::vector<float> predict_at_focus(comm::CommView comm,
                                                  std::function<at::Tensor(at::Tensor const&)> const& forward,
                                                  TrainingTable const& table,
                                                  std::span<genome::PlaceRange const> runs,
                                                  std::uint64_t window, std::uint64_t micro_batch);

}  // namespace mpira::train
