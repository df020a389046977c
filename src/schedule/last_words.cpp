#include "schedule/last_words.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "mpira/base/error.hpp"

namespace mpira::schedule {
namespace {

constexpr std::array kFatal{SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL};
constexpr std::array kStopping{SIGTERM, SIGUSR1, SIGINT};
constexpr std::size_t kStackBytes = std::size_t{64} << 10U;

// What a signal handler can reach has to be static; only LastWords touches it.
std::atomic<store::FlightSlot*> g_slot{nullptr};
std::array<struct sigaction, 65> g_former{};
static_assert(std::atomic<store::FlightSlot*>::is_always_lock_free);

void call(struct sigaction const& former, int number, siginfo_t* info, void* context) {
    if ((former.sa_flags & SA_SIGINFO) != 0) {
        former.sa_sigaction(number, info, context);
    } else if (former.sa_handler != SIG_DFL && former.sa_handler != SIG_IGN) {
        former.sa_handler(number);
    }
}

extern "C" void mpira_last_words(int number, siginfo_t* info, void* context) {
    int const errno_before = errno;
    bool const fatal = std::find(kFatal.begin(), kFatal.end(), number) != kFatal.end();
    if (auto* const slot = g_slot.load())
        slot->note(fatal ? store::EndKind::fatal : store::EndKind::stopped, number);
    auto const& former = g_former.at(static_cast<std::size_t>(number));
    if (fatal) {
        ::sigaction(number, &former, nullptr);
        // A fault comes again when we return, with all its details; a signal that was sent has to be sent
        // again.
        if (info->si_code <= 0) ::raise(number);
    } else {
        call(former, number, info, context);
    }
    errno = errno_before;
}

void install(int number, int flags) {
    struct sigaction action {};
    action.sa_sigaction = mpira_last_words;
    action.sa_flags = SA_SIGINFO | flags;
    sigemptyset(&action.sa_mask);
    if (::sigaction(number, &action, &g_former.at(static_cast<std::size_t>(number))) != 0)
        fail_errno("catching", "signals");
}

}  // namespace

LastWords::LastWords(store::FlightSlot& slot) : stack_(kStackBytes) {
    ensure(g_slot.load() == nullptr, "two LastWords at one time");
    stack_t stack{};
    stack.ss_sp = stack_.data();
    stack.ss_size = stack_.size();
    if (::sigaltstack(&stack, &former_stack_) != 0) fail_errno("setting", "a stack for signals");
    g_slot = &slot;
    for (int const number : kFatal) install(number, SA_ONSTACK);
    for (int const number : kStopping) install(number, SA_RESTART);
}

LastWords::~LastWords() {
    for (int const number : kFatal)
        ::sigaction(number, &g_former.at(static_cast<std::size_t>(number)), nullptr);
    for (int const number : kStopping)
        ::sigaction(number, &g_former.at(static_cast<std::size_t>(number)), nullptr);
    g_slot = nullptr;
    ::sigaltstack(&former_stack_, nullptr);
}

}  // namespace mpira::schedule
