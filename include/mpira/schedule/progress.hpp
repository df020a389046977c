#pragma once

#include <cstdint>
#include <string>

namespace mpira::schedule {

/// Where a campaign stands.
struct ProgressReport {
    std::uint64_t units = 0;        ///< of the whole campaign
    std::uint64_t done = 0;         ///< computed or committed, by this run and earlier ones
    std::uint64_t done_before = 0;  ///< by earlier runs
    std::uint64_t set_aside = 0;
    std::uint64_t rows = 0;  ///< rows of the units done in this run
    double seconds = 0;      ///< since this run's first claim
    double left_s = -1;      ///< predicted seconds to go, -1: not known yet
    int ranks = 1;
    bool last = false;
};

/// "12,034 of 201,393 units (6.0 %), 5,110 rows/s, 2 h 10 min left, 3 set aside"
std::string to_line(ProgressReport const& report);

/// Tells people how far a campaign is: one line rewritten in place, a few times a second, when stderr is a
/// terminal; a log line a minute, and one at the end, elsewhere. One thread.
class Progress {
public:
    Progress();
    explicit Progress(bool terminal);
    ~Progress();
    Progress(Progress const&) = delete;
    Progress& operator=(Progress const&) = delete;

    void show(ProgressReport const& report);

private:
    bool terminal_;
    bool line_open_ = false;
    double next_s_ = 0;
};

}  // namespace mpira::schedule
