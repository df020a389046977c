#pragma once

#include <string>
#include <vector>

/// The CUDA calls that choosing a device needs. Two implementations: devices.cpp with the CUDA
/// runtime (MPIRA_GPU), no_devices.cpp without.
namespace mpira::comm::gpu {

extern bool const kBuilt;  ///< compiled with MPIRA_GPU

struct Seen {
    std::string name;
    std::string uuid;
};

/// The devices this process sees, by ordinal; empty without a driver or a device.
std::vector<Seen> visible_devices();
/// Why visible_devices() was empty, in the driver's words.
std::string why_none();
/// cudaSetDevice, before which it settles how cuBLAS will compute.
void make_current(int ordinal);

}  // namespace mpira::comm::gpu
