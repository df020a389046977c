#include "mpira/base/error.hpp"
#include "mpira/comm/devices.hpp"

#include "comm/gpu/devices.hpp"

namespace mpira::comm::gpu {

bool const kBuilt = false;

std::vector<Seen> visible_devices() {
    return {};
}

std::string why_none() {
    return "this mpira was built without GPU support";
}

void make_current(int /*ordinal*/) {
    throw Error(Origin::internal, "a build without GPU support has no device to make current");
}

}  // namespace mpira::comm::gpu

namespace mpira::comm {

std::string try_device_sum(CommView /*world*/, Device const& /*device*/) {
    return "no NCCL in this build: use the cuda preset where there are GPUs";
}

std::vector<DeviceSumTimes> time_device_sums(CommView /*world*/, Device const& /*device*/,
                                             std::span<std::size_t const> /*lengths*/, double /*seconds*/) {
    return {};
}

}  // namespace mpira::comm
