#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

namespace mpira::model {

/// What a low-rank adaptor adds to the output of a linear layer: scale B (A x). Undefined tensors: nothing.
struct LowRank {
    at::Tensor a;      // (rank, inputs)
    at::Tensor b;      // (outputs, rank)
    double scale = 0;  ///< alpha / rank
};

/// Of one encoder block.
struct BlockLowRank {
    LowRank qkv, proj, fc1, fc2;
};

/// Of a whole network.
struct NetworkLowRank {
    LowRank embed, head;
    std::vector<BlockLowRank> blocks;  ///< depth
};

}  // namespace mpira::model
