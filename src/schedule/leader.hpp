#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "mpira/comm/communicator.hpp"
#include "mpira/comm/stop.hpp"
#include "mpira/schedule/dispatcher.hpp"
#include "mpira/schedule/progress.hpp"

#include "schedule/messages.hpp"

namespace mpira::schedule {

/// What the leader found at the end.
struct LeaderReport {
    std::uint64_t set_aside = 0;
    comm::StopKind stopped = comm::StopKind::none;
    int signal = 0;
    double seconds = 0;  ///< from the first claim until every rank had left
};

/// Rank 0's thread that hands out units (design: two-sided messages, a leader that sleeps when idle, so that
/// rank 0 computes as the others do). Never touches HDF5.
///
/// Owner of its thread. The destructor ends the thread even in the middle of a campaign: for unwinding.
class Leader {
public:
    struct Tasks {
        std::function<void()> heartbeat;                      ///< every few seconds
        std::function<void(ProgressReport const&)> progress;  ///< about five times a second, and at the end
        std::function<void()> failed;  ///< once, when the leader's thread had to give up
        double unit_timeout_s = 0;     ///< a rank longer than this at one unit ends the job; 0: never
        /// Called once, with that rank and the seconds: notes it, and returns what to say.
        std::function<std::string(Dispatcher::Running const&, double)> hung;
        /// Where the MPI library tells of dead ranks and the others go on (comm/losses.hpp).
        struct Lost {
            std::optional<std::uint64_t> running;  ///< the unit it was in
            std::string how;                       ///< "rank 1 on node7: Segmentation fault (signal 11) ..."
        };
        std::function<Lost(int rank)> lost;  ///< empty: a dead rank is an error, and ends the job
        std::function<bool(std::uint64_t unit)> on_disk;
        std::function<void(Failures::Faulty const&)> faulty;  ///< for the log
        /// A unit has ended its rank and is not run again.
        std::function<void(std::uint64_t unit, std::string const& how)> set_aside;
    };

    /// `start` holds what is known at the beginning: units, done, done_before.
    Leader(comm::CommView channel, Dispatcher dispatcher, ProgressReport start, Tasks tasks);
    Leader(Leader const&) = delete;
    Leader& operator=(Leader const&) = delete;
    ~Leader() = default;

    /// Throws what ended the leader's thread, if anything did. From the main thread.
    void rethrow_failure() const;
    /// Waits for the end of the thread, which comes when all ranks have left.
    LeaderReport join();

private:
    void run(std::stop_token const& abandon);
    void handle(int rank, UpMessage const& message);
    void hand_out();
    void end_if_all_run();
    void end(int rank);
    void spread_stop(comm::StopKind kind, int signal);
    void housekeeping(bool last);
    void watch(double now);
    void mourn();
    void abort_if_hung(bool at_once) const;
    /// While every rank holds its next unit, an answer may take a tenth of a usual unit's time: fewer
    /// wake-ups, which the computing ranks of a full node would feel.
    [[nodiscard]] std::chrono::microseconds leisure() const;
    [[nodiscard]] double now_s() const;

    comm::CommView channel_;
    Dispatcher dispatcher_;
    ProgressReport progress_;
    Tasks tasks_;
    LeaderReport report_;
    std::vector<bool> ended_;
    std::vector<bool> left_;
    std::vector<bool> lost_;
    int ranks_left_ = 0;
    double usual_s_ = 0;  ///< fading mean of units' seconds
    double origin_s_ = 0;
    double next_housekeeping_s_ = 0;
    double next_heartbeat_s_ = 0;
    double awake_since_s_ = 0;  ///< this process was suspended before
    std::string hung_;          ///< why the job is about to be ended
    double abort_s_ = 0;
    Outbox<DownMessage> to_workers_;
    Outbox<DownMessage> to_committers_;
    std::atomic<bool> has_failed_{false};
    std::exception_ptr failure_;
    std::jthread thread_;  // last: starts when all else is there, ends first
};

}  // namespace mpira::schedule
