#include "schedule/worker.hpp"

#include <bit>
#include <chrono>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"

#include "schedule/steady_time.hpp"

namespace mpira::schedule {
namespace {

/// A claim is there already, or its rank has nothing to do: then no hurry beyond the first moments.
Patience claim_patience() {
    return {std::chrono::microseconds(20), std::chrono::microseconds(1000)};
}

/// The end of a shorter unit is only noted when no other follows at once: a write less.
constexpr double kLongUnit_s = 0.01;

}  // namespace

Worker::Worker(comm::CommView channel, store::Job& job, Committer& committer, Leader* leader,
               store::FlightSlot& flight, std::string machine)
    : channel_(channel),
      job_(job),
      committer_(committer),
      leader_(leader),
      flight_(flight),
      machine_(std::move(machine)),
      inbox_(channel, 0, kToWorker),
      outbox_(channel, kToLeader) {}

void Worker::tell(UpMessage const& message) {
    outbox_.send(0, message);
}

void Worker::rethrow_failures() const {
    committer_.rethrow_failure();
    if (leader_ != nullptr) leader_->rethrow_failure();
}

DownMessage Worker::next_claim() {
    auto patience = claim_patience();
    while (true) {
        if (auto const letter = inbox_.poll()) return letter->message;
        flight_.end();
        outbox_.tidy();
        rethrow_failures();
        if (committer_.stop() != comm::StopKind::none) return {.kind = Down::stop};
        patience.wait();
    }
}

void Worker::run() {
    tell({.kind = Up::ready});
    bool ended = false;
    while (!ended && committer_.stop() == comm::StopKind::none) {
        auto const claim = next_claim();
        ended = claim.kind == Down::end;
        if (claim.kind == Down::claim) run_unit(claim);
    }
    flight_.end();
    committer_.finish();
    tell({.kind = Up::left});
    // Claims that were on their way when a stop came are given back by leaving.
    auto patience = claim_patience();
    while (!ended) {
        auto const letter = inbox_.poll();
        ended = letter && letter->message.kind == Down::end;
        if (!letter) patience.wait();
        rethrow_failures();
    }
    bool heard_end = false;  // it comes once; a send to this very process may be let go of later (MPICH)
    while (true) {
        outbox_.tidy();
        heard_end = heard_end || committer_.heard_end();
        if (heard_end && outbox_.empty()) return;
        rethrow_failures();
        patience.wait();
    }
}

void Worker::run_unit(DownMessage const& claim) {
    auto const unit = claim.unit;
    store::UnitReport report{
        .attempt = static_cast<std::uint16_t>(claim.attempt), .seconds = 0, .machine = machine_};
    committer_.mark_running(unit, report);

    store::UnitRows rows(job_.layout(), unit);
    std::optional<comm::Failure> failure;
    flight_.begin(unit, claim.suspect != 0);
    double const start_s = steady_s();
    try {
        job_.run(unit, rows, committer_.drop_token());
    } catch (...) {
        failure = comm::failure_of_current_exception();
    }
    report.seconds = steady_s() - start_s;
    if (failure || report.seconds >= kLongUnit_s) flight_.end();
    busy_s_ += report.seconds;
    rethrow_failures();

    if (!failure) {
        ++units_;
        tell({.kind = Up::finished, .unit = unit, .count = rows.row_count(), .seconds = report.seconds});
        committer_.add(std::move(rows), std::move(report));
        return;
    }
    if (failure->origin == Origin::stopped && committer_.drop_token().stop_requested()) return;  // dropped
    bool const last = claim.last != 0;
    ++failures_;
    // Of a rank whose device is gone, the first ten, and then fewer and fewer.
    if (last || failures_ <= 10 || std::has_single_bit(failures_))
        log::warning("unit {} (rows {} to {}) failed, {}: {}", unit, rows.first_row(),
                     rows.first_row() + rows.row_count() - 1, last ? "set aside" : "will be tried again",
                     failure->what);
    tell({.kind = Up::failed, .unit = unit, .seconds = report.seconds});
    if (last) committer_.add_failure(unit, std::move(report), failure->what);
}

}  // namespace mpira::schedule
