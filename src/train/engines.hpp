#pragma once

#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include "mpira/train/gradient_engine.hpp"

#include "timeline.hpp"

namespace mpira::train {

/// What make_gradient_engine chooses from.
[[nodiscard]] std::unique_ptr<GradientEngine> make_bucketed_engine(comm::CommView comm,
                                                                   std::vector<at::Tensor> parameters,
                                                                   EngineOptions const& options,
                                                                   std::shared_ptr<Timeline> timeline);
[[nodiscard]] std::unique_ptr<GradientEngine> make_tree_engine(comm::CommView comm,
                                                               std::vector<at::Tensor> parameters,
                                                               EngineOptions const& options,
                                                               std::shared_ptr<Timeline> timeline);

}  // namespace mpira::train
