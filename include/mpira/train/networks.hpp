#pragma once

#include <memory>

#include <ATen/core/Tensor.h>

#include "mpira/base/settings.hpp"
#include "mpira/model/network.hpp"
#include "mpira/train/inputs.hpp"

namespace mpira::train {

/// The network a run begins with: a fresh GET, CNN or MLP; the weights of init.weights, with a fresh head
/// where that predicts something else; or frozen ones with fresh adaptors (lora.rank > 0). Columns of
/// input.left_out_motifs are 0 in its first layer, and stay so, since their inputs are 0 in training. Local.
[[nodiscard]] std::unique_ptr<model::Network> make_network(Settings const& settings, Inputs const& inputs,
                                                           at::Device device);

}  // namespace mpira::train
