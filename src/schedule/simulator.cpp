#include "mpira/schedule/simulator.hpp"

#include <algorithm>
#include <deque>
#include <numeric>
#include <queue>
#include <set>

#include <fmt/format.h>

#include "mpira/base/error.hpp"

#include "schedule/simulator_event.hpp"

namespace mpira::schedule {
namespace {

using simulated::Event, simulated::Message, simulated::What;

/// The least a rank waits between commits, as in committer.cpp.
constexpr double kLeastBetweenCommits_s = 0.25;
/// What a run that ends leaves its ranks for a last commit (mpirun: SIGTERM, then SIGKILL).
constexpr double kLastCommit_s = 1;

struct VirtualRank {
    bool dead = false;
    std::deque<Claim> waiting;  ///< claims that have arrived; the front one is run
    bool running = false;
    double running_since = 0;
    double busy_s = 0;
    std::vector<std::uint64_t> uncommitted;  ///< in memory
    double oldest_s = 0;                     ///< when the first of them was finished
    std::vector<std::uint64_t> committing;
    bool end_heard = false;
};

class Simulation {
public:
    explicit Simulation(SimulationSetup const& setup)
        : setup_(setup),
          dispatcher_(setup.relative_cost, all_units(setup.seconds.size()),
                      {.ranks = setup.ranks,
                       .attempts = setup.attempts,
                       .prefetch = setup.prefetch,
                       .node_of = setup.node_of}),
          ranks_(static_cast<std::size_t>(setup.ranks)),
          computed_s_(setup.seconds.size()) {
        result_.runs.resize(setup.seconds.size());
        result_.commits.resize(setup.seconds.size());
    }

    SimulationResult run() {
        for (auto const& death : setup_.deaths)
            add({.time = death.at_s, .what = What::rank_dies, .rank = death.rank});
        start_run();
        while (!events_.empty() && (down_ || !dispatcher_.over())) {
            Event const event = events_.top();
            events_.pop();
            now_ = event.time;
            if (event.run == run_ || event.what == What::rank_dies) handle(event);
        }
        ensure(dispatcher_.over(), "the simulated campaign came to a halt before its end");
        finish();
        return std::move(result_);
    }

private:
    static std::vector<std::uint64_t> all_units(std::size_t count) {
        std::vector<std::uint64_t> units(count);
        std::iota(units.begin(), units.end(), std::uint64_t{0});
        return units;
    }

    VirtualRank& at(int rank) { return ranks_[static_cast<std::size_t>(rank)]; }
    [[nodiscard]] double slowness(int rank) const {
        return setup_.slowness.empty() ? 1.0 : setup_.slowness[static_cast<std::size_t>(rank)];
    }

    void add(Event event) {
        event.number = ++events_made_;
        event.run = run_;
        events_.push(event);
    }

    /// A message from a rank to the leader.
    void tell(Message message, Event event, double later_s = 0) {
        event.time = now_ + later_s + setup_.latency_s;
        event.what = What::message_arrives;
        event.message = message;
        ++result_.messages;
        add(event);
    }

    void start_run() {
        down_ = false;
        for (int rank = 0; rank < setup_.ranks; ++rank) {
            VirtualRank fresh;
            fresh.busy_s = at(rank).busy_s;
            at(rank) = std::move(fresh);
            tell(Message::ready, {.rank = rank}, setup_.start_s);
        }
    }

    /// The leader's next turn of one message: when it is over.
    double serve() {
        double const from = std::max(leader_free_s_, now_);
        result_.leader_longest_wait_s = std::max(result_.leader_longest_wait_s, from - now_);
        result_.leader_busy_s += setup_.service_s;
        return leader_free_s_ = from + setup_.service_s;
    }

    void handle(Event const& event) {
        switch (event.what) {
            case What::message_arrives: {
                double const served_s = serve();
                Event handled = event;
                handled.time = served_s;
                handled.what = What::message_handled;
                add(handled);
                return;
            }
            case What::message_handled:
                lead(event);
                return;
            case What::claim_arrives: {
                auto& rank = at(event.rank);
                if (rank.dead) return;
                rank.waiting.push_back({event.rank, event.unit, event.attempt});
                start_next(event.rank);
                return;
            }
            case What::unit_ends:
                unit_ends(event);
                return;
            case What::commit_starts:
                commit_starts(event.rank);
                return;
            case What::commit_ends:
                commit_ends(event.rank);
                return;
            case What::end_heard:
                at(event.rank).end_heard = true;
                commit_starts(event.rank);
                return;
            case What::run_restarts:
                start_run();
                return;
            case What::rank_dies:
                if (setup_.restart_s >= 0) {
                    end_run(event.rank);
                    return;
                }
                if (at(event.rank).dead) return;
                at(event.rank).dead = true;
                for (auto const unit : at(event.rank).uncommitted) result_.lost_s += computed_s_[unit];
                for (auto const unit : at(event.rank).committing) result_.lost_s += computed_s_[unit];
                stop_unit(at(event.rank));
                add({.time = now_ + setup_.detect_s, .what = What::death_heard, .rank = event.rank});
                return;
            case What::death_heard:
                dispatcher_.died(event.rank, now_);
                hand_out();
                return;
        }
    }

    void lead(Event const& event) {
        switch (event.message) {
            case Message::ready:
                dispatcher_.ready(event.rank, now_);
                break;
            case Message::finished:
                dispatcher_.finished(event.rank, event.unit, event.seconds, now_);
                break;
            case Message::failed:
                dispatcher_.failed(event.rank, event.unit, now_);
                break;
            case Message::committed:
                dispatcher_.committed(event.rank, event.count);
                break;
        }
        hand_out();
    }

    void hand_out() {
        while (auto const claim = dispatcher_.next(now_)) {
            ++result_.messages;
            add({.time = serve() + setup_.latency_s,
                 .what = What::claim_arrives,
                 .rank = claim->rank,
                 .unit = claim->unit,
                 .attempt = claim->attempt});
        }
        if (dispatcher_.all_run() && !end_told_) {
            for (int rank = 0; rank < setup_.ranks; ++rank) {
                ++result_.messages;
                add({.time = serve() + setup_.latency_s, .what = What::end_heard, .rank = rank});
            }
        }
        end_told_ = dispatcher_.all_run();
    }

    void start_next(int number) {
        auto& rank = at(number);
        if (rank.running || rank.waiting.empty()) return;
        rank.running = true;
        rank.running_since = now_;
        auto const claim = rank.waiting.front();
        bool const throws = setup_.fails && setup_.fails(claim.unit, claim.attempt, number);
        double const seconds = throws && setup_.failure_s >= 0
                                   ? setup_.failure_s
                                   : setup_.seconds[claim.unit] * slowness(number);
        add({.time = now_ + seconds,
             .what = What::unit_ends,
             .rank = number,
             .unit = claim.unit,
             .attempt = claim.attempt,
             .throws = throws,
             .seconds = seconds});
    }

    void unit_ends(Event const& event) {
        auto& rank = at(event.rank);
        if (rank.dead) return;
        rank.waiting.pop_front();
        rank.running = false;
        rank.busy_s += event.seconds;
        result_.makespan_s = now_;
        if (event.throws) {
            tell(Message::failed, event);
        } else {
            ++result_.runs[event.unit];
            computed_s_[event.unit] = event.seconds;
            if (rank.uncommitted.empty()) rank.oldest_s = now_;
            rank.uncommitted.push_back(event.unit);
            tell(Message::finished, event);
            if (rank.uncommitted.size() == 1 || rank.uncommitted.size() == setup_.commit_units)
                plan_commit(event.rank);
        }
        start_next(event.rank);
    }

    /// What ran when its rank, or all of them, ended.
    void stop_unit(VirtualRank& rank) {
        if (!rank.running) return;
        rank.running = false;
        rank.busy_s += now_ - rank.running_since;
        result_.lost_s += now_ - rank.running_since;
    }

    [[nodiscard]] double due_s(VirtualRank const& rank) const {
        if (rank.end_heard) return rank.oldest_s;
        bool const enough = rank.uncommitted.size() >= setup_.commit_units;
        double const wait_s =
            enough ? std::min(kLeastBetweenCommits_s, setup_.commit_every_s) : setup_.commit_every_s;
        return rank.oldest_s + wait_s;
    }

    void plan_commit(int number) {
        auto const& rank = at(number);
        if (rank.uncommitted.empty() || !rank.committing.empty()) return;
        add({.time = std::max(now_, due_s(rank)), .what = What::commit_starts, .rank = number});
    }

    /// When a commit of so many units that starts now will be safe.
    double write(std::size_t units) {
        double use_s = setup_.commits_per_s > 0 ? 1 / setup_.commits_per_s : 0;
        if (setup_.bytes_per_s > 0)
            use_s += static_cast<double>(units) * setup_.unit_bytes / setup_.bytes_per_s;
        result_.storage_busy_s += use_s;
        storage_free_s_ = std::max(storage_free_s_, now_) + use_s;
        double const safe_s = storage_free_s_ + setup_.commit_s;
        ++result_.commit_count;
        result_.commit_mean_s += safe_s - now_;  // divided at the end
        result_.commit_longest_s = std::max(result_.commit_longest_s, safe_s - now_);
        return safe_s;
    }

    void commit_starts(int number) {
        auto& rank = at(number);
        if (rank.dead || rank.uncommitted.empty() || !rank.committing.empty() || now_ < due_s(rank)) return;
        rank.committing.swap(rank.uncommitted);
        add({.time = write(rank.committing.size()), .what = What::commit_ends, .rank = number});
    }

    void commit_ends(int number) {
        auto& rank = at(number);
        if (rank.dead) return;
        for (auto const unit : rank.committing) ++result_.commits[unit];
        result_.end_s = now_;
        tell(Message::committed, {.rank = number, .count = rank.committing.size()});
        rank.committing.clear();
        plan_commit(number);
    }

    /// A death takes all ranks along.
    void end_run(int dead) {
        if (down_) return;
        ++result_.restarts;
        std::vector<std::uint64_t> suspects;
        if (at(dead).running) suspects.push_back(at(dead).waiting.front().unit);
        for (int number = 0; number < setup_.ranks; ++number) {
            auto& rank = at(number);
            stop_unit(rank);
            auto finished = std::move(rank.committing);  // those under way are written once more
            finished.insert(finished.end(), rank.uncommitted.begin(), rank.uncommitted.end());
            bool const writes = number != dead && !finished.empty();
            bool const in_time = writes && write(finished.size()) <= now_ + kLastCommit_s;
            for (auto const unit : finished) {
                if (in_time)
                    ++result_.commits[unit];
                else
                    result_.lost_s += computed_s_[unit];
            }
        }
        auto const set_aside = dispatcher_.set_aside();
        result_.set_aside.insert(result_.set_aside.end(), set_aside.begin(), set_aside.end());
        std::set<std::uint64_t> const never(result_.set_aside.begin(), result_.set_aside.end());
        std::vector<std::uint64_t> left;
        for (std::uint64_t unit = 0; unit < setup_.seconds.size(); ++unit)
            if (result_.commits[unit] == 0 && !never.contains(unit)) left.push_back(unit);
        dispatcher_ = Dispatcher(setup_.relative_cost, left,
                                 {.ranks = setup_.ranks,
                                  .attempts = setup_.attempts,
                                  .prefetch = setup_.prefetch,
                                  .suspects = std::move(suspects),
                                  .node_of = setup_.node_of});
        ++run_;
        down_ = true;
        end_told_ = false;
        leader_free_s_ = storage_free_s_ = 0;
        add({.time = now_ + setup_.restart_s, .what = What::run_restarts});
    }

    void finish() {
        auto const& set_aside = dispatcher_.set_aside();
        result_.set_aside.insert(result_.set_aside.end(), set_aside.begin(), set_aside.end());
        result_.end_s = std::max(result_.end_s, result_.makespan_s);
        if (result_.commit_count > 0) result_.commit_mean_s /= static_cast<double>(result_.commit_count);
        double speed = 0;
        double fastest = 0;
        int living = 0;
        for (int rank = 0; rank < setup_.ranks; ++rank) {
            speed += 1 / slowness(rank);
            fastest = std::max(fastest, 1 / slowness(rank));
            if (at(rank).dead) continue;
            ++living;
            result_.idle_s += std::max(0.0, result_.makespan_s - at(rank).busy_s);
        }
        result_.idle_s /= living;
        double const sum = std::accumulate(setup_.seconds.begin(), setup_.seconds.end(), 0.0);
        double const longest = *std::max_element(setup_.seconds.begin(), setup_.seconds.end());
        result_.ideal_s = std::max(sum / speed, longest / fastest);
    }

    SimulationSetup const& setup_;
    Dispatcher dispatcher_;
    std::vector<VirtualRank> ranks_;
    std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
    std::uint64_t events_made_ = 0;
    double now_ = 0;
    std::uint64_t run_ = 0;
    bool down_ = false;      ///< between a death and the restart
    bool end_told_ = false;  ///< all ranks know that everything is run
    double leader_free_s_ = 0;
    double storage_free_s_ = 0;
    std::vector<double> computed_s_;  ///< a unit: what its last run took
    SimulationResult result_;
};

void check(SimulationSetup const& setup) {
    require(setup.ranks > 0, "a simulation needs at least one rank");
    require(!setup.seconds.empty(), "a simulation needs at least one unit");
    require(setup.seconds.size() == setup.relative_cost.size(),
            fmt::format("{} units have seconds but {} have costs", setup.seconds.size(),
                        setup.relative_cost.size()));
    require(setup.slowness.empty() || setup.slowness.size() == static_cast<std::size_t>(setup.ranks),
            "slowness is given for another number of ranks");
    std::set<int> dead;
    for (auto const& death : setup.deaths) {
        require(death.rank >= 0 && death.rank < setup.ranks,
                fmt::format("there is no rank {} to die", death.rank));
        dead.insert(death.rank);
    }
    require(setup.restart_s >= 0 || dead.size() < static_cast<std::size_t>(setup.ranks),
            "all ranks die: nobody is left to finish");
}

}  // namespace

SimulationResult simulate(SimulationSetup const& setup) {
    check(setup);
    return Simulation(setup).run();
}

}  // namespace mpira::schedule
