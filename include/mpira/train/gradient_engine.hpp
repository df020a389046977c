#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "mpira/comm/communicator.hpp"

namespace mpira::train {

/// One forward and backward of a step: samples [first, end) of the global batch, all of one length.
struct Pass {
    std::size_t first = 0;
    std::size_t end = 0;
    std::uint32_t micro_batch = 0;  ///< its micro-batch of the global batch; passes come in rising order
    bool last = false;              ///< no backward of this rank follows in this step

    [[nodiscard]] std::size_t size() const noexcept { return end - first; }
};

/// What all ranks know after a step.
struct StepSums {
    double loss = 0;          ///< sum of every loss that was passed to backward() on any rank
    bool wants_stop = false;  ///< some rank wished to stop
    bool failed = false;      ///< some rank called mark_failed(): loss and gradients mean nothing
};

/// Sums the gradients of a step over the passes and ranks of a data-parallel group.
///
///     auto const passes = engine.passes(lengths);      // of the global batch; this rank's share, maybe none
///     engine.begin_step();
///     for (auto const& pass : passes) engine.backward(loss_of(pass), pass);
///     auto const sums = engine.finish_step(wants_stop);
///
/// Afterwards each parameter's .grad holds the sum over all passes of all ranks, the same on every rank. A
/// loss is a scalar, already scaled by its share of the global batch. A parameter that no loss depends on
/// gets zeros; a rank without passes takes part all the same.
///
/// The engine sets and resets every .grad; nobody else replaces one. Owner of its buffers, not of the
/// parameters. Threads: one at a time. A rank that unwinds in the middle of a step waits for nobody.
class GradientEngine {
public:
    virtual ~GradientEngine() = default;
    GradientEngine(GradientEngine const&) = delete;
    GradientEngine& operator=(GradientEngine const&) = delete;

    /// How this rank takes its share of a global batch, given the length (regions) of each of its samples:
    /// passes of at most `micro_batch` samples. Local.
    [[nodiscard]] virtual std::vector<Pass> passes(std::span<std::uint64_t const> lengths) const = 0;
    /// The same for scoring, where nothing is summed: `last` and `micro_batch` mean nothing.
    [[nodiscard]] virtual std::vector<Pass> scoring_passes(std::span<std::uint64_t const> lengths) const = 0;

    /// From here on the gradients of the former step are gone. The first one is [collective].
    virtual void begin_step() = 0;
    /// One of the passes(), in their order. Local.
    virtual void backward(at::Tensor const& loss, Pass const& pass) = 0;
    /// This rank can't compute its passes (out of memory): it leaves out those that are left, and takes part
    /// in finish_step all the same, which tells the others. Local.
    virtual void mark_failed() = 0;
    virtual StepSums finish_step(bool wants_stop) = 0;  ///< [collective]

    /// No step follows: what was recorded of them is written. [collective]
    virtual void end_training() = 0;

    /// Scales the gradients so that the L2 norm of all together is at most `most`. Local.
    virtual void clip(double most) = 0;

protected:
    GradientEngine() = default;
};

struct EngineOptions {
    std::uint64_t batch = 256;       ///< most samples of a global batch
    std::uint64_t micro_batch = 32;  ///< most samples of a pass
    /// The same bits on 1, 2, 4, ... ranks (a usage error on others), for a part of the speed: the global
    /// batch is cut into M micro-batches on any rank count, M the least power of two, at least 4, that makes
    /// them small enough; their gradients are summed by one binary tree over their numbers, without
    /// MPI_Allreduce. Takes log2(M) + 2 times the memory of the gradients.
    bool deterministic = false;
    /// Otherwise sums are overlapped with the backward pass: a bucket of about so many bytes of gradients at
    /// a time, by MPI for parameters on the host (in a thread of its own), by NCCL for those on a GPU.
    std::uint64_t bucket_bytes = 25 << 20;
    std::filesystem::path timeline;  ///< of the first 20 steps, as Chrome trace JSON; empty: none
};

/// `parameters`: those that are trained, all float32, on one device, requiring gradients; the same list on
/// every rank. Frozen ones are left out, and cost no traffic. Local: ranks may fail alone.
[[nodiscard]] std::unique_ptr<GradientEngine> make_gradient_engine(comm::CommView comm,
                                                                   std::vector<at::Tensor> parameters,
                                                                   EngineOptions const& options);

}  // namespace mpira::train
