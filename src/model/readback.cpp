#include "readback.hpp"

#include <algorithm>

#include <ATen/ops/empty.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace mpira::model {

Readback::~Readback() {
    if (parts_.empty()) return;
    // An exception is passing, and copies may be under way. LibTorch frees pinned memory by way of the
    // device, and throws, from a destructor, when the device has failed: then the memory is left to the
    // process's end.
    try {
        leave();
        done_->synchronize();
    } catch (...) {
        for (auto& part : parts_) static_cast<void>(part.host.unsafeReleaseTensorImpl());
    }
}

void Readback::add(at::Tensor const& values, std::size_t first, std::size_t stride, std::span<float> out) {
    if (out.empty()) return;
    if (values.is_cpu()) {
        fill({values.to(at::kFloat).contiguous(), first, stride, out});
        return;
    }
    auto const host =
        at::empty(values.sizes(), at::TensorOptions(at::kFloat).device(at::kCPU).pinned_memory(true));
    host.copy_(values, true);
    device_ = values.device();
    parts_.push_back({host, first, stride, out});
}

void Readback::leave() {
    if (parts_.empty()) return;
    done_.emplace(device_.type());
    done_->record(c10::impl::VirtualGuardImpl(device_.type()).getStream(device_));
}

void Readback::take() {
    if (done_) done_->synchronize();
    done_.reset();
    for (auto const& part : parts_) fill(part);
    parts_.clear();
}

void Readback::fill(Part const& part) {
    auto const count = static_cast<std::size_t>(part.host.size(0));
    auto const size = static_cast<std::size_t>(part.host.numel()) / count;
    auto const* const from = part.host.const_data_ptr<float>();
    for (std::size_t i = 0; i < count; ++i) {
        auto const slot = part.out.subspan((part.first + i) * part.stride, part.stride);
        std::copy_n(from + i * size, size, slot.begin());
        std::fill(slot.begin() + static_cast<std::ptrdiff_t>(size), slot.end(), 0.0F);
    }
}

}  // namespace mpira::model
