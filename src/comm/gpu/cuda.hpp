#pragma once

#include <source_location>
#include <string>
#include <string_view>

#include <cuda_runtime_api.h>

#include "mpira/base/error.hpp"

namespace mpira::comm::gpu {

/// Turns a CUDA return code into mpira::Error.
inline void check(cudaError_t code, std::string_view call,
                  std::source_location where = std::source_location::current()) {
    if (code != cudaSuccess)
        throw Error(Origin::cuda, std::string(call) + ": " + cudaGetErrorString(code), where);
}

}  // namespace mpira::comm::gpu
