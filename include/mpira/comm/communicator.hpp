#pragma once

#include <cstdint>
#include <source_location>
#include <span>
#include <string_view>

#include <mpi.h>

#include "mpira/base/unwinding.hpp"

namespace mpira::comm {

/// Turns an MPI return code into mpira::Error. A function, so the call site names itself.
void check(int code, std::string_view call, std::source_location where = std::source_location::current());

/// A group of ranks that can talk to each other.
///
/// Owns its MPI_Comm: always a duplicate or a split, never MPI_COMM_WORLD itself, so a library's
/// traffic can not meet ours. Move-only; a moved-from Communicator is empty and may only be
/// destroyed or assigned to.
///
/// Threads: one Communicator, one thread at a time; different Communicators may be used from different
/// threads (Runtime asks for MPI_THREAD_MULTIPLE). Everything marked [collective] must be called by every
/// rank of the group, in the same order.
class Communicator {
public:
    static Communicator world();  ///< [collective]

    Communicator(Communicator const&) = delete;
    Communicator& operator=(Communicator const&) = delete;
    Communicator(Communicator&& other) noexcept;
    Communicator& operator=(Communicator&& other) noexcept;
    ~Communicator();

    [[nodiscard]] int rank() const noexcept { return rank_; }
    [[nodiscard]] int size() const noexcept { return size_; }
    [[nodiscard]] bool is_root() const noexcept { return rank_ == 0; }
    [[nodiscard]] MPI_Comm raw() const noexcept { return handle_; }

    [[nodiscard]] Communicator split(int color, int key) const;  ///< [collective]
    [[nodiscard]] Communicator on_this_node() const;             ///< [collective]

    void barrier() const;  ///< [collective]

    /// Sum over all ranks, in place. [collective] Plain overloads, so a vector or an array is taken as it is.
    void all_sum(std::span<float> values) const;
    void all_sum(std::span<double> values) const;
    void all_sum(std::span<std::int64_t> values) const;

    /// True only when every rank passed true. The way to turn one rank's failure into everyone's.
    /// [collective]
    [[nodiscard]] bool all_agree(bool mine) const;

private:
    explicit Communicator(MPI_Comm owned);
    void release() noexcept;

    MPI_Comm handle_ = MPI_COMM_NULL;
    int rank_ = 0;
    int size_ = 0;
    UnwindingProbe probe_;
};

/// Throws the same mpira::Error on every rank when any rank's condition is false, so that no rank is
/// left waiting in a collective that the others will never reach. [collective]
void require_everywhere(Communicator const& comm, bool holds, std::string_view message,
                        std::source_location where = std::source_location::current());

}  // namespace mpira::comm
