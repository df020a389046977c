#include <cstddef>
#include <vector>

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/comm/device_group.hpp"
#include "mpira/comm/devices.hpp"

#include "comm/gpu/cuda.hpp"

namespace mpira::comm {
namespace {

/// Floats in device memory.
class DeviceFloats {
public:
    explicit DeviceFloats(std::vector<float> const& values) : bytes_(values.size() * sizeof(float)) {
        gpu::check(cudaMalloc(&memory_, bytes_), "cudaMalloc");
        gpu::check(cudaMemcpy(memory_, values.data(), bytes_, cudaMemcpyHostToDevice), "cudaMemcpy");
    }
    DeviceFloats(DeviceFloats const&) = delete;
    DeviceFloats& operator=(DeviceFloats const&) = delete;
    ~DeviceFloats() { cudaFree(memory_); }
    [[nodiscard]] float* get() const { return static_cast<float*>(memory_); }
    void copy_to(std::vector<float>& values) const {
        gpu::check(cudaMemcpy(values.data(), memory_, bytes_, cudaMemcpyDeviceToHost), "cudaMemcpy");
    }

private:
    void* memory_ = nullptr;
    std::size_t bytes_;
};

}  // namespace

std::string try_device_sum(CommView world, Device const& device) {
    if (device.ordinal < 0) return "not tried: no GPU is seen here";  // the same on all ranks (choose_device)
    DeviceGroup const group(world, device.ordinal);
    constexpr std::size_t kLength = 1U << 20U;
    constexpr std::size_t kPeriod = 7;
    std::vector<float> values(kLength);
    for (std::size_t i = 0; i < kLength; ++i)
        values[i] = static_cast<float>(world.rank() + static_cast<int>(i % kPeriod));
    DeviceFloats const on_device(values);
    group.all_sum(on_device.get(), kLength, nullptr);
    gpu::check(cudaStreamSynchronize(nullptr), "cudaStreamSynchronize");
    group.check();
    on_device.copy_to(values);
    int const n = world.size();
    for (std::size_t i = 0; i < kLength; ++i) {
        int const sum = n * (n - 1) / 2 + n * static_cast<int>(i % kPeriod);
        auto const expected = static_cast<float>(sum);
        if (!(values[i] == expected))  // a NaN too
            throw Error(Origin::nccl, fmt::format("element {} is {}, expected {}", i, values[i], expected));
    }
    return fmt::format("{} floats over {} GPUs, exact", kLength, n);
}

}  // namespace mpira::comm
