#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "mpira/schedule/dispatcher.hpp"

namespace mpira::schedule {

/// A campaign on virtual ranks: what takes how long, and what goes wrong.
struct SimulationSetup {
    int ranks = 1;
    std::vector<double> seconds;       ///< a unit: what it really takes on an ordinary rank
    std::vector<float> relative_cost;  ///< a unit: what the dispatcher is told
    bool prefetch = true;
    int attempts = 2;

    double start_s = 0;        ///< until a rank asks for its first unit, also after a restart
    double latency_s = 50e-6;  ///< of a message, one way; also from the leader's thread to its own rank
    double service_s = 2e-6;   ///< the leader handles one message at a time, each in this time

    /// A rank commits when its oldest finished unit is this old, at so many units (but no sooner than
    /// Committer would, a quarter of a second), and when the leader tells the end.
    double commit_every_s = 5;
    std::uint64_t commit_units = 64;
    double commit_s = 0;  ///< a commit takes at least so long (its syncs); the rank computes meanwhile
    double unit_bytes = 0;
    /// What the file system takes of all ranks together, one commit after the other; 0: no limit.
    double bytes_per_s = 0;
    double commits_per_s = 0;

    std::vector<double> slowness;  ///< a rank: its factor on every unit's seconds; empty: all 1
    struct Death {
        int rank = 0;
        double at_s = 0;
    };
    std::vector<Death> deaths;  ///< not of all ranks, unless they restart
    double detect_s = 1;        ///< until the leader hears of a death
    /// >= 0: what MPI does. A death ends the run of all ranks, which have a second to commit what they have
    /// finished and lose the unit at hand; so much later all ranks are back, and the dead one's unit is run
    /// in quarantine. Deaths while nobody runs are not counted. < 0: the others go on.
    double restart_s = -1;
    /// Whether this try of the unit on this rank throws. Empty: never.
    std::function<bool(std::uint64_t unit, int attempt, int rank)> fails;
    double failure_s = -1;  ///< a try that throws does so after so long; < 0: as long as the unit takes
    std::vector<int> node_of = {};  ///< DispatchOptions::node_of
};

struct SimulationResult {
    double makespan_s = 0;  ///< until the last unit was run
    double end_s = 0;       ///< until the last commit was safe
    double ideal_s = 0;     ///< max(sum of seconds / sum of rank speeds, longest unit on the fastest rank)
    std::vector<std::uint32_t> runs;     ///< a unit: how often it was run to its end
    std::vector<std::uint32_t> commits;  ///< a unit: how often it reached the disk
    std::vector<std::uint64_t> set_aside;
    std::uint64_t messages = 0;
    double idle_s = 0;  ///< mean over living ranks: before the makespan, without a unit
    double lost_s = 0;  ///< sum over ranks: computed, and then lost by a death
    std::uint64_t restarts = 0;

    double leader_busy_s = 0;          ///< handling messages
    double leader_longest_wait_s = 0;  ///< of a message, for the leader's turn

    std::uint64_t commit_count = 0;  ///< by all ranks
    double commit_mean_s = 0;        ///< from its start to its safety
    double commit_longest_s = 0;
    double storage_busy_s = 0;  ///< what bytes_per_s and commits_per_s allow was used so long

    [[nodiscard]] double ratio() const { return ideal_s > 0 ? makespan_s / ideal_s : 1; }
    [[nodiscard]] double efficiency() const { return end_s > 0 ? ideal_s / end_s : 1; }
};

/// Runs the Dispatcher against virtual time. Deterministic; no MPI, no clock. Usage errors for a setup that
/// holds no work, names a rank that is not there, or lets every rank die.
SimulationResult simulate(SimulationSetup const& setup);

}  // namespace mpira::schedule
