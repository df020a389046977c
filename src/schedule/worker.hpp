#pragma once

#include <cstdint>
#include <string>

#include "mpira/comm/communicator.hpp"
#include "mpira/store/in_flight.hpp"
#include "mpira/store/job.hpp"

#include "schedule/committer.hpp"
#include "schedule/leader.hpp"
#include "schedule/messages.hpp"

namespace mpira::schedule {

/// A rank's main thread in a campaign: takes claims, runs units, hands their rows to the committer.
class Worker {
public:
    /// `leader`: this process's, or nullptr on ranks that don't lead.
    Worker(comm::CommView channel, store::Job& job, Committer& committer, Leader* leader,
           store::FlightSlot& flight, std::string machine);

    /// Until the leader says that all units are run, or a stop is heard; then commits and leaves, and returns
    /// when all ranks have left.
    void run();

    [[nodiscard]] std::uint64_t units() const noexcept { return units_; }
    [[nodiscard]] double busy_s() const noexcept { return busy_s_; }

private:
    void run_unit(DownMessage const& claim);
    [[nodiscard]] DownMessage next_claim();
    void tell(UpMessage const& message);
    void rethrow_failures() const;

    comm::CommView channel_;
    store::Job& job_;
    Committer& committer_;
    Leader* leader_;
    store::FlightSlot& flight_;
    std::string machine_;
    Inbox<DownMessage> inbox_;
    Outbox<UpMessage> outbox_;
    std::uint64_t units_ = 0;
    std::uint64_t failures_ = 0;
    double busy_s_ = 0;
};

}  // namespace mpira::schedule
