#include "schedule/leader.hpp"

#include <algorithm>
#include <csignal>

#include <sys/prctl.h>

#include <fmt/format.h>
#include <pthread.h>

#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/comm/losses.hpp"
#include "mpira/comm/runtime.hpp"

#include "schedule/steady_time.hpp"

namespace mpira::schedule {
namespace {

constexpr double kHousekeepingEvery_s = 0.2;
constexpr double kHeartbeatEvery_s = 5;
/// The other ranks' last commit, before a rank that hangs takes them along.
constexpr double kLastCommit_s = 1;
/// A leader that slept longer than this was suspended, and so were the others, maybe: their time starts anew.
constexpr double kSuspended_s = 10;

}  // namespace

Leader::Leader(comm::CommView channel, Dispatcher dispatcher, ProgressReport start, Tasks tasks)
    : channel_(channel),
      dispatcher_(std::move(dispatcher)),
      progress_(start),
      tasks_(std::move(tasks)),
      ended_(static_cast<std::size_t>(channel.size())),
      left_(static_cast<std::size_t>(channel.size())),
      lost_(static_cast<std::size_t>(channel.size())),
      origin_s_(steady_s()),
      to_workers_(channel, kToWorker),
      to_committers_(channel, kToCommitter) {
    progress_.ranks = channel.size();
    thread_ = std::jthread([this](std::stop_token const& abandon) {
        try {
            run(abandon);
        } catch (...) {
            failure_ = std::current_exception();
            has_failed_ = true;
            tasks_.failed();
        }
    });
}

double Leader::now_s() const {
    return steady_s() - origin_s_;
}

void Leader::rethrow_failure() const {
    if (has_failed_) std::rethrow_exception(failure_);
}

LeaderReport Leader::join() {
    if (thread_.joinable()) thread_.join();
    rethrow_failure();
    return report_;
}

void Leader::run(std::stop_token const& abandon) {
    prctl(PR_SET_TIMERSLACK, 1000UL);  // ns: a sleep of 20 us shall not take 70
    Inbox<UpMessage> inbox(channel_, MPI_ANY_SOURCE, kToLeader);
    // 20 us when messages come thick (measured: spec/scheduling-peers.md 1), 1 ms in long silences.
    Patience patience(std::chrono::microseconds(20), std::chrono::microseconds(1000));
    while (ranks_left_ < channel_.size() && !abandon.stop_requested()) {
        bool any = false;
        while (auto const letter = inbox.poll()) {
            handle(letter->from, letter->message);
            hand_out();
            any = true;
        }
        if (inbox.take_loss()) mourn();
        end_if_all_run();
        to_workers_.tidy();
        if (now_s() >= next_housekeeping_s_) housekeeping(false);
        abort_if_hung(false);
        if (any) {
            patience.reset();
        } else if (ranks_left_ < channel_.size()) {
            patience.wait(leisure());
        }
    }
    if (abandon.stop_requested() && ranks_left_ < channel_.size()) return;
    abort_if_hung(true);
    report_.set_aside = dispatcher_.set_aside().size();
    report_.seconds = now_s();
    housekeeping(true);
    // The last word to each rank: nobody sends or expects anything after it.
    for (int rank = 0; rank < channel_.size(); ++rank)
        if (!lost_[static_cast<std::size_t>(rank)]) to_committers_.send(rank, {.kind = Down::end});
    while ((!to_workers_.empty() || !to_committers_.empty()) && !abandon.stop_requested()) {
        to_workers_.tidy();
        to_committers_.tidy();
        patience.wait();
    }
}

/// The dead: what they held or had not committed is handed out again.
void Leader::mourn() {
    for (int const rank : comm::lost_ranks(channel_)) {
        auto const at = static_cast<std::size_t>(rank);
        if (lost_[at]) continue;
        if (!tasks_.lost) throw Error(Origin::system, fmt::format("rank {} has died: the job ends", rank));
        lost_[at] = ended_[at] = true;
        auto const [running, how] = tasks_.lost(rank);
        auto const unit = dispatcher_.died(rank, now_s(), running, tasks_.on_disk);
        log::warning("{}; the other ranks go on ({} left)", how, dispatcher_.ranks_alive());
        if (unit) tasks_.set_aside(*unit, how);
        if (!left_[at]) ++ranks_left_;
        left_[at] = true;
        progress_.ranks = dispatcher_.ranks_alive();
    }
    hand_out();
}

std::chrono::microseconds Leader::leisure() const {
    if (!dispatcher_.hands_full()) return std::chrono::microseconds(0);
    return std::chrono::microseconds(static_cast<std::int64_t>(1e6 * usual_s_ / 10));
}

void Leader::handle(int rank, UpMessage const& message) {
    switch (message.kind) {
        case Up::ready:
            dispatcher_.ready(rank, now_s());
            return;
        case Up::finished:
            dispatcher_.finished(rank, message.unit, message.seconds, now_s());
            progress_.rows += message.count;
            for (auto const& faulty : dispatcher_.take_faulty())
                if (tasks_.faulty) tasks_.faulty(faulty);
            usual_s_ += 0.01 * (std::min(message.seconds, 1.0) - usual_s_);
            return;
        case Up::failed:
            dispatcher_.failed(rank, message.unit, now_s());
            return;
        case Up::committed:
            dispatcher_.committed(rank, message.count);
            return;
        case Up::stop:
            spread_stop(static_cast<comm::StopKind>(message.stop), message.signal);
            return;
        case Up::left:
            dispatcher_.left(rank);
            if (!left_[static_cast<std::size_t>(rank)]) ++ranks_left_;
            left_[static_cast<std::size_t>(rank)] = true;
            end(rank);
            return;
    }
}

void Leader::hand_out() {
    while (auto const claim = dispatcher_.next(now_s()))
        to_workers_.send(claim->rank, {.kind = Down::claim,
                                       .attempt = claim->attempt,
                                       .suspect = claim->suspect ? 1 : 0,
                                       .unit = claim->unit,
                                       .last = claim->last ? 1 : 0});
}

void Leader::end_if_all_run() {
    if (!dispatcher_.all_run()) return;
    for (int rank = 0; rank < channel_.size(); ++rank) end(rank);
}

void Leader::end(int rank) {
    auto const at = static_cast<std::size_t>(rank);
    if (ended_[at]) return;
    ended_[at] = true;
    to_workers_.send(rank, {.kind = Down::end});
}

void Leader::spread_stop(comm::StopKind kind, int signal) {
    if (kind <= report_.stopped) return;
    if (report_.stopped == comm::StopKind::none) {
        report_.signal = signal;
        log::warning("{}: committing what is finished, then leaving; run again to resume",
                     signal != 0 ? strsignal(signal) : "stop");
    }
    report_.stopped = kind;
    dispatcher_.stop();
    for (int rank = 0; rank < channel_.size(); ++rank)
        to_committers_.send(rank, {.kind = Down::stop, .stop = static_cast<std::int32_t>(kind)});
}

void Leader::watch(double now) {
    if (tasks_.unit_timeout_s <= 0 || !hung_.empty()) return;
    auto const longest = dispatcher_.longest_running();
    if (!longest) return;
    double const seconds = now - std::max(longest->since, awake_since_s_);
    if (seconds <= tasks_.unit_timeout_s) return;
    hung_ = tasks_.hung(*longest, seconds);
    abort_s_ = now + kLastCommit_s;
    spread_stop(comm::StopKind::now, 0);
}

void Leader::abort_if_hung(bool at_once) const {
    // Also when the rank has left after all, because it was asked to: its unit would hang again.
    if (!hung_.empty() && (at_once || now_s() >= abort_s_)) comm::abort_job({Origin::system, hung_, {}});
}

void Leader::housekeeping(bool last) {
    double const now = now_s();
    if (now > next_housekeeping_s_ + kSuspended_s) awake_since_s_ = now;
    next_housekeeping_s_ = now + kHousekeepingEvery_s;
    if (!last) watch(now);
    if (now >= next_heartbeat_s_) {
        next_heartbeat_s_ = now + kHeartbeatEvery_s;
        if (tasks_.heartbeat) tasks_.heartbeat();
    }
    progress_.done = progress_.done_before + dispatcher_.done();
    progress_.set_aside = dispatcher_.set_aside().size();
    progress_.seconds = now;
    progress_.left_s = dispatcher_.left_s(now).value_or(-1);
    progress_.last = last;
    if (tasks_.progress) tasks_.progress(progress_);
}

}  // namespace mpira::schedule
