#include "mpira/base/error.hpp"

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
