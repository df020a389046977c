#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include <ATen/core/Tensor.h>

#include "mpira/comm/communicator.hpp"

#include "timeline.hpp"

namespace mpira::train {

/// A range of a flat buffer that is summed in one piece.
struct Bucket {
    std::int64_t first = 0;
    std::int64_t count = 0;
};

/// Sums buckets of one buffer over the ranks, in the background, in the order they were started: the same on
/// every rank. What a rank adds to a bucket must be complete, on the current stream for device buffers.
///
/// Owner of its communicator and thread or stream. Destroyed with sums still under way (a rank that unwinds),
/// it waits for nobody. Threads: one at a time.
class BucketSum {
public:
    virtual ~BucketSum() = default;
    BucketSum(BucketSum const&) = delete;
    BucketSum& operator=(BucketSum const&) = delete;

    virtual void start(Bucket bucket) = 0;
    /// Returns when all started sums are in the buffer (for a device: are ahead of what is queued on the
    /// current stream from now on). Throws what went wrong in the background.
    virtual void wait() = 0;

protected:
    BucketSum() = default;
};

/// For host buffers: a thread calls MPI_Allreduce on a communicator of its own (Open MPI makes no progress
/// without a thread in it). [collective]
[[nodiscard]] std::unique_ptr<BucketSum> make_host_bucket_sum(comm::CommView comm, at::Tensor buffer,
                                                              std::shared_ptr<Timeline> timeline);

/// For device buffers: NCCL on a stream of its own. In builds with MPIRA_GPU. [collective]
[[nodiscard]] std::unique_ptr<BucketSum> make_device_bucket_sum(comm::CommView comm, at::Tensor buffer,
                                                                std::shared_ptr<Timeline> timeline);

}  // namespace mpira::train
