#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

namespace mpira::model {

/// Results of a micro-batch on their way to the host. A GPU copies them behind the work that makes them, and
/// they are taken when the next micro-batch is under way: the device never waits for the host to read.
class Readback {
public:
    Readback() = default;
    Readback(Readback&&) noexcept = default;
    Readback& operator=(Readback&&) noexcept = default;
    ~Readback();

    /// Row i of `values` (B, ..) to slot first + i of `out`, slots of `stride` values; the rest of a slot
    /// becomes 0. An empty `out` wants nothing. On the host this is done at once.
    void add(at::Tensor const& values, std::size_t first, std::size_t stride, std::span<float> out);
    /// After the last add: marks the place in the device's queue.
    void leave();
    /// Waits for the mark and fills what was asked for.
    void take();

private:
    struct Part {
        at::Tensor host;
        std::size_t first;
        std::size_t stride;
        std::span<float> out;
    };
    static void fill(Part const& part);
    std::vector<Part> parts_;
    at::Device device_ = at::kCPU;  // where the parts come from
    std::optional<c10::Event> done_;
};

}  // namespace mpira::model
