#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <queue>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "mpira/schedule/cost_model.hpp"
#include "mpira/schedule/failures.hpp"

namespace mpira::schedule {

/// A unit for a rank to run.
struct Claim {
    int rank = 0;
    std::uint64_t unit = 0;
    int attempt = 1;       ///< in this run; 2: it has failed or died once
    bool suspect = false;  ///< run in quarantine: no other suspect runs at this time
    bool last = false;     ///< if it fails, it is set aside

    friend bool operator==(Claim const&, Claim const&) = default;
};

struct DispatchOptions {
    int ranks = 1;
    int attempts = 2;      ///< a unit that fails this often, at ranks that Failures names, is set aside
    bool prefetch = true;  ///< let a rank hold its next unit before it has finished the present one
    /// Of the units to do those that may have ended their process before. They are run first, one after the
    /// other, all by the last living rank, while the other ranks run other units.
    std::vector<std::uint64_t> suspects = {};
    std::vector<int> node_of = {};  ///< a rank: its node, by any number; empty: one node
};

/// Decides which rank runs which unit next. A pure state machine: events and the time go in, claims come out;
/// no MPI, no clock, no threads. The campaign drives it with messages, the simulator with virtual time.
///
/// Longest predicted first. A rank holds at most two units: the one it runs and the next, so that it never
/// waits for an answer; only its first unit it runs with none behind it, until its speed is known. Near the
/// end, a unit is kept back instead of being put behind a running one: when the units that nobody holds,
/// spread over all ranks, would be gone before this rank comes to it.
///
/// A unit that failed is given to a rank that Failures names. A finished unit belongs to its rank until it is
/// committed: what a dead rank held or had not committed is handed out again.
///
/// Cost: O(log n) a claim in the worst case, O(1) where nothing fails; 8 bytes a unit. One thread.
class Dispatcher {
public:
    /// `relative_cost`: one positive number a unit; `to_do`: the units not done yet, each once, any order.
    Dispatcher(std::vector<float> relative_cost, std::vector<std::uint64_t> const& to_do,
               DispatchOptions options);

    // Events. `now` in seconds from any origin, never falling.
    void ready(int rank, double now);  ///< the rank asks for work for the first time
    void finished(int rank, std::uint64_t unit, double seconds, double now);
    /// True: the unit will be run again; false: it is set aside, as Claim::last said.
    bool failed(int rank, std::uint64_t unit, double now);
    /// Ranks that fail units which others finish (Failures::take_faulty).
    [[nodiscard]] std::vector<Failures::Faulty> take_faulty() { return failures_.take_faulty(); }
    /// The rank's oldest `count` finished units are on disk.
    void committed(int rank, std::uint64_t count);
    /// The rank is gone. The unit it was running is charged with an attempt, the others it held or had not
    /// committed are not. Returns that unit if it is set aside by this.
    std::optional<std::uint64_t> died(int rank, double now);
    /// The same where more is known of the rank than its messages told: the unit it was running (nothing: it
    /// ran none), and whether a finished unit is on disk although its commit was not reported.
    std::optional<std::uint64_t> died(int rank, double now, std::optional<std::uint64_t> running,
                                      std::function<bool(std::uint64_t)> const& on_disk);
    /// The rank leaves in good order, with everything it finished committed; what it holds is given back.
    void left(int rank);
    /// No further claims.
    void stop();

    /// The next claim to send now, or nothing. Call until nothing comes after each event.
    std::optional<Claim> next(double now);

    /// Nobody holds a unit and nothing is left to hand out (or stop() was called): ranks may be told to
    /// commit. A death before their commits ends this state again.
    [[nodiscard]] bool all_run() const noexcept;
    /// all_run(), and every finished unit is committed.
    [[nodiscard]] bool over() const noexcept { return all_run() && uncommitted_ == 0; }

    /// Every living rank holds its next unit too: nobody is waiting for an answer.
    [[nodiscard]] bool hands_full() const noexcept { return held_ == 2 * static_cast<std::uint64_t>(alive_); }

    [[nodiscard]] std::uint64_t done() const noexcept { return done_; }  ///< finished in this run
    [[nodiscard]] std::vector<std::uint64_t> const& set_aside() const noexcept { return set_aside_; }
    [[nodiscard]] int ranks_alive() const noexcept { return alive_; }
    [[nodiscard]] CostModel const& model() const noexcept { return model_; }
    /// What has been run longest without an end.
    struct Running {
        int rank = 0;
        std::uint64_t unit = 0;
        double since = 0;
    };
    [[nodiscard]] std::optional<Running> longest_running() const;
    /// Predicted seconds until all units are done, those that are run now by the ranks that run them; nothing
    /// before the first measurement.
    [[nodiscard]] std::optional<double> left_s(double now) const;

private:
    struct Rank {
        bool ready = false;
        bool gone = false;
        bool queued = false;     ///< in starving_ or prefetching_
        std::deque<Claim> held;  ///< front: running
        double running_since = 0;
        double slowness = 1;  ///< measured / predicted, fading mean
        int measured = 0;     ///< units it has finished, up to 1000
        std::deque<std::uint64_t> uncommitted;
    };

    Rank& at(int rank);
    [[nodiscard]] double predicted_s(std::uint64_t unit) const { return model_.seconds(cost_[unit]); }
    [[nodiscard]] std::uint64_t pending() const noexcept {
        return order_.size() - next_ + returned_.size() + suspects_.size();
    }
    [[nodiscard]] int quarantine_rank() const;
    void end_waits();
    void wake_idle();
    [[nodiscard]] bool worth_prefetching(Rank const& rank, std::uint64_t unit, double now) const;
    [[nodiscard]] std::optional<std::uint64_t> peek(int rank, bool fresh_only = false) const;
    void take(std::uint64_t unit);
    void give_back(std::uint64_t unit);
    Claim drop_held(Rank& rank, std::uint64_t unit, double now);
    bool charge(int rank, std::uint64_t unit, bool last);
    void want(int rank);

    DispatchOptions options_;
    std::vector<float> cost_;
    std::vector<std::uint32_t> order_;  ///< units to do, longest first; [0, next_) are handed out
    std::size_t next_ = 0;
    std::deque<std::uint64_t> suspects_;  ///< not handed out yet
    bool is_suspect_held_ = false;
    double pending_cost_ = 0;
    /// Units that came back, longest first.
    std::set<std::pair<float, std::uint64_t>, std::greater<>> returned_;
    Failures failures_;

    std::vector<Rank> ranks_;
    std::deque<int> starving_;
    std::deque<int> prefetching_;
    std::set<int> idle_;     ///< ready, hold nothing, got nothing
    std::set<int> waiting_;  ///< for the explanation of their failures
    CostModel model_;
    std::vector<std::uint64_t> set_aside_;
    std::uint64_t done_ = 0;
    std::uint64_t held_ = 0;
    std::uint64_t uncommitted_ = 0;
    int alive_ = 0;
    bool stopped_ = false;
};

}  // namespace mpira::schedule
