#include "mpira/schedule/failures.hpp"

#include <algorithm>
#include <utility>

#include "mpira/base/error.hpp"

namespace mpira::schedule {
namespace {

constexpr int kUnexplained = 3;
constexpr int kUnexplainedOfMany = 30;
constexpr int kHopelessAtFirst = 3;
constexpr int kHopeless = 12;
constexpr int kFirstWords = 3;

bool is_told(int faults) {
    while (faults > kFirstWords && faults % 2 == 0) faults /= 2;
    return faults == kFirstWords;
}

}  // namespace

Failures::Failures(int ranks, std::vector<int> node_of)
    : node_of_(std::move(node_of)), ranks_(static_cast<std::size_t>(ranks)) {
    ensure(node_of_.empty() || node_of_.size() == ranks_.size(), "not one node a rank");
    for (int rank = 0; rank < ranks; ++rank) count(rank, 1);
}

int Failures::node_of(int rank) const {
    return node_of_.empty() ? 0 : node_of_[static_cast<std::size_t>(rank)];
}

bool Failures::is_beyond_hope(int rank) const {
    auto const& state = at(rank);
    return state.in_a_row >= (state.has_finished ? kHopeless : kHopelessAtFirst);
}

/// The rank counts (1), or no longer (-1).
void Failures::count(int rank, int more) {
    if (at(rank).is_gone) return;
    alive_ += more;
    if (!is_beyond_hope(rank)) hopeful_ += more;
    if (!is_sound(rank)) return;
    sound_ += more;
    auto const node = static_cast<std::size_t>(node_of(rank));
    if (node >= sound_of_node_.size()) sound_of_node_.resize(node + 1);
    sound_of_node_[node] += more;
}

template <typename Change>
void Failures::change(int rank, Change const& what) {
    count(rank, -1);
    what(ranks_[static_cast<std::size_t>(rank)]);
    count(rank, 1);
}

/// A failure of this rank has its explanation.
void Failures::explain(int rank) {
    --ranks_[static_cast<std::size_t>(rank)].unexplained;
    explained_.push_back(rank);
}

void Failures::finished(int rank, std::uint64_t unit) {
    auto const& state = at(rank);
    if (state.in_a_row > 0 || !state.has_finished)
        change(rank, [](Rank& own) {
            own.has_finished = true;
            own.in_a_row = own.faults = 0;
        });
    if (units_.empty()) return;
    auto const found = units_.find(unit);
    if (found == units_.end()) return;
    for (int const other : found->second.ranks) {
        explain(other);
        if (other == rank) continue;
        auto& blamed = ranks_[static_cast<std::size_t>(other)];
        if (is_told(++blamed.faults)) faulty_.push_back({other, blamed.faults});
    }
    units_.erase(found);
}

void Failures::failed(int rank, std::uint64_t unit) {
    change(rank, [](Rank& own) {
        ++own.in_a_row;
        ++own.unexplained;
    });
    units_[unit].ranks.push_back(rank);
}

void Failures::set_aside(std::uint64_t unit) {
    auto const found = units_.find(unit);
    ensure(found != units_.end(), "a unit is set aside that did not fail");
    for (int const rank : found->second.ranks) explain(rank);
    units_.erase(found);
}

void Failures::gone(int rank) {
    change(rank, [](Rank& own) { own.is_gone = true; });
}

int Failures::of(std::uint64_t unit) const {
    if (units_.empty()) return 0;
    auto const found = units_.find(unit);
    return found == units_.end() ? 0 : static_cast<int>(found->second.ranks.size());
}

int Failures::other_sound(int rank) const {
    return sound_ - (is_sound(rank) && !at(rank).is_gone ? 1 : 0);
}

bool Failures::must_wait(int rank) const {
    auto const& state = at(rank);
    if (state.in_a_row == 0) return false;
    if (sound_ == 0) return hopeful_ > 0 && is_beyond_hope(rank);
    if (state.faults > 0) return state.unexplained >= 1;
    return state.unexplained >= (2 * sound_ >= alive_ ? kUnexplained : kUnexplainedOfMany);
}

bool Failures::may_judge(int rank, std::uint64_t unit) const {
    auto const found = units_.find(unit);
    if (found == units_.end()) return true;
    int const last = found->second.ranks.back();
    if (other_sound(rank) == 0) {
        if (is_sound(rank)) return true;
        if (is_beyond_hope(rank) && hopeful_ > 0) return false;
        return rank != last || alive_ == 1;
    }
    if (!is_sound(rank) || rank == last) return false;
    bool const others_elsewhere = sound_ > sound_of_node_[static_cast<std::size_t>(node_of(last))];
    return node_of(rank) != node_of(last) || !others_elsewhere;
}

bool Failures::may_retry(int rank, std::uint64_t unit) const {
    auto const found = units_.find(unit);
    return found == units_.end() || found->second.ranks.back() != rank;
}

/// What must_wait asks of all ranks.
int Failures::regime() const {
    if (sound_ == 0) return hopeful_ > 0 ? 0 : 1;
    return 2 * sound_ >= alive_ ? 2 : 3;
}

Failures::Freed Failures::take_freed() {
    bool const is_another = std::exchange(last_regime_, regime()) != regime();
    return {is_another, std::exchange(explained_, {})};
}

std::vector<Failures::Faulty> Failures::take_faulty() {
    return std::exchange(faulty_, {});
}

}  // namespace mpira::schedule
