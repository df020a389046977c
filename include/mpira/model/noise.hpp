#pragma once

#include <cstdint>
#include <span>

namespace mpira::model {

/// Random factors of one training sample, named by (seed, step, sample) through Philox, Stream::dropout:
/// `sample` counts in the global batch of the step, so what is drawn depends neither on the number of ranks
/// nor on how a rank cuts its part of the batch.

/// Input dropout with inverted scaling: every value becomes 0 with probability `rate`, else is divided by
/// 1 - rate. 0 <= rate < 1.
void drop_inputs(std::span<float> values, double rate, std::uint64_t seed, std::uint32_t step,
                 std::uint32_t sample);

/// Stochastic depth of one sample: per residual branch, in the order attention and MLP of block 0, 1, ...,
/// the factor of that branch: 0 with probability of its block's rate, else 1 / (1 - rate). Rates rise
/// linearly from 0 (first block) to `last_rate` (last block; one block only: 0), spec/get.md 1.1.
void drop_path_factors(std::span<float> factors, double last_rate, std::uint64_t seed, std::uint32_t step,
                       std::uint32_t sample);

}  // namespace mpira::model
