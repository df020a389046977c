#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "mpira/base/settings.hpp"
#include "mpira/jobs/table.hpp"
#include "mpira/model/predictor.hpp"

namespace mpira::jobs {

/// A size that is left to the device where the setting is 0.
///
/// Fixed numbers and no timing: results depend on some of them in the last bits, and the same settings on the
/// same kind of device must give the same bytes (src/model/README.md has the measurements behind them).
struct DeviceSize {
    std::string key;
    std::int64_t host = 1;
    std::int64_t gpu = 1;
};

/// model.precision, model.attention and model.products.
[[nodiscard]] SettingSpec precision_setting();
[[nodiscard]] SettingSpec attention_setting();
[[nodiscard]] SettingSpec products_setting();

/// How a model computes by the settings device, threads and those three.
[[nodiscard]] model::Compute compute_of(Settings const& settings, Place const& place);

/// "0: 4, on a GPU 128."
[[nodiscard]] std::string explain(DeviceSize const& size);

/// `settings` with those that are 0 decided. What a job keeps, so that a result's identity has the numbers.
/// Refuses arithmetic that the device doesn't have.
[[nodiscard]] Settings settled(Settings settings, std::span<DeviceSize const> sizes, Place const& place);

}  // namespace mpira::jobs
