#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "mpira/base/unwinding.hpp"

namespace mpira::schedule {

/// A process that helps a rank of a campaign with its units and is no rank of the campaign itself (the other
/// ranks of a group that trains together): its fatal signals and its disappearance are noted as a rank's are,
/// so that the next start knows whose unit ended the run (CampaignOptions::attendants).
///
/// Between its first begin() and leave() it catches signals: made after comm::StopSignals, left before those
/// go. One thread.
class Attendant {
public:
    /// `number` from 0; `ranks` of the campaign.
    Attendant(std::filesystem::path result, int ranks, int number);
    ~Attendant();
    Attendant(Attendant const&) = delete;
    Attendant& operator=(Attendant const&) = delete;

    void begin(std::uint64_t unit);  ///< where nothing can be noted, a warning in the log, once
    void end();
    void leave();

private:
    struct Noting;
    std::filesystem::path result_;
    int slot_;
    bool tried_ = false;
    std::unique_ptr<Noting> noting_;
    UnwindingProbe probe_;
};

}  // namespace mpira::schedule
