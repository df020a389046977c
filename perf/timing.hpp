#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include <time.h>

// What the programs here share: clocks, medians, and contenders that take turns.
namespace mpira::perf {

/// Seconds of CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, ...
inline double seconds_of(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// CPU seconds of the process, all threads: what to measure by where others use the machine too.
inline double cpu_seconds() {
    return seconds_of(CLOCK_PROCESS_CPUTIME_ID);
}

struct Spread {
    double median, least, most;
};

/// `values` must not be empty.
inline Spread spread_of(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return {values[values.size() / 2], values.front(), values.back()};
}

struct Contender {
    std::string name;
    std::function<void()> run;
    std::vector<double> seconds{};  ///< CPU seconds of each round
};

/// Runs the contenders in turn, once to warm up and then `rounds` times by the clock; `check` follows each
/// run, untimed.
inline void take_turns(
    std::vector<Contender>& contenders, int rounds,
    std::function<void(Contender const&)> const& check = [](Contender const&) {}) {
    for (int round = -1; round < rounds; ++round) {
        for (auto& contender : contenders) {
            double const begin = cpu_seconds();
            contender.run();
            double const seconds = cpu_seconds() - begin;
            if (round >= 0) contender.seconds.push_back(seconds);
            check(contender);
        }
    }
}

/// One's time over another's, of the same round.
inline Spread ratio(Contender const& above, Contender const& below) {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < above.seconds.size(); ++i)
        ratios.push_back(above.seconds[i] / below.seconds[i]);
    return spread_of(std::move(ratios));
}

}  // namespace mpira::perf
