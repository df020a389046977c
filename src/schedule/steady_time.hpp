#pragma once

#include <chrono>

namespace mpira::schedule {

/// Seconds on a clock that no one sets; its zero means nothing.
inline double steady_s() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace mpira::schedule
