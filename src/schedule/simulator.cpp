#include "mpira/schedule/simulator.hpp"

#include <algorithm>
#include <deque>
#include <numeric>
#include <queue>
#include <set>

#include <fmt/format.h>

#include "mpira/base/error.hpp"

namespace mpira::schedule {
namespace {

enum class What {
    message_arrives,  ///< at the leader, who may be busy
    message_handled,  ///< by the leader
    claim_arrives,    ///< at a rank
    unit_ends,        ///< on a rank
    commit_starts,    ///< on a rank
    commit_ends,      ///< on a rank: safe, and the leader is told
    rank_dies,
    death_heard  ///< by the leader
};

enum class Message { ready, finished, failed, committed };

struct Event {
    double time = 0;
    std::uint64_t number = 0;  ///< equal times in order of making
    What what = What::message_arrives;
    Message message = Message::ready;
    int rank = 0;
    std::uint64_t unit = 0;
    int attempt = 0;
    double seconds = 0;
    std::uint64_t count = 0;

    bool operator>(Event const& other) const {
        return time > other.time || (time == other.time && number > other.number);
    }
};

struct VirtualRank {
    bool dead = false;
    std::deque<Claim> waiting;  ///< claims that have arrived; the front one is run
    bool running = false;
    double idle_since = 0;
    double idle_s = 0;
    std::vector<std::uint64_t> uncommitted;  ///< in memory
    std::vector<std::uint64_t> committing;
    bool commit_planned = false;
};

class Simulation {
public:
    explicit Simulation(SimulationSetup const& setup)
        : setup_(setup),
          dispatcher_(setup.relative_cost, all_units(setup.seconds.size()),
                      {.ranks = setup.ranks, .attempts = setup.attempts, .prefetch = setup.prefetch}),
          ranks_(static_cast<std::size_t>(setup.ranks)) {
        result_.runs.resize(setup.seconds.size());
        result_.commits.resize(setup.seconds.size());
    }

    SimulationResult run() {
        for (auto const& death : setup_.deaths)
            add({.time = death.at_s, .what = What::rank_dies, .rank = death.rank});
        for (int rank = 0; rank < setup_.ranks; ++rank) tell(Message::ready, {.rank = rank});
        while (!events_.empty() && !dispatcher_.over()) {
            Event const event = events_.top();
            events_.pop();
            now_ = event.time;
            handle(event);
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
        events_.push(event);
    }

    /// A message from a rank to the leader.
    void tell(Message message, Event event) {
        event.time = now_ + setup_.latency_s;
        event.what = What::message_arrives;
        event.message = message;
        ++result_.messages;
        add(event);
    }

    void handle(Event const& event) {
        switch (event.what) {
            case What::message_arrives: {
                leader_free_s_ = std::max(leader_free_s_, now_) + setup_.service_s;
                Event handled = event;
                handled.time = leader_free_s_;
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
            case What::rank_dies:
                at(event.rank).dead = true;
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
            leader_free_s_ = std::max(leader_free_s_, now_) + setup_.service_s;
            ++result_.messages;
            add({.time = leader_free_s_ + setup_.latency_s,
                 .what = What::claim_arrives,
                 .rank = claim->rank,
                 .unit = claim->unit,
                 .attempt = claim->attempt});
        }
    }

    void start_next(int number) {
        auto& rank = at(number);
        if (rank.running || rank.waiting.empty()) return;
        rank.running = true;
        rank.idle_s += now_ - rank.idle_since;
        auto const claim = rank.waiting.front();
        double const seconds = setup_.seconds[claim.unit] * slowness(number);
        add({.time = now_ + seconds,
             .what = What::unit_ends,
             .rank = number,
             .unit = claim.unit,
             .attempt = claim.attempt,
             .seconds = seconds});
    }

    void unit_ends(Event const& event) {
        auto& rank = at(event.rank);
        if (rank.dead) return;
        rank.waiting.pop_front();
        rank.running = false;
        rank.idle_since = now_;
        result_.makespan_s = now_;
        if (setup_.fails && setup_.fails(event.unit, event.attempt, event.rank)) {
            tell(Message::failed, event);
        } else {
            ++result_.runs[event.unit];
            rank.uncommitted.push_back(event.unit);
            tell(Message::finished, event);
            if (!rank.commit_planned) {
                rank.commit_planned = true;
                add({.time = now_ + setup_.commit_every_s, .what = What::commit_starts, .rank = event.rank});
            }
        }
        start_next(event.rank);
    }

    void commit_starts(int number) {
        auto& rank = at(number);
        if (rank.dead) return;
        rank.committing = std::move(rank.uncommitted);
        rank.uncommitted.clear();
        add({.time = now_ + setup_.commit_s, .what = What::commit_ends, .rank = number});
    }

    void commit_ends(int number) {
        auto& rank = at(number);
        if (rank.dead) return;
        for (auto const unit : rank.committing) ++result_.commits[unit];
        tell(Message::committed, {.rank = number, .count = rank.committing.size()});
        rank.commit_planned = !rank.uncommitted.empty();
        if (rank.commit_planned)
            add({.time = now_ + setup_.commit_every_s, .what = What::commit_starts, .rank = number});
    }

    void finish() {
        result_.set_aside = dispatcher_.set_aside();
        double speed = 0;
        double fastest = 0;
        int living = 0;
        for (int rank = 0; rank < setup_.ranks; ++rank) {
            speed += 1 / slowness(rank);
            fastest = std::max(fastest, 1 / slowness(rank));
            if (at(rank).dead) continue;
            ++living;
            result_.idle_s += at(rank).idle_s + std::max(0.0, result_.makespan_s - at(rank).idle_since);
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
    double leader_free_s_ = 0;
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
    require(dead.size() < static_cast<std::size_t>(setup.ranks), "all ranks die: nobody is left to finish");
}

}  // namespace

SimulationResult simulate(SimulationSetup const& setup) {
    check(setup);
    return Simulation(setup).run();
}

}  // namespace mpira::schedule
