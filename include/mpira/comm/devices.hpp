#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "mpira/comm/communicator.hpp"

namespace mpira::comm {

/// What the user asked for: a GPU where the build and the machine have one, never, or always.
enum class DeviceWish { automatic, cpu, cuda };

/// "auto", "cpu" or "cuda"; a usage error otherwise.
DeviceWish to_device_wish(std::string_view text);

/// The device of this rank.
struct Device {
    int ordinal = -1;  ///< CUDA ordinal among the devices this process sees; -1: the CPU
    std::string name;  ///< "NVIDIA H100 80GB HBM3", or the CPU's model name
    std::string uuid;  ///< of the GPU, as nvidia-smi prints it; empty on a CPU
    int node_rank = 0;
    int ranks_on_node = 1;
};

/// Chooses this rank's device by its number among the ranks of its node, and makes it current for this
/// thread. [collective]
///
/// A rank that sees one device takes it (--gpus-per-task); a rank that sees several takes the one of its node
/// rank. Refused, on all ranks with the same message: more ranks on a node than devices, and two ranks on one
/// physical device (by UUID, gathered over the node). `cuda` is refused where no device is seen or the build
/// has no GPU support; `automatic` takes the CPU there, but only if no rank of the job sees a device.
Device choose_device(Communicator const& world, DeviceWish wish);

/// How many GPUs the ranks of this rank's node see, each counted once. [collective]
int count_devices(Communicator const& world);

/// Sums a million floats over all ranks through NCCL, on the devices that choose_device gave, compares the
/// result, and says so; where there is no NCCL or no GPU, that. For `mpira doctor`. Errors: Origin::nccl or
/// cuda. [collective]
std::string try_device_sum(CommView world, Device const& device);

/// How long sums of so many bytes over all ranks took, on their devices.
struct DeviceSumTimes {
    std::uint64_t bytes = 0;
    std::vector<double> seconds;  ///< of one sum, a round each, by the slowest rank; the same on all ranks
};
/// Times sums of so many floats through NCCL, each length for about so many seconds and at least 3 rounds, on
/// the devices that choose_device gave. Empty where there is no NCCL, no GPU, or one rank. Errors:
/// Origin::nccl or cuda. [collective]
std::vector<DeviceSumTimes> time_device_sums(CommView world, Device const& device,
                                             std::span<std::size_t const> lengths, double seconds);

/// Model of the CPU ("model name" of /proc/cpuinfo, where it has no number with family and model), or the
/// machine's architecture.
std::string cpu_model();

}  // namespace mpira::comm
