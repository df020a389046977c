#include "schedule/committer.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "mpira/base/log.hpp"

#include "schedule/steady_time.hpp"

namespace mpira::schedule {
namespace {

/// How often the leader's word is looked for. With the local pipe for signals it bounds how late a rank hears
/// of a stop: well below the 0.5 s that SIGTERM leaves.
constexpr double kListenEvery_s = 0.05;

/// The limit by units is meant for units of a second; of tiny ones a quarter of a second's is kept together,
/// which costs less than the syncs it saves.
constexpr double kLeastBetweenCommits_s = 0.25;

}  // namespace

Committer::Committer(comm::CommView channel, store::ResultFile& file, comm::StopSignals& signals,
                     CommitCadence cadence)
    : channel_(channel),
      file_(file),
      signals_(signals),
      cadence_(cadence),
      inbox_(channel, 0, kToCommitter),
      outbox_(channel, kToLeader) {
    thread_ = std::jthread([this](std::stop_token const& end) {
        try {
            run(end);
        } catch (...) {
            {
                std::lock_guard const lock(mutex_);
                failure_ = std::current_exception();
                has_failed_ = true;
            }
            room_.notify_all();
            drop_.request_stop();
        }
    });
}

Committer::~Committer() {
    thread_.request_stop();
    signals_.wake();
}

void Committer::rethrow_failure() const {
    if (has_failed_) std::rethrow_exception(failure_);
}

void Committer::mark_running(std::uint64_t unit, store::UnitReport const& report) {
    std::unique_lock lock(file_mutex_, std::defer_lock);
    if (cadence_.one_at_a_time) lock.lock();
    file_.mark_running(unit, report);
}

void Committer::add(store::UnitRows rows, store::UnitReport report) {
    bool now = false;
    {
        std::unique_lock lock(mutex_);
        room_.wait(lock, [&] { return bytes_ <= 2 * cadence_.bytes || has_failed_; });
        rethrow_failure();
        if (finished_.empty()) oldest_s_ = steady_s();
        bytes_ += rows.byte_count();
        finished_.push_back({std::move(rows), std::move(report)});
        now = enough();
    }
    if (now) signals_.wake();
}

void Committer::add_failure(std::uint64_t unit, store::UnitReport report, std::string error) {
    {
        std::lock_guard const lock(mutex_);
        failed_.push_back({unit, std::move(report), std::move(error), false});
    }
    signals_.wake();
}

void Committer::add_deadly(std::uint64_t unit, std::string error) {
    {
        std::lock_guard const lock(mutex_);
        failed_.push_back(
            {unit, {.attempt = store::kMostCharges, .seconds = 0, .machine = ""}, std::move(error), true});
    }
    signals_.wake();
}

void Committer::finish() {
    thread_.request_stop();
    signals_.wake();
    if (thread_.joinable()) thread_.join();
    rethrow_failure();
}

bool Committer::heard_end() {
    auto const letter = inbox_.poll();
    return letter && letter->message.kind == Down::end;
}

void Committer::run(std::stop_token const& end) {
    while (!end.stop_requested()) {
        signals_.wait(sleep_s());
        listen();
        if (due()) commit_all();
    }
    commit_all();
    while (!outbox_.empty()) {
        outbox_.tidy();
        std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
}

void Committer::listen() {
    if (auto const seen = signals_.requested(); seen > told_) {
        told_ = seen;
        outbox_.send(
            0, {.kind = Up::stop, .stop = static_cast<std::int32_t>(seen), .signal = signals_.signal()});
        heed(seen);
    }
    while (auto const letter = inbox_.poll())
        if (letter->message.kind == Down::stop) heed(static_cast<comm::StopKind>(letter->message.stop));
    if (gentle_until_s_ > 0 && steady_s() >= gentle_until_s_) drop_.request_stop();
    outbox_.tidy();
}

void Committer::heed(comm::StopKind kind) {
    if (static_cast<int>(kind) <= stop_) return;
    stop_ = static_cast<int>(kind);
    if (kind == comm::StopKind::gentle) {
        gentle_until_s_ = steady_s() + cadence_.gentle_s;
    } else {
        drop_.request_stop();
        commit_all();
    }
}

double Committer::sleep_s() {
    std::lock_guard const lock(mutex_);
    if (finished_.empty()) return kListenEvery_s;
    return std::clamp(oldest_s_ + cadence_.seconds - steady_s(), 0.0, kListenEvery_s);
}

bool Committer::enough() const {
    return bytes_ >= cadence_.bytes ||
           (finished_.size() >= cadence_.units && steady_s() - oldest_s_ >= kLeastBetweenCommits_s);
}

bool Committer::due() {
    std::lock_guard const lock(mutex_);
    if (!failed_.empty()) return true;
    if (finished_.empty()) return false;
    return stop() == comm::StopKind::now || enough() || steady_s() - oldest_s_ >= cadence_.seconds;
}

void Committer::commit_all() {
    std::vector<Finished> finished;
    std::vector<Failed> failed;
    {
        std::lock_guard const lock(mutex_);
        finished.swap(finished_);
        failed.swap(failed_);
    }
    if (finished.empty() && failed.empty()) return;
    double const start_s = steady_s();
    std::unique_lock file_lock(file_mutex_, std::defer_lock);
    if (cadence_.one_at_a_time) file_lock.lock();
    if (!finished.empty()) {
        std::vector<store::FinishedUnit> units;
        units.reserve(finished.size());
        std::uint64_t bytes = 0;
        for (auto& one : finished) {
            bytes += one.rows.byte_count();
            units.push_back({&one.rows, std::move(one.report)});
        }
        file_.commit(units);
        committed_ += units.size();
        finished.clear();
        {
            std::lock_guard const lock(mutex_);
            bytes_ -= bytes;
        }
        room_.notify_all();
        outbox_.send(0, {.kind = Up::committed, .count = units.size()});
    }
    for (auto const& one : failed) {
        if (one.deadly)
            file_.set_blame(one.unit, {.charges = store::kMostCharges, .suspicion = store::Blame::suspect},
                            one.error);
        file_.record_failure(one.unit, one.report, one.error);
    }
    commit_s_ += steady_s() - start_s;
}

}  // namespace mpira::schedule
