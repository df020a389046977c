#include "batches.hpp"

#include <algorithm>

#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>

#include "mpira/base/error.hpp"

namespace mpira::train {

namespace {

using genome::PlaceRange;

at::Tensor host_tensor(std::vector<std::int64_t> const& shape, at::ScalarType type, at::Device device) {
    // Pinned memory is copied to a device without waiting.
    return at::empty(shape, at::TensorOptions(type).pinned_memory(device.is_cuda()));
}

std::int64_t signed_size(std::uint64_t size) {
    return static_cast<std::int64_t>(size);
}

}  // namespace

BatchReader::BatchReader(TrainingTable const& table, Objective const& objective, at::Device device)
    : table_(table), objective_(objective), device_(device) {
    auto const width = table.motifs();
    auto const cell_types = table.scales.size() / width;
    auto scales = at::ones({signed_size(cell_types), 1, signed_size(width) + 1}, at::kFloat);
    auto* const at = scales.mutable_data_ptr<float>();
    for (std::uint64_t i = 0; i < cell_types; ++i) {
        std::copy_n(table.scales.data() + i * width, width, at + i * (width + 1));
    }
    scales_ = scales.to(device);
}

template <typename NameOf>
HostBatch BatchReader::read_named(std::span<PlaceRange const> windows, NameOf name_of) const {
    auto const count = signed_size(windows.size());
    auto const length = windows.front().size();
    auto const regions = signed_size(length);
    auto const width = table_.motifs() + 1;
    HostBatch batch;
    batch.raw = host_tensor({count, regions, signed_size(width)}, at::kFloat, device_);
    auto* raw = batch.raw.mutable_data_ptr<float>();
    for (auto const& window : windows) {
        ensure(window.size() == length, "a batch of windows of differing lengths");
        table_.read_raw(window, {raw, length * width});
        raw += length * width;
    }
    if (scales_.size(0) > 1) {
        batch.cell_type = host_tensor({count}, at::kLong, device_);
        auto* const at = batch.cell_type.mutable_data_ptr<std::int64_t>();
        for (std::size_t i = 0; i < windows.size(); ++i) {
            at[i] = signed_size(table_.cell_type_of(windows[i].first));
        }
    }
    if (!table_.targets.empty()) {
        batch.targets = host_tensor({count, regions, signed_size(table_.outputs)}, at::kFloat, device_);
        auto* at = batch.targets.mutable_data_ptr<float>();
        for (auto const& window : windows) {
            auto const targets = table_.targets_of(window);
            at = std::copy(targets.begin(), targets.end(), at);
        }
    }
    std::vector<std::uint8_t> mask(length);
    for (std::size_t i = 0; i < windows.size(); ++i) {
        if (!objective_.draw_mask(mask, name_of(i))) break;
        if (!batch.mask.defined()) batch.mask = host_tensor({count, regions}, at::kBool, device_);
        std::transform(mask.begin(), mask.end(), batch.mask.mutable_data_ptr<bool>() + i * length,
                       [](std::uint8_t region) { return region != 0; });
    }
    return batch;
}

HostBatch BatchReader::read(std::span<PlaceRange const> windows, SampleName name) const {
    return read_named(windows, [&](std::size_t i) {
        return SampleName{name.seed, name.step, name.sample + static_cast<std::uint32_t>(i)};
    });
}

HostBatch BatchReader::read_to_score(std::span<PlaceRange const> windows, std::uint64_t seed) const {
    return read_named(windows, [&](std::size_t i) {
        return SampleName{seed, SampleName::kScoring, static_cast<std::uint32_t>(windows[i].first)};
    });
}

Batch BatchReader::to_device(HostBatch const& host) const {
    auto const moved = [&](at::Tensor const& tensor) {
        return tensor.defined() ? tensor.to(device_, /*non_blocking=*/true) : tensor;
    };
    auto inputs = moved(host.raw);
    auto const scales = host.cell_type.defined() ? scales_.index_select(0, moved(host.cell_type)) : scales_;
    inputs.div_(scales).clamp_max_(1);
    return {.inputs = std::move(inputs), .targets = moved(host.targets), .mask = moved(host.mask)};
}

void ReadAhead::start(std::vector<PlaceRange> windows, std::vector<Pass> passes, std::uint64_t seed,
                      std::uint32_t step) {
    ensure(!started(), "a second step is read ahead");
    next_ = std::async(std::launch::async, [this, windows = std::move(windows), passes = std::move(passes),
                                            seed, step]() mutable {
        StepBatches read{.windows = std::move(windows), .passes = std::move(passes), .batches = {}};
        for (auto const& pass : read.passes) {
            read.batches.push_back(reader_.read(std::span(read.windows).subspan(pass.first, pass.size()),
                                                {seed, step, static_cast<std::uint32_t>(pass.first)}));
        }
        return read;
    });
}

void ReadAhead::clear() {
    if (started()) next_.wait();
    next_ = {};
}

}  // namespace mpira::train
