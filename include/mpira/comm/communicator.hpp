#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <mpi.h>

#include "mpira/base/error.hpp"
#include "mpira/base/unwinding.hpp"

namespace mpira::comm {

/// Turns an MPI return code into mpira::Error. A function, so the call site names itself.
void check(int code, std::string_view call, std::source_location where = std::source_location::current());

class Communicator;

/// Looks at a group of ranks that can talk to each other; owns nothing. Copyable, cheap; valid while the
/// Communicator it was taken from lives.
///
/// Threads: the collectives of one group are called by one thread at a time; different groups may be used
/// from different threads (Runtime asks for MPI_THREAD_MULTIPLE). Everything marked [collective] must be
/// called by every rank of the group, in the same order. Counts are 64-bit: long buffers go in pieces.
class CommView {
public:
    [[nodiscard]] int rank() const noexcept { return rank_; }
    [[nodiscard]] int size() const noexcept { return size_; }
    [[nodiscard]] bool is_root() const noexcept { return rank_ == 0; }
    [[nodiscard]] MPI_Comm raw() const noexcept { return handle_; }

    void barrier() const;  ///< [collective]

    /// The root's bytes on every rank, in place; the lengths must be equal. [collective]
    void bcast(std::span<std::byte> bytes, int root = 0) const;
    /// The root's text on every rank; what the others pass is ignored. [collective]
    [[nodiscard]] std::string bcast(std::string text, int root = 0) const;
    /// The root's value on every rank; for plain data. [collective]
    template <typename T>
    requires(std::is_trivially_copyable_v<T> && !std::is_pointer_v<T>) [[nodiscard]] T
        bcast_value(T value, int root = 0) const {
        bcast(std::as_writable_bytes(std::span<T, 1>(&value, 1)), root);
        return value;
    }

    /// Every rank's text in rank order on the root; nothing on the others. [collective]
    [[nodiscard]] std::vector<std::string> gather(std::string_view mine, int root = 0) const;
    /// Every rank's text in rank order on every rank. [collective]
    [[nodiscard]] std::vector<std::string> all_gather(std::string_view mine) const;

    /// Sum over all ranks, in place; equal lengths. [collective] Plain overloads, so that a vector or an
    /// array is taken as it is. The order of a floating-point sum is the MPI library's.
    void all_sum(std::span<float> values) const;
    void all_sum(std::span<double> values) const;
    void all_sum(std::span<std::int64_t> values) const;
    [[nodiscard]] double all_sum(double mine) const;              ///< [collective]
    [[nodiscard]] std::int64_t all_sum(std::int64_t mine) const;  ///< [collective]

    /// Gives `mine` to another rank and takes `theirs` from it; equal lengths, and not the same memory.
    /// Called by both.
    void exchange(int with, std::span<float const> mine, std::span<float> theirs) const;

    /// The greatest of all ranks' values. [collective]
    [[nodiscard]] double all_max(double mine) const;
    [[nodiscard]] std::int64_t all_max(std::int64_t mine) const;

    /// True only when every rank passed true. The way to turn one rank's failure into everyone's.
    /// [collective]
    [[nodiscard]] bool all_agree(bool mine) const;

    [[nodiscard]] Communicator duplicate() const;                ///< [collective] for another thread or layer
    [[nodiscard]] Communicator split(int color, int key) const;  ///< [collective]
    [[nodiscard]] Communicator on_this_node() const;             ///< [collective] ranks that share memory

protected:
    CommView() = default;
    explicit CommView(MPI_Comm handle);

    MPI_Comm handle_ = MPI_COMM_NULL;
    int rank_ = 0;
    int size_ = 0;
};

/// Owns its MPI_Comm: always a duplicate or a split, never MPI_COMM_WORLD itself, so a library's traffic can
/// not meet ours. Move-only; a moved-from Communicator is empty and may only be destroyed or assigned to.
///
/// Freeing is collective: the destructor frees, unless an exception is passing, and owners are destroyed in
/// the same order on every rank (scope order).
class Communicator : public CommView {
public:
    static Communicator world();  ///< [collective] a duplicate of MPI_COMM_WORLD

    Communicator(Communicator const&) = delete;
    Communicator& operator=(Communicator const&) = delete;
    Communicator(Communicator&& other) noexcept;
    Communicator& operator=(Communicator&& other) noexcept;
    ~Communicator();

private:
    friend class CommView;  // makes the new ones
    explicit Communicator(MPI_Comm owned);
    void release() noexcept;

    UnwindingProbe probe_;
};

/// An error that every rank of the job has thrown alike, so that nobody waits for anybody: run_main prints it
/// once and finalizes in good order. Thrown by everywhere() and require_everywhere().
class CollectiveError : public Error {
public:
    CollectiveError(Origin origin, std::string_view what, int rank, std::source_location where);
    [[nodiscard]] int rank() const noexcept { return rank_; }  ///< the lowest rank that failed

private:
    int rank_;
};

/// What everywhere() is made of: a failure of this rank, and the verdict of all of them.
struct Failure {
    Origin origin = Origin::internal;
    std::string what;
    std::source_location where;
};
/// The exception being handled (call in a catch block) as a Failure.
[[nodiscard]] Failure failure_of_current_exception();
/// Throws the lowest failing rank's failure on every rank, or returns on every rank. [collective]
void agree_on(CommView comm, std::optional<Failure> const& mine);

/// Runs fn on each rank and returns its result; when it threw on any rank, every rank throws CollectiveError
/// with the message and origin of the lowest rank that failed ("rank 3: " before it when others did not
/// fail). For local work that may fail on some ranks: reading files, checking settings. fn itself may call
/// collectives only if it fails on all ranks alike. [collective]
template <typename Fn>
auto everywhere(CommView comm, Fn&& fn) -> std::invoke_result_t<Fn&> {
    using Result = std::invoke_result_t<Fn&>;
    std::optional<Failure> failure;
    if constexpr (std::is_void_v<Result>) {
        try {
            fn();
        } catch (...) {
            failure = failure_of_current_exception();
        }
        agree_on(comm, failure);
    } else {
        std::optional<Result> result;
        try {
            result.emplace(fn());
        } catch (...) {
            failure = failure_of_current_exception();
        }
        agree_on(comm, failure);
        return std::move(*result);
    }
}

/// Throws the same usage error on every rank when any rank's condition is false, so that no rank is left
/// waiting in a collective that the others will never reach. [collective]
void require_everywhere(CommView comm, bool holds, std::string_view message,
                        std::source_location where = std::source_location::current());

}  // namespace mpira::comm
