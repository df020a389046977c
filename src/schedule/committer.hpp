#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "mpira/comm/communicator.hpp"
#include "mpira/comm/stop.hpp"
#include "mpira/store/result_file.hpp"

#include "schedule/messages.hpp"

namespace mpira::schedule {

struct CommitCadence {
    double seconds = 5;
    std::uint64_t units = 64;
    std::uint64_t bytes = std::uint64_t{256} << 20;
    /// After a gentle stop the unit at hand may go on this long before it is asked to leave.
    double gentle_s = 10;
    /// The file is written through HDF5, which takes one thread at a time: marking waits for a commit.
    bool one_at_a_time = false;
};

/// A rank's thread that holds finished rows and writes them, and the only one of its process that does. It is
/// also the rank's ear: for its own signals and for the leader's word that all shall stop.
///
/// Owner of its thread. While the thread runs, nobody else may use the file.
class Committer {
public:
    Committer(comm::CommView channel, store::ResultFile& file, comm::StopSignals& signals,
              CommitCadence cadence);
    Committer(Committer const&) = delete;
    Committer& operator=(Committer const&) = delete;
    /// Commits what is left if it can, and ends the thread.
    ~Committer();

    // For the main thread.
    /// Journals that a unit is about to run.
    void mark_running(std::uint64_t unit, store::UnitReport const& report);
    /// Takes the rows of a unit. Waits while twice the cadence's bytes are in memory.
    void add(store::UnitRows rows, store::UnitReport report);
    void add_failure(std::uint64_t unit, store::UnitReport report, std::string error);
    /// From the leader's thread: a unit that has ended its rank too often, and is charged with it.
    void add_deadly(std::uint64_t unit, std::string error);
    /// Commits everything and ends the thread; throws what went wrong in it.
    void finish();
    void rethrow_failure() const;
    /// After finish(): whether the leader's last word has come. Poll it.
    [[nodiscard]] bool heard_end();

    [[nodiscard]] comm::StopKind stop() const noexcept { return static_cast<comm::StopKind>(stop_.load()); }
    /// Handed to Job::run: requested when the unit shall be dropped.
    [[nodiscard]] std::stop_token drop_token() const noexcept { return drop_.get_token(); }
    /// Asks the main thread to drop its unit because a thread of this process has failed.
    void drop_unit() noexcept { drop_.request_stop(); }

    [[nodiscard]] double commit_s() const noexcept { return commit_s_; }           ///< after finish()
    [[nodiscard]] std::uint64_t committed() const noexcept { return committed_; }  ///< after finish()

private:
    struct Finished {
        store::UnitRows rows;
        store::UnitReport report;
    };
    struct Failed {
        std::uint64_t unit = 0;
        store::UnitReport report;
        std::string error;
        bool deadly = false;
    };

    void run(std::stop_token const& end);
    void listen();
    void heed(comm::StopKind kind);
    [[nodiscard]] double sleep_s();
    [[nodiscard]] bool enough() const;  ///< with the mutex held
    [[nodiscard]] bool due();
    void commit_all();

    comm::CommView channel_;
    store::ResultFile& file_;
    comm::StopSignals& signals_;
    CommitCadence cadence_;
    Inbox<DownMessage> inbox_;
    Outbox<UpMessage> outbox_;

    std::mutex file_mutex_;  ///< only taken when one_at_a_time
    std::mutex mutex_;
    std::condition_variable room_;
    std::vector<Finished> finished_;
    std::vector<Failed> failed_;
    std::uint64_t bytes_ = 0;  ///< in finished_ and in the commit under way
    double oldest_s_ = 0;      ///< when the first of finished_ came

    std::atomic<int> stop_{0};
    comm::StopKind told_ = comm::StopKind::none;
    double gentle_until_s_ = 0;
    std::stop_source drop_;
    std::uint64_t committed_ = 0;
    double commit_s_ = 0;
    std::atomic<bool> has_failed_{false};
    std::exception_ptr failure_;
    std::jthread thread_;
};

}  // namespace mpira::schedule
