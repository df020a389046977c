#pragma once

#include "mpira/base/settings.hpp"
#include "mpira/comm/communicator.hpp"
#include "mpira/train/inputs.hpp"

namespace mpira::train {

/// Seconds that fit() would take here, from a few steps and predictions done now, times those it has to do:
/// all epochs, though patience may end a run earlier. Checkpoints are left out. At least two steps are taken,
/// on large batches these take their time. Nothing is written. [collective]
///
/// `device` as in FitOptions; for heads that predict (not masked pretraining).
[[nodiscard]] double measured_fit_seconds(comm::CommView comm, Settings const& settings, Inputs const& inputs,
                                          int device);

}  // namespace mpira::train
