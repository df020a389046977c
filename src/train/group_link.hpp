#pragma once

#include <cstdint>

#include "mpira/comm/communicator.hpp"

namespace mpira::train {

/// Returns when all ranks have come, and sleeps until then: a blocking barrier would keep a core busy.
/// [collective]
void meet_asleep(comm::CommView comm);

/// The leader's word to its group, which unit comes next, without keeping the others' cores busy while they
/// wait. [collective] One thread at a time, no other collective of the group meanwhile.
class GroupLink {
public:
    static constexpr std::int64_t kEnd = -1;

    explicit GroupLink(comm::CommView group) : group_(group) {}

    void send(std::int64_t unit) { pass_on(unit); }                 ///< rank 0
    [[nodiscard]] std::int64_t receive() { return pass_on(kEnd); }  ///< the others

private:
    std::int64_t pass_on(std::int64_t unit);
    comm::CommView group_;
};

}  // namespace mpira::train
