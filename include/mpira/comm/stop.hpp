#pragma once

#include <csignal>

namespace mpira::comm {

/// How a running job was asked to end.
enum class StopKind : int {
    none = 0,
    gentle = 1,  ///< SIGUSR1: finish or drop what is being computed, commit, leave with exit code 3
    now = 2      ///< SIGTERM, SIGINT: commit what is finished within 0.5 s, leave with exit code 3
};

/// Catches SIGUSR1, SIGTERM and SIGINT of this process while it lives, and puts the former handlers back.
///
/// The handlers only note the signal and write a byte into a pipe. A second SIGINT ends the process at once,
/// as if it had never been caught. One object a process at a time (a second one is our error). What one rank
/// has seen the others do not know: schedule passes it on through its leader, train by all_max at each step.
/// Threads: any may ask.
class StopSignals {
public:
    StopSignals();
    ~StopSignals();
    StopSignals(StopSignals const&) = delete;
    StopSignals& operator=(StopSignals const&) = delete;

    /// The strongest request so far. Lock-free.
    [[nodiscard]] StopKind requested() const noexcept;
    /// Number of the first signal seen, 0: none.
    [[nodiscard]] int signal() const noexcept;
    /// Sleeps until a signal has come that was not yet waited for, or wake() was called, or the time is over.
    /// One thread at a time.
    void wait(double timeout_s) noexcept;
    /// Ends the present or the next wait(). From any thread.
    void wake() noexcept;

private:
    int pipe_read_ = -1;
    int pipe_write_ = -1;
    struct sigaction former_usr1_ {};
    struct sigaction former_term_ {};
    struct sigaction former_int_ {};
};

}  // namespace mpira::comm
