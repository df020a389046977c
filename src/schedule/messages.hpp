#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>

#include <mpi.h>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/comm/communicator.hpp"
#include "mpira/comm/losses.hpp"

/// What ranks and their leader say to each other: small plain structs, two-sided, on a communicator of the
/// campaign's own. Three tags, each received by one thread only, so that the threads of a process never take
/// each other's messages.
namespace mpira::schedule {

inline constexpr int kToLeader = 1;  ///< from main and committer threads; received by the leader
inline constexpr int kToWorker = 2;  ///< claims; received by the main thread
inline constexpr int kToCommitter =
    3;  ///< stop; received by the committer, at the very end by the main thread

enum class Up : std::int32_t { ready, finished, failed, committed, stop, left };

struct UpMessage {
    Up kind = Up::ready;
    std::int32_t stop = 0;  ///< a comm::StopKind
    std::int32_t signal = 0;
    std::int32_t unused = 0;
    std::uint64_t unit = 0;
    std::uint64_t count = 0;  ///< finished: rows; committed: units
    double seconds = 0;
};

enum class Down : std::int32_t { claim, end, stop };

struct DownMessage {
    Down kind = Down::end;
    std::int32_t attempt = 0;
    std::int32_t stop = 0;
    std::int32_t suspect = 0;
    std::uint64_t unit = 0;
    std::int32_t last = 0;  ///< if it fails, it is set aside
    std::int32_t unused = 0;
};

/// Sleeps of growing length for a loop that looks for messages: a message soon after the last one is met
/// within `shortest`, a long silence costs next to nothing.
class Patience {
public:
    using Duration = std::chrono::microseconds;
    Patience(Duration shortest, Duration longest) : shortest_(shortest), longest_(longest), now_(shortest) {}
    void reset() noexcept {
        now_ = shortest_;
        waited_ = 0;
    }
    /// Sleeps at least `least`.
    void wait(Duration least = Duration(0)) {
        std::this_thread::sleep_for(std::max(now_, std::min(least, longest_)));
        if (++waited_ > 50) now_ = std::min(longest_, now_ + now_ / 8 + Duration(1));
    }

private:
    Duration shortest_;
    Duration longest_;
    Duration now_;
    int waited_ = 0;
};

/// A receive that is always posted, for messages of one type and tag from one source or MPI_ANY_SOURCE. One
/// thread. The destructor takes the posted receive back.
template <typename Message>
class Inbox {
    static_assert(std::is_trivially_copyable_v<Message>);

public:
    struct Letter {
        int from = 0;
        Message message;
    };

    Inbox(comm::CommView comm, int source, int tag) : comm_(comm), source_(source), tag_(tag) { post(); }
    Inbox(Inbox const&) = delete;
    Inbox& operator=(Inbox const&) = delete;
    ~Inbox() {
        if (request_ == MPI_REQUEST_NULL) return;
        MPI_Cancel(&request_);
        MPI_Wait(&request_, MPI_STATUS_IGNORE);
    }

    /// Throws where the one source has died; of many, take_loss() tells that some has.
    std::optional<Letter> poll() {
        int arrived = 0;
        MPI_Status status{};
        if (comm::is_loss(posting_)) post();
        int const code = comm::is_loss(posting_) ? posting_ : MPI_Test(&request_, &arrived, &status);
        if (comm::is_loss(code)) {
            if (source_ != MPI_ANY_SOURCE)
                throw Error(
                    Origin::system,
                    fmt::format("rank {} has died, which leads the campaign: the job ends; run it again "
                                "to resume",
                                source_));
            lost_ = true;
            if (request_ == MPI_REQUEST_NULL) post();  // else it still waits
            return std::nullopt;
        }
        comm::check(code, "MPI_Test");
        if (arrived == 0) return std::nullopt;
        Letter const letter{status.MPI_SOURCE, buffer_};
        post();
        return letter;
    }

    /// Whether a rank is known to have died since the last call.
    bool take_loss() { return std::exchange(lost_, false); }

private:
    void post() {
        posting_ = MPI_Irecv(&buffer_, sizeof buffer_, MPI_BYTE, source_, tag_, comm_.raw(), &request_);
        if (!comm::is_loss(posting_)) comm::check(posting_, "MPI_Irecv");
    }
    comm::CommView comm_;
    int source_;
    int tag_;
    Message buffer_{};
    MPI_Request request_ = MPI_REQUEST_NULL;
    int posting_ = MPI_SUCCESS;  ///< what the last attempt to post gave
    bool lost_ = false;
};

/// Sends without waiting for the receiver; keeps each message until MPI has let go of it. What goes to a rank
/// that has died is dropped. One thread.
template <typename Message>
class Outbox {
    static_assert(std::is_trivially_copyable_v<Message>);

public:
    Outbox(comm::CommView comm, int tag) : comm_(comm), tag_(tag) {}
    Outbox(Outbox const&) = delete;
    Outbox& operator=(Outbox const&) = delete;
    ~Outbox() {
        for (auto& sent : sent_) {
            if (sent.request != MPI_REQUEST_NULL) MPI_Request_free(&sent.request);
        }
    }

    void send(int to, Message const& message) {
        auto& sent = sent_.emplace_back();
        sent.message = message;
        int const code =
            MPI_Isend(&sent.message, sizeof sent.message, MPI_BYTE, to, tag_, comm_.raw(), &sent.request);
        if (!comm::is_loss(code)) comm::check(code, "MPI_Isend");
        tidy();
    }
    /// Lets go of what has been sent, in order.
    void tidy() {
        while (!sent_.empty()) {
            int done = 0;
            int const code = MPI_Test(&sent_.front().request, &done, MPI_STATUS_IGNORE);
            bool const dropped = comm::is_loss(code);
            if (!dropped) comm::check(code, "MPI_Test");
            if (done == 0 && !dropped) return;
            sent_.pop_front();
        }
    }
    [[nodiscard]] bool empty() const noexcept { return sent_.empty(); }

private:
    struct Sent {
        Message message;
        MPI_Request request = MPI_REQUEST_NULL;
    };
    comm::CommView comm_;
    int tag_;
    std::deque<Sent> sent_;  // elements stay where they are
};

}  // namespace mpira::schedule
