#include <chrono>
#include <cstddef>
#include <utility>
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

std::vector<DeviceSumTimes> time_device_sums(CommView world, Device const& device,
                                             std::span<std::size_t const> lengths, double seconds) {
    if (device.ordinal < 0 || world.size() == 1) return {};  // the same on all ranks (choose_device)
    constexpr int kWarmUp = 5;
    constexpr int kSumsARound = 20;  // as nccl-tests: queued at once, so that starting a sum is hidden
    constexpr std::size_t kMostRounds = 1000;
    DeviceGroup const group(world, device.ordinal);
    std::vector<DeviceSumTimes> times;
    for (auto const length : lengths) {
        DeviceFloats const values(std::vector<float>(length, 0));  // zeros stay zeros
        auto const sum = [&](int sums) {
            world.barrier();
            auto const begin = std::chrono::steady_clock::now();
            for (int i = 0; i < sums; ++i) group.all_sum(values.get(), length, nullptr);
            gpu::check(cudaStreamSynchronize(nullptr), "cudaStreamSynchronize");
            group.check();
            return world.all_max(
                std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
        };
        sum(kWarmUp);
        DeviceSumTimes one{length * sizeof(float), {}};
        double spent = 0;
        while (one.seconds.size() < 3 || (spent < seconds && one.seconds.size() < kMostRounds)) {
            double const passed = sum(kSumsARound);
            one.seconds.push_back(passed / kSumsARound);
            spent += passed;  // the same on every rank
        }
        times.push_back(std::move(one));
    }
    return times;
}

}  // namespace mpira::comm
