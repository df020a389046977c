#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mpira/base/settings.hpp"
#include "mpira/comm/communicator.hpp"
#include "mpira/model/estimator.hpp"
#include "mpira/train/fit.hpp"
#include "mpira/train/inputs.hpp"

/// Baselines that are fitted to single regions in one go (model/estimator.hpp), as runs of a sweep.
namespace mpira::train {

/// Whether model.kind is one: ridge, forest or svr.
[[nodiscard]] bool is_estimator(Settings const& settings);

/// The keys of baseline.*, and those that do nothing with this model.kind, by their names in train_schema().
/// What is refused by its value (check_estimator_settings) is not among them.
[[nodiscard]] std::vector<std::string> estimator_keys();
[[nodiscard]] std::vector<std::string> keys_without_effect(Settings const& settings);

/// Usage errors for what can't be done with an estimator: masked pretraining, weights to start from, LoRA.
void check_estimator_settings(Settings const& settings);

[[nodiscard]] std::unique_ptr<model::Estimator> make_estimator(Settings const& settings,
                                                               model::EstimatorShape shape);

/// Fits to all training places, each with the inputs that a network sees of it, and predicts those of
/// validation and test. Computed by rank 0 alone, while the others sleep, so its bits depend on no rank
/// count; the predictions and figures are its alone, too. No weights, no epochs; `stop_requested` is heard at
/// the start on every rank, then on rank 0. [collective]
[[nodiscard]] Fit fit_estimator(comm::CommView comm, Settings const& settings, Inputs const& inputs,
                                std::function<bool()> const& stop_requested);

/// Work a region that is trained on takes, roughly, in the unit of a network's weights x epochs.
[[nodiscard]] double estimator_cost(Settings const& settings, Inputs const& inputs);

/// Seconds that fit_estimator() would take here, from a fit to a few thousand places. [collective]
[[nodiscard]] double measured_estimator_seconds(comm::CommView comm, Settings const& settings,
                                                Inputs const& inputs);

}  // namespace mpira::train
