#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include <signal.h>

#include "mpira/store/in_flight.hpp"

namespace mpira::schedule {

/// While it lives, a fatal signal or one that asks to end is noted in this rank's slot before it does what it
/// would have done anyhow: the handlers that were there before (Open MPI's stack trace, comm::StopSignals)
/// run next. Fatal ones are caught on a stack of their own on the constructing thread, so that a stack
/// overflow is noted too. One object a process at a time; made after StopSignals and gone before it.
class LastWords {
public:
    explicit LastWords(store::FlightSlot& slot);
    ~LastWords();
    LastWords(LastWords const&) = delete;
    LastWords& operator=(LastWords const&) = delete;

private:
    std::vector<std::byte> stack_;
    stack_t former_stack_{};
};

}  // namespace mpira::schedule
