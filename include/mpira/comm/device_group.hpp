#pragma once

#include <cstddef>

#include "mpira/base/unwinding.hpp"
#include "mpira/comm/communicator.hpp"

struct ncclComm;  // NCCL's and CUDA's own handles, named without their headers
struct CUstream_st;

namespace mpira::comm {

/// NCCL among the GPUs of a group of ranks, one GPU a rank. Only in builds with MPIRA_GPU.
///
/// Owns its ncclComm_t, move-only. Made and destroyed by all ranks of the group. While an exception is
/// passing the destructor aborts, which is local and waits for nobody; otherwise it finalizes and destroys.
///
/// Calls are queued on the given stream and are done when the stream is; check() tells of failures meanwhile
/// (a peer that is gone). Threads: one at a time. Errors: Origin::nccl with NCCL's own words.
class DeviceGroup {
public:
    using Stream = CUstream_st*;

    /// [collective] `device`: this rank's CUDA ordinal (choose_device). The unique id travels by MPI. Refuses
    /// an NCCL library whose major and minor version differ from the header's.
    DeviceGroup(CommView comm, int device);
    DeviceGroup(DeviceGroup&& other) noexcept;
    DeviceGroup& operator=(DeviceGroup&& other) noexcept;
    DeviceGroup(DeviceGroup const&) = delete;
    DeviceGroup& operator=(DeviceGroup const&) = delete;
    ~DeviceGroup();

    [[nodiscard]] int size() const noexcept { return size_; }
    [[nodiscard]] ncclComm* raw() const noexcept { return handle_; }

    /// Sum over all ranks, in place, of `count` values in device memory. [collective]
    void all_sum(float* values, std::size_t count, Stream stream) const;
    void all_sum(double* values, std::size_t count, Stream stream) const;
    /// The root's bytes on every rank, in place, in device memory. [collective]
    void bcast(void* bytes, std::size_t count, int root, Stream stream) const;

    /// Throws what has gone wrong on any stream since, if anything did. Local.
    void check() const;

private:
    void release() noexcept;

    ncclComm* handle_ = nullptr;
    int size_ = 0;
    UnwindingProbe probe_;
};

}  // namespace mpira::comm
