#pragma once

#include <cstdint>
#include <filesystem>

#include "mpira/model/get_config.hpp"
#include "mpira/model/predictor.hpp"

/// What a model's forward asks of a machine, and what the machine has. No Torch in this header.
namespace mpira::model {

/// Floating-point operations of one window's forward, all regions through all blocks: two a multiply-add of
/// each linear layer and of attention; norms, activations and softmax not counted.
double forward_operations(GetConfig const& config, std::int64_t regions);

/// Operations a second of bare matrix products of the shapes of the forward's blocks, one after another on
/// tensors of their own, for about so many seconds after one round to warm up: what no forward on this device
/// with this library can reach. Threads and device as `compute` says.
double product_operations_per_s(GetConfig const& config, std::int64_t windows, std::int64_t regions,
                                Compute const& compute, double seconds);

/// A weights file of a network that nobody trained, of nameless motifs, with windows of `regions` read in the
/// middle: what it predicts does not matter to its speed.
void write_random_weights(std::filesystem::path const& file, GetConfig const& config, std::int64_t regions);

}  // namespace mpira::model
