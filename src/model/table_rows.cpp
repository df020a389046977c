#include "table_rows.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/index_select.h>
#include <fmt/format.h>

#include "mpira/base/error.hpp"

namespace mpira::model {
namespace {

constexpr std::int64_t kUploadRows = 1 << 16;

void require_shapes(FeatureTable const& table) {
    auto const regions = static_cast<std::uint64_t>(table.regions);
    auto const motifs = static_cast<std::uint64_t>(table.motifs);
    ensure(table.regions >= 1 && table.motifs >= 1 && table.features.size() == regions * motifs &&
               (table.scales.empty() || table.scales.size() == motifs) &&
               (table.accessibility.empty() || table.accessibility.size() == regions),
           "the spans of a FeatureTable do not have its shape");
    ensure(std::all_of(table.rows.begin(), table.rows.end(), [&](auto row) { return row < regions; }),
           "a FeatureTable's rows lie outside of it");
    for (std::size_t m = 0; m < table.scales.size(); ++m) {
        require(std::isfinite(table.scales[m]) && table.scales[m] > 0,
                fmt::format("the scale of motif {} is {}, expected a positive number", m, table.scales[m]));
    }
}

}  // namespace

at::Tensor index_tensor(std::span<std::int64_t const> values, at::Device device) {
    // Pinned, so that the copy is enqueued: one from ordinary memory waits until the device has nothing to
    // do.
    auto host = at::empty({static_cast<std::int64_t>(values.size())},
                          at::TensorOptions(at::kLong).pinned_memory(device.is_cuda()));
    std::copy(values.begin(), values.end(), host.mutable_data_ptr<std::int64_t>());
    return host.to(device, true);
}

TableRows::TableRows(FeatureTable const& table, bool hide_accessibility, at::Device device)
    : table_(table), hide_accessibility_(hide_accessibility), device_(device) {
    require_shapes(table_);
    if (device_.is_cpu()) return;
    resident_ = at::empty({places(), table_.motifs + 1}, at::TensorOptions(at::kFloat).device(device_));
    for (std::int64_t first = 0; first < places(); first += kUploadRows) {
        std::vector<std::int64_t> block(static_cast<std::size_t>(std::min(kUploadRows, places() - first)));
        std::iota(block.begin(), block.end(), first);
        auto host = at::empty({static_cast<std::int64_t>(block.size()), table_.motifs + 1}, at::kFloat);
        make(block, host);
        resident_.narrow(0, first, host.size(0)).copy_(host);
    }
}

at::Tensor TableRows::rows(at::Tensor const& places) const {
    auto out = at::empty({places.numel(), table_.motifs + 1}, at::TensorOptions(at::kFloat).device(device_));
    read(places, out);
    return out;
}

void TableRows::read(at::Tensor const& places, at::Tensor& out) const {
    if (resident_.defined()) {
        at::index_select_out(out, resident_, 0, places);
    } else {
        auto const all = places.contiguous();
        make({all.const_data_ptr<std::int64_t>(), static_cast<std::size_t>(all.numel())}, out);
    }
}

void TableRows::make(std::span<std::int64_t const> places, at::Tensor& out) const {
    auto* row = out.mutable_data_ptr<float>();
    for (auto const place : places) {
        fill(table_.rows.empty() ? place : table_.rows[static_cast<std::size_t>(place)], row);
        row += table_.motifs + 1;
    }
}

void TableRows::fill(std::int64_t region, float* row) const {
    auto const motifs = static_cast<std::size_t>(table_.motifs);
    auto const raw = table_.features.subspan(static_cast<std::size_t>(region) * motifs, motifs);
    // Branch-free and without a float sum, so that the compiler makes vectors of it: every window of every
    // insertion passes here when the embedding isn't shared.
    constexpr float kMost = std::numeric_limits<float>::max();
    std::uint32_t is_bad = 0;
    auto const put = [&](std::size_t m, float value) {
        is_bad |= static_cast<std::uint32_t>(!(std::abs(value) <= kMost));
        row[m] = std::min(value, 1.0F);
    };
    auto const* const scales = table_.scales.data();
    if (table_.scales.empty()) {
        for (std::size_t m = 0; m < motifs; ++m) put(m, raw[m]);
    } else {
        for (std::size_t m = 0; m < motifs; ++m) put(m, raw[m] / scales[m]);
    }
    put(motifs, hide_accessibility_ || table_.accessibility.empty()
                    ? 1.0F
                    : table_.accessibility[static_cast<std::size_t>(region)]);
    if (is_bad == 0) return;
    for (std::size_t m = 0; m < motifs; ++m) {
        require(std::isfinite(raw[m]) && std::isfinite(row[m]),
                fmt::format("the atlas holds {} for motif {} of region {}, expected a finite number", raw[m],
                            m, region));
    }
    fail_usage(fmt::format("the accessibility of region {} is {}, expected a finite number", region,
                           table_.accessibility[static_cast<std::size_t>(region)]));
}

}  // namespace mpira::model
