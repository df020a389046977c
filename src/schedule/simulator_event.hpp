#pragma once

#include <cstdint>

/// What happens in a simulated campaign (simulator.cpp), and when.
namespace mpira::schedule::simulated {

enum class What {
    message_arrives,  ///< at the leader, who may be busy
    message_handled,  ///< by the leader
    claim_arrives,    ///< at a rank
    unit_ends,        ///< on a rank
    commit_starts,    ///< on a rank
    commit_ends,      ///< on a rank: safe, and the leader is told
    end_heard,        ///< by a rank: commit what there is
    rank_dies,
    death_heard,  ///< by the leader
    run_restarts
};

enum class Message { ready, finished, failed, committed };

struct Event {
    double time = 0;
    std::uint64_t number = 0;  ///< equal times in order of making
    What what = What::message_arrives;
    Message message = Message::ready;
    int rank = 0;
    std::uint64_t unit = 0;
    int attempt = 0;
    bool throws = false;  ///< the unit, when it ends
    double seconds = 0;
    std::uint64_t count = 0;
    std::uint64_t run = 0;  ///< in which it was made: a restart drops what is under way

    bool operator>(Event const& other) const {
        return time > other.time || (time == other.time && number > other.number);
    }
};

}  // namespace mpira::schedule::simulated
