#include "mpira/comm/device_group.hpp"

#include <source_location>
#include <string_view>
#include <utility>

#include <cuda_runtime_api.h>
#include <fmt/format.h>
#include <nccl.h>

#include "mpira/base/log.hpp"

#include "comm/gpu/cuda.hpp"

namespace mpira::comm {
namespace {

void nccl(ncclResult_t result, ncclComm_t comm, std::string_view call,
          std::source_location where = std::source_location::current()) {
    if (result == ncclSuccess) return;
    throw Error(Origin::nccl,
                fmt::format("{}: {}: {}; NCCL_DEBUG=WARN says more", call, ncclGetErrorString(result),
                            ncclGetLastError(comm)),
                where);
}

void refuse_other_version() {
    int version = 0;
    nccl(ncclGetVersion(&version), nullptr, "ncclGetVersion");
    // Code = 10000 major + 100 minor + patch.
    require(
        version / 100 == NCCL_VERSION_CODE / 100,
        fmt::format("NCCL {}.{} was loaded, this build is for {}.{}: put the one LibTorch came with first in "
                    "LD_LIBRARY_PATH",
                    version / 10000, version / 100 % 100, NCCL_MAJOR, NCCL_MINOR));
}

}  // namespace

DeviceGroup::DeviceGroup(CommView comm, int device) : size_(comm.size()) {
    everywhere(comm, [&] {
        refuse_other_version();
        gpu::check(cudaSetDevice(device), "cudaSetDevice");
    });
    auto const id = everywhere(comm, [&] {
        ncclUniqueId made{};
        if (comm.is_root()) nccl(ncclGetUniqueId(&made), nullptr, "ncclGetUniqueId");
        return made;
    });
    nccl(ncclCommInitRank(&handle_, comm.size(), comm.bcast_value(id), comm.rank()), nullptr,
         "ncclCommInitRank");
}

DeviceGroup::DeviceGroup(DeviceGroup&& other) noexcept
    : handle_(std::exchange(other.handle_, nullptr)), size_(other.size_) {}

DeviceGroup& DeviceGroup::operator=(DeviceGroup&& other) noexcept {
    if (this != &other) {
        release();
        handle_ = std::exchange(other.handle_, nullptr);
        size_ = other.size_;
    }
    return *this;
}

DeviceGroup::~DeviceGroup() {
    release();
}

void DeviceGroup::release() noexcept {
    if (handle_ == nullptr) return;
    if (probe_.unwinding()) {
        ncclCommAbort(handle_);
    } else if (ncclCommFinalize(handle_) != ncclSuccess || ncclCommDestroy(handle_) != ncclSuccess) {
        log::warning("NCCL did not end in good order: {}", ncclGetLastError(nullptr));
    }
    handle_ = nullptr;
}

void DeviceGroup::all_sum(float* values, std::size_t count, Stream stream) const {
    nccl(ncclAllReduce(values, values, count, ncclFloat32, ncclSum, handle_, stream), handle_,
         "ncclAllReduce");
}

void DeviceGroup::all_sum(double* values, std::size_t count, Stream stream) const {
    nccl(ncclAllReduce(values, values, count, ncclFloat64, ncclSum, handle_, stream), handle_,
         "ncclAllReduce");
}

void DeviceGroup::bcast(void* bytes, std::size_t count, int root, Stream stream) const {
    nccl(ncclBroadcast(bytes, bytes, count, ncclInt8, root, handle_, stream), handle_, "ncclBroadcast");
}

void DeviceGroup::check() const {
    ncclResult_t state = ncclSuccess;
    nccl(ncclCommGetAsyncError(handle_, &state), handle_, "ncclCommGetAsyncError");
    if (state != ncclInProgress) nccl(state, handle_, "NCCL in the background");
}

}  // namespace mpira::comm
