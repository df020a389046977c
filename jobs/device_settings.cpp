#include "jobs/device_settings.hpp"

#include <fmt/format.h>

namespace mpira::jobs {

std::string explain(DeviceSize const& size) {
    return fmt::format("0: {}, on a GPU {}.", size.host, size.gpu);
}

model::Compute compute_of(Settings const& settings, Place const& place) {
    return {place.device, place.threads,
            settings.text("model.precision") == "bf16" ? model::Precision::bf16 : model::Precision::f32,
            settings.text("model.attention") == "fastest"};
}

Settings with_sizes(Settings settings, std::span<DeviceSize const> sizes, Place const& place) {
    for (auto const& size : sizes)
        if (settings.integer(size.key) == 0)
            settings.set(size.key, place.device < 0 ? size.host : size.gpu, "chosen for the device");
    return settings;
}

}  // namespace mpira::jobs
