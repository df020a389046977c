#pragma once

#include <cstdint>
#include <span>

#include <ATen/core/Tensor.h>

#include "mpira/model/insertion.hpp"

namespace mpira::model {

/// Rows of a FeatureTable as a network reads them: scaled, clipped to 1, with the accessibility column last.
///
/// A place is an entry of table.rows. On the CPU each row is made from the caller's spans when asked for; a
/// GPU holds all of them, (places, F) f32, made here.
class TableRows {
public:
    /// `hide_accessibility`: the column is 1 in all rows, as an accessibility model was trained.
    TableRows(FeatureTable const& table, bool hide_accessibility, at::Device device);

    [[nodiscard]] std::int64_t places() const noexcept { return table_.places(); }
    /// (n, F) f32 on the device: a tensor of its own. A value that isn't finite is a usage error with its
    /// place.
    /// `places` (n) i64, on the device.
    [[nodiscard]] at::Tensor rows(at::Tensor const& places) const;
    /// The same into `out`, (n, F) f32 on the device, contiguous.
    void read(at::Tensor const& places, at::Tensor& out) const;

private:
    void make(std::span<std::int64_t const> places, at::Tensor& out) const;  // on the host
    void fill(std::int64_t region, float* row) const;
    FeatureTable table_;
    bool hide_accessibility_;
    at::Device device_;
    at::Tensor resident_;  // undefined on the CPU
};

/// The indices as a tensor on the device.
at::Tensor index_tensor(std::span<std::int64_t const> values, at::Device device);

}  // namespace mpira::model
