#include "schedule/blame.hpp"

#include <string>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/store/in_flight.hpp"

namespace mpira::schedule {
namespace {

using store::Blame;
using store::UnitState;

bool is_aside(store::ResultFile const& file, std::uint64_t unit) {
    if (file.states()[unit] != UnitState::failed) return false;
    auto const found = file.blamed().find(unit);
    return found != file.blamed().end() && found->second.charges >= store::kMostCharges;
}

Blame blame_of(store::ResultFile const& file, std::uint64_t unit) {
    auto const found = file.blamed().find(unit);
    return found == file.blamed().end() ? Blame{} : found->second;
}

/// Whether the unit is in the file and not done: what ended a run after its commit is not held against it.
bool is_open(store::ResultFile const& file, std::uint64_t unit) {
    return unit < file.states().size() && file.states()[unit] != UnitState::done;
}

/// The record is settled. Where it can't be deleted, so be it: create_flight() will tell.
void forget(std::filesystem::path const& result) {
    try {
        store::remove_flight(result);
    } catch (Error const& error) {
        log::warning("{}", error.what());
    }
}

/// True: it is set aside by this.
bool charge(store::ResultFile& file, std::uint64_t unit, std::string const& cause) {
    auto blame = blame_of(file, unit);
    ++blame.charges;
    blame.suspicion = Blame::suspect;
    file.set_blame(unit, blame, cause);
    if (blame.charges < store::kMostCharges) {
        log::warning("unit {} is charged with it ({} of {}); it is run once more, in quarantine", unit,
                     blame.charges, store::kMostCharges);
        return false;
    }
    auto const why = fmt::format("ended its process {} times, last: {}", blame.charges, cause);
    file.record_failure(unit, {.attempt = blame.charges, .seconds = 0, .machine = ""}, why);
    log::warning("unit {} is set aside: {}", unit, why);
    return true;
}

}  // namespace

bool settle_blame(store::ResultFile& file, std::filesystem::path const& result, int slots) {
    bool set_aside_now = false;
    if (auto const flight = store::read_flight(result)) {
        auto const blamed = store::judge(*flight);
        // Before the charges: a start that dies in the middle of this must not charge the same death twice.
        forget(result);
        log::warning("the last run did not end in good order: {}", blamed.cause);
        if (blamed.charged && is_open(file, *blamed.charged))
            set_aside_now = charge(file, *blamed.charged, blamed.cause);
        auto const suspect = [&](std::uint64_t unit, Blame::Suspicion suspicion) {
            auto blame = blame_of(file, unit);
            blame.suspicion = suspicion;
            file.set_blame(unit, blame, blamed.cause);
            if (suspicion == Blame::suspect)
                log::info("unit {} was in flight and is run in quarantine", unit);
        };
        for (auto const unit : blamed.suspects)
            if (is_open(file, unit)) suspect(unit, Blame::suspect);
        for (auto const unit : blamed.seen) {
            if (!is_open(file, unit)) continue;
            bool const before = blame_of(file, unit).suspicion != Blame::none;
            suspect(unit, before ? Blame::suspect : Blame::seen);
        }
    }
    auto const work = work_left(file);
    if (work.to_do.empty() && work.set_aside > 0 && !set_aside_now) {
        auto const blamed = file.blamed();  // a copy: it changes below
        for (auto const& [unit, blame] : blamed) {
            if (!is_aside(file, unit)) continue;
            log::info("unit {}, set aside because it ended its process, is tried anew", unit);
            file.set_blame(unit, {.charges = 0, .suspicion = Blame::suspect}, "");
        }
    }
    try {
        store::create_flight(result, slots);
        return true;
    } catch (Error const& error) {
        log::warning("{}: should this run die, nobody knows in which unit", error.what());
        return false;
    }
}

Work work_left(store::ResultFile const& file) {
    Work work;
    auto const states = file.states();
    for (std::uint64_t unit = 0; unit < states.size(); ++unit) {
        if (states[unit] == UnitState::done) {
            ++work.done;
        } else if (is_aside(file, unit)) {
            ++work.set_aside;
        } else {
            work.to_do.push_back(unit);  // those that threw too: a new start is a new chance
        }
    }
    for (auto const& [unit, blame] : file.blamed())
        if (blame.suspicion == Blame::suspect && !is_aside(file, unit)) work.suspects.push_back(unit);
    return work;
}

}  // namespace mpira::schedule
