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

    double latency_s = 50e-6;  ///< of a message, one way; also from the leader's thread to its own rank
    double service_s = 2e-6;   ///< the leader handles one message at a time, each in this time
    double commit_every_s = 5;
    double commit_s = 0;  ///< between the start of a commit and its safety; the rank computes meanwhile

    std::vector<double> slowness;  ///< a rank: its factor on every unit's seconds; empty: all 1
    struct Death {
        int rank = 0;
        double at_s = 0;
    };
    std::vector<Death> deaths;  ///< not of all ranks
    double detect_s = 1;        ///< until the leader hears of a death
    /// Whether this try of the unit on this rank throws, at its end. Empty: never.
    std::function<bool(std::uint64_t unit, int attempt, int rank)> fails;
};

struct SimulationResult {
    double makespan_s = 0;  ///< until the last unit was run (its commit follows)
    double ideal_s = 0;     ///< max(sum of seconds / sum of rank speeds, longest unit on the fastest rank)
    std::vector<std::uint32_t> runs;     ///< a unit: how often it was run to its end
    std::vector<std::uint32_t> commits;  ///< a unit: how often it reached the disk
    std::vector<std::uint64_t> set_aside;
    std::uint64_t messages = 0;
    double idle_s = 0;  ///< mean over living ranks, waiting for a claim before the makespan

    [[nodiscard]] double ratio() const { return ideal_s > 0 ? makespan_s / ideal_s : 1; }
};

/// Runs the Dispatcher against virtual time. Deterministic; no MPI, no clock. Usage errors for a setup that
/// holds no work, names a rank that is not there, or lets every rank die.
SimulationResult simulate(SimulationSetup const& setup);

}  // namespace mpira::schedule
