#include "mpira/comm/stop.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cmath>

#include <fcntl.h>
#include <unistd.h>

#include <poll.h>

#include "mpira/base/error.hpp"

namespace mpira::comm {
namespace {

// What a signal handler can reach has to be static; only StopSignals touches it.
std::atomic<int> g_kind{0};
std::atomic<int> g_signal{0};
std::atomic<int> g_interrupts{0};
std::atomic<int> g_pipe{-1};
static_assert(std::atomic<int>::is_always_lock_free);

extern "C" void mpira_note_signal(int number) {
    int const errno_before = errno;
    if (number == SIGINT && g_interrupts.fetch_add(1) > 0) {
        std::signal(SIGINT, SIG_DFL);
        std::raise(SIGINT);
        return;
    }
    int const wanted = static_cast<int>(number == SIGUSR1 ? StopKind::gentle : StopKind::now);
    int seen = g_kind.load();
    while (seen < wanted && !g_kind.compare_exchange_weak(seen, wanted)) {
    }
    int none = 0;
    g_signal.compare_exchange_strong(none, number);
    char const byte = 1;
    int const pipe = g_pipe.load();
    if (pipe >= 0 && write(pipe, &byte, 1) < 0) {
        // The pipe is full: whoever waits on it will wake anyhow.
    }
    errno = errno_before;
}

void install(int number, struct sigaction& former) {
    struct sigaction action {};
    action.sa_handler = mpira_note_signal;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    if (sigaction(number, &action, &former) != 0) fail_errno("catching", "signals");
}

}  // namespace

StopSignals::StopSignals() {
    ensure(g_pipe.load() < 0, "two StopSignals at one time");
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC) != 0) fail_errno("opening", "a pipe for signals");
    pipe_read_ = ends[0];
    pipe_write_ = ends[1];
    g_kind = 0;
    g_signal = 0;
    g_interrupts = 0;
    g_pipe = pipe_write_;
    install(SIGUSR1, former_usr1_);
    install(SIGTERM, former_term_);
    install(SIGINT, former_int_);
}

StopSignals::~StopSignals() {
    sigaction(SIGUSR1, &former_usr1_, nullptr);
    sigaction(SIGTERM, &former_term_, nullptr);
    sigaction(SIGINT, &former_int_, nullptr);
    g_pipe = -1;
    close(pipe_write_);
    close(pipe_read_);
}

StopKind StopSignals::requested() const noexcept {
    return static_cast<StopKind>(g_kind.load());
}

int StopSignals::signal() const noexcept {
    return g_signal.load();
}

void StopSignals::wait(double timeout_s) noexcept {
    pollfd entry{pipe_read_, POLLIN, 0};
    int const milliseconds = static_cast<int>(std::ceil(std::clamp(timeout_s, 0.0, 3600.0) * 1000));
    if (poll(&entry, 1, milliseconds) <= 0) return;
    std::array<char, 64> bytes{};
    while (read(pipe_read_, bytes.data(), bytes.size()) > 0) {
    }
}

void StopSignals::wake() noexcept {
    char const byte = 0;
    if (write(pipe_write_, &byte, 1) < 0) {
        // Full: the waiter is about to wake already.
    }
}

}  // namespace mpira::comm
