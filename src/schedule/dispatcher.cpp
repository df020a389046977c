#include "mpira/schedule/dispatcher.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "mpira/base/error.hpp"

namespace mpira::schedule {
Dispatcher::Dispatcher(std::vector<float> relative_cost, std::vector<std::uint64_t> const& to_do,
                       DispatchOptions options)
    : options_(std::move(options)),
      cost_(std::move(relative_cost)),
      failures_(options_.ranks, options_.node_of),
      alive_(options_.ranks) {
    ensure(options_.ranks > 0 && options_.attempts > 0, "a dispatcher needs a rank and an attempt");
    ensure(cost_.size() <= std::numeric_limits<std::uint32_t>::max(), "more than 2^32 units");
    order_.reserve(to_do.size());
    std::set<std::uint64_t> const suspects(options_.suspects.begin(), options_.suspects.end());
    for (auto const unit : to_do) {
        ensure(unit < cost_.size(), fmt::format("unit {} of {}", unit, cost_.size()));
        float const cost = cost_[unit];
        ensure(cost > 0 && std::isfinite(cost), fmt::format("unit {} has the cost {}", unit, cost));
        if (suspects.contains(unit))
            suspects_.push_back(unit);
        else
            order_.push_back(static_cast<std::uint32_t>(unit));
        pending_cost_ += cost;
    }
    // Ties in unit order: neighbours share pages of the inputs.
    std::sort(order_.begin(), order_.end(), [&](std::uint32_t a, std::uint32_t b) {
        return cost_[a] > cost_[b] || (cost_[a] == cost_[b] && a < b);
    });
    ensure(std::adjacent_find(order_.begin(), order_.end()) == order_.end(), "a unit is to do twice");
    ranks_.resize(static_cast<std::size_t>(options_.ranks));
}

int Dispatcher::quarantine_rank() const {
    for (int rank = options_.ranks - 1; rank > 0; --rank)
        if (!ranks_[static_cast<std::size_t>(rank)].gone && !failures_.must_wait(rank)) return rank;
    return 0;
}

/// Ranks that waited for the explanation of their failures may go on.
void Dispatcher::end_waits() {
    if (waiting_.empty() && !failures_.has_explained()) return;
    auto const freed = failures_.take_freed();
    auto const end_wait = [&](int rank) {
        if (failures_.must_wait(rank) || waiting_.erase(rank) == 0) return;
        want(rank);
    };
    if (freed.all) {
        for (int const rank : std::vector(waiting_.begin(), waiting_.end())) end_wait(rank);
    } else {
        for (int const rank : freed.ranks) end_wait(rank);
    }
}

/// Whoever found nothing may find something now.
void Dispatcher::wake_idle() {
    if (pending() == 0) return;
    auto const waiting = std::move(idle_);
    idle_.clear();
    for (int const rank : waiting) want(rank);
}

Dispatcher::Rank& Dispatcher::at(int rank) {
    return ranks_.at(static_cast<std::size_t>(rank));
}

void Dispatcher::want(int rank) {
    auto& state = at(rank);
    if (state.queued || state.gone || !state.ready || stopped_) return;
    if (state.held.empty()) {
        starving_.push_back(rank);
    } else if (options_.prefetch && state.measured > 0 && failures_.is_sound(rank) &&
               state.held.size() == 1) {
        prefetching_.push_back(rank);
    } else {
        return;
    }
    state.queued = true;
    if (!idle_.empty()) idle_.erase(rank);
}

void Dispatcher::ready(int rank, double now) {
    auto& state = at(rank);
    if (state.gone) return;
    ensure(!state.ready, fmt::format("rank {} is ready twice", rank));
    state.ready = true;
    state.running_since = now;
    want(rank);
}

Claim Dispatcher::drop_held(Rank& rank, std::uint64_t unit, double now) {
    auto const place = std::find_if(rank.held.begin(), rank.held.end(),
                                    [&](Claim const& claim) { return claim.unit == unit; });
    ensure(place != rank.held.end(), "a unit is not held by the rank that ran it");
    auto const claim = *place;
    if (place == rank.held.begin())  // nearly always
        rank.held.pop_front();
    else
        rank.held.erase(place);
    rank.running_since = now;
    --held_;
    if (claim.suspect) {
        is_suspect_held_ = false;
        wake_idle();  // the next suspect may be for another rank
    }
    return claim;
}

void Dispatcher::finished(int rank, std::uint64_t unit, double seconds, double now) {
    auto& state = at(rank);
    if (state.gone) return;  // a message that was under way when the rank was declared dead
    drop_held(state, unit, now);
    double const predicted = predicted_s(unit);
    if (model_.has_learned() && predicted > 0) {
        double const ratio = std::clamp(seconds / predicted, 0.05, 20.0);
        state.slowness += (ratio - state.slowness) * std::max(0.1, 1.0 / (1.0 + state.measured));
    }
    state.measured = std::min(state.measured + 1, 1000);
    failures_.finished(rank, unit);
    end_waits();
    model_.learn(cost_[unit], seconds);
    ++done_;
    state.uncommitted.push_back(unit);
    ++uncommitted_;
    want(rank);
}

/// Counts a failure; whether the unit will be run again.
bool Dispatcher::charge(int rank, std::uint64_t unit, bool last) {
    failures_.failed(rank, unit);
    if (last) {
        set_aside_.push_back(unit);
        failures_.set_aside(unit);
        wake_idle();
    } else {
        give_back(unit);
    }
    end_waits();
    return !last;
}

bool Dispatcher::failed(int rank, std::uint64_t unit, double now) {
    auto& state = at(rank);
    if (state.gone) return true;
    bool const again = charge(rank, unit, drop_held(state, unit, now).last);
    want(rank);
    return again;
}

void Dispatcher::committed(int rank, std::uint64_t count) {
    auto& state = at(rank);
    if (state.gone) return;
    ensure(count <= state.uncommitted.size(), "more units committed than finished");
    state.uncommitted.erase(state.uncommitted.begin(),
                            state.uncommitted.begin() + static_cast<std::ptrdiff_t>(count));
    uncommitted_ -= count;
}

std::optional<std::uint64_t> Dispatcher::died(int rank, double now) {
    auto const& held = at(rank).held;
    auto const running = held.empty() ? std::nullopt : std::optional(held.front().unit);
    return died(rank, now, running, [](std::uint64_t) { return false; });
}

std::optional<std::uint64_t> Dispatcher::died(int rank, double now, std::optional<std::uint64_t> running,
                                              std::function<bool(std::uint64_t)> const& on_disk) {
    auto& state = at(rank);
    if (state.gone) return std::nullopt;
    std::optional<std::uint64_t> lost;
    auto const holds = [&](std::uint64_t unit) {
        return std::ranges::any_of(state.held, [&](Claim const& claim) { return claim.unit == unit; });
    };
    if (running && holds(*running)) {
        drop_held(state, *running, now);
        if (!charge(rank, *running, failures_.of(*running) + 1 >= options_.attempts)) lost = running;
    }
    for (auto const unit : state.uncommitted) {
        --uncommitted_;
        if (on_disk(unit)) continue;
        give_back(unit);
        --done_;
    }
    state.uncommitted.clear();
    left(rank);
    return lost;
}

void Dispatcher::left(int rank) {
    auto& state = at(rank);
    if (state.gone) return;
    uncommitted_ -= state.uncommitted.size();
    state.uncommitted.clear();
    state.gone = true;
    --alive_;
    failures_.gone(rank);
    for (auto const& claim : state.held) {
        if (claim.suspect) is_suspect_held_ = false;
        give_back(claim.unit);
    }
    held_ -= state.held.size();
    state.held.clear();
    idle_.erase(rank);
    waiting_.erase(rank);
    end_waits();
    wake_idle();  // suspects have a new rank to run on, and one that is alone now tries its own once more
}

void Dispatcher::stop() {
    stopped_ = true;
}

void Dispatcher::give_back(std::uint64_t unit) {
    returned_.emplace(cost_[unit], unit);
    pending_cost_ += cost_[unit];
    wake_idle();
}

std::optional<std::uint64_t> Dispatcher::peek(int rank, bool fresh_only) const {
    if (!suspects_.empty() && !is_suspect_held_ && rank == quarantine_rank()) return suspects_.front();
    std::optional<std::uint64_t> fresh;
    if (next_ < order_.size()) fresh = order_[next_];
    // Who has run none yet shows itself by a fresh one.
    bool const judges = !fresh_only && !(fresh && failures_.is_untried(rank));
    // Of the returned ones the longest that this rank may take.
    constexpr int kLookAt = 64;
    int looked = 0;
    for (auto const& [cost, unit] : returned_) {
        if (fresh && cost < cost_[*fresh]) break;
        if (failures_.of(unit) == 0) return unit;
        if (judges && (failures_.may_judge(rank, unit) ||
                       (!fresh && failures_.is_sound(rank) && failures_.may_retry(rank, unit))))
            return unit;
        if (++looked == kLookAt) break;
    }
    return fresh;
}

void Dispatcher::take(std::uint64_t unit) {
    if (!suspects_.empty() && suspects_.front() == unit) {
        suspects_.pop_front();
    } else if (next_ < order_.size() && order_[next_] == unit) {
        ++next_;
    } else {
        ensure(returned_.erase({cost_[unit], unit}) == 1, "a unit is handed out twice");
    }
    pending_cost_ -= cost_[unit];
}

bool Dispatcher::worth_prefetching(Rank const& rank, std::uint64_t unit, double now) const {
    if (alive_ == 1) return true;
    double const present_s = predicted_s(rank.held.front().unit) * rank.slowness - (now - rank.running_since);
    double const next_s = predicted_s(unit) * rank.slowness;
    double const others_s = model_.seconds(pending_cost_ - cost_[unit], pending() - 1) / alive_;
    return others_s >= std::max(present_s, 0.0) + next_s;
}

std::optional<Claim> Dispatcher::next(double now) {
    if (stopped_) return std::nullopt;
    auto const hand_out = [&](int rank, std::uint64_t unit, bool nobody_would = false) {
        auto& state = at(rank);
        bool const suspect = !suspects_.empty() && suspects_.front() == unit;
        if (suspect) is_suspect_held_ = true;
        take(unit);
        if (state.held.empty()) state.running_since = now;
        int const attempt = failures_.of(unit) + 1;
        bool const decides =
            attempt >= options_.attempts && (nobody_would || failures_.may_judge(rank, unit));
        Claim const claim{rank, unit, attempt, suspect, decides};
        state.held.push_back(claim);
        ++held_;
        want(rank);
        return claim;
    };
    while (!starving_.empty()) {
        int const rank = starving_.front();
        starving_.pop_front();
        at(rank).queued = false;
        if (at(rank).gone) continue;
        if (failures_.must_wait(rank)) {
            waiting_.insert(rank);
            continue;
        }
        if (auto const unit = peek(rank)) return hand_out(rank, *unit);
        idle_.insert(rank);
    }
    while (!prefetching_.empty()) {
        int const rank = prefetching_.front();
        prefetching_.pop_front();
        auto& state = at(rank);
        state.queued = false;
        if (state.gone) continue;
        if (state.held.empty()) {  // it finished meanwhile
            want(rank);
            return next(now);
        }
        auto const unit = peek(rank, true);
        if (!returned_.empty() && peek(rank) != unit) continue;  // one that failed is not put behind another
        if (unit && worth_prefetching(state, *unit, now)) return hand_out(rank, *unit);
    }
    if (held_ > 0 || returned_.empty() || idle_.empty()) return std::nullopt;
    // Nobody runs anything, and nobody would: the next best then.
    auto const unit = returned_.begin()->second;
    auto best = std::ranges::find_if(idle_, [&](int rank) { return failures_.is_sound(rank); });
    if (best == idle_.end())
        best = std::ranges::find_if(idle_, [&](int rank) { return failures_.may_retry(rank, unit); });
    int const rank = best != idle_.end() ? *best : *idle_.begin();
    idle_.erase(rank);
    return hand_out(rank, unit, true);
}

bool Dispatcher::all_run() const noexcept {
    return held_ == 0 && (stopped_ || pending() == 0);
}

std::optional<Dispatcher::Running> Dispatcher::longest_running() const {
    std::optional<Running> longest;
    for (int rank = 0; rank < options_.ranks; ++rank) {
        auto const& state = ranks_[static_cast<std::size_t>(rank)];
        if (state.gone || state.held.empty()) continue;
        if (!longest || state.running_since < longest->since)
            longest = Running{rank, state.held.front().unit, state.running_since};
    }
    return longest;
}

std::optional<double> Dispatcher::left_s(double now) const {
    if (!model_.has_learned() || alive_ == 0) return std::nullopt;
    double speed = 0;
    double in_flight_s = 0;
    double longest_s = 0;  // what a rank holds nobody else can run
    for (int number = 0; number < options_.ranks; ++number) {
        auto const& rank = ranks_[static_cast<std::size_t>(number)];
        if (rank.gone || !rank.ready || waiting_.contains(number)) continue;
        double own_s = 0;
        for (std::size_t i = 0; i < rank.held.size(); ++i) {
            double const elapsed = i == 0 ? (now - rank.running_since) / std::max(rank.slowness, 0.01) : 0;
            own_s += std::max(0.0, predicted_s(rank.held[i].unit) - elapsed);
        }
        speed += 1 / std::max(rank.slowness, 0.01);
        in_flight_s += own_s;
        longest_s = std::max(longest_s, own_s * rank.slowness);
    }
    if (speed <= 0) return std::nullopt;
    return std::max((model_.seconds(pending_cost_, pending()) + in_flight_s) / speed, longest_s);
}

}  // namespace mpira::schedule
