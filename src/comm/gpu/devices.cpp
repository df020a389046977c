#include "comm/gpu/devices.hpp"

#include <cstddef>
#include <cstdlib>

#include <fmt/format.h>

#include "comm/gpu/cuda.hpp"

namespace mpira::comm::gpu {
namespace {

/// As nvidia-smi prints it: GPU-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx.
std::string to_text(cudaUUID_t const& uuid) {
    std::string text = "GPU-";
    for (std::size_t i = 0; i < sizeof uuid.bytes; ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
        text += fmt::format("{:02x}", static_cast<unsigned char>(uuid.bytes[i]));
    }
    return text;
}

}  // namespace

bool const kBuilt = true;

std::vector<Seen> visible_devices() {
    int count = 0;
    // Without a driver the count is left at -1 or untouched: only the return code tells.
    if (cudaGetDeviceCount(&count) != cudaSuccess) return {};
    std::vector<Seen> seen;
    for (int ordinal = 0; ordinal < count; ++ordinal) {
        cudaDeviceProp properties{};
        check(cudaGetDeviceProperties(&properties, ordinal), "cudaGetDeviceProperties");
        seen.push_back({properties.name, to_text(properties.uuid)});
    }
    return seen;
}

std::string why_none() {
    int count = 0;
    auto const code = cudaGetDeviceCount(&count);
    return code == cudaSuccess ? "the driver shows none" : cudaGetErrorString(code);
}

void make_current(int ordinal) {
    // cuBLAS reads it when its first handle is made: with it, the same product has the same bits each time.
    ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);
    check(cudaSetDevice(ordinal), "cudaSetDevice");
}

}  // namespace mpira::comm::gpu
