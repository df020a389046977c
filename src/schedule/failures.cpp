#include "mpira/schedule/failures.hpp"

#include <algorithm>
#include <utility>

#include "mpira/base/error.hpp"

namespace mpira::schedule {
namespace {

constexpr int kUnexplained = 3;
constexpr int kFirstWords = 3;

bool is_told(int faults) {
    while (faults > kFirstWords && faults % 2 == 0) faults /= 2;
    return faults == kFirstWords;
}

}  // namespace

Failures::Failures(int ranks, std::vector<int> node_of)
    : node_of_(std::move(node_of)), ranks_(static_cast<std::size_t>(ranks)), alive_(ranks) {
    ensure(node_of_.empty() || node_of_.size() == ranks_.size(), "not one node a rank");
    for (int rank = 0; rank < ranks; ++rank) count(rank, 1);
}

int Failures::node_of(int rank) const {
    return node_of_.empty() ? 0 : node_of_[static_cast<std::size_t>(rank)];
}

/// One more sound rank, or less.
void Failures::count(int rank, int more) {
    auto const node = static_cast<std::size_t>(node_of(rank));
    if (node >= sound_of_node_.size()) sound_of_node_.resize(node + 1);
    sound_of_node_[node] += more;
    sound_ += more;
}

void Failures::finished(int rank, std::uint64_t unit) {
    auto& state = ranks_[static_cast<std::size_t>(rank)];
    if (state.in_a_row > 0 && !state.is_gone) count(rank, 1);
    state.in_a_row = state.faults = 0;
    if (units_.empty()) return;
    auto const found = units_.find(unit);
    if (found == units_.end()) return;
    for (int const other : found->second.ranks) {
        auto& blamed = ranks_[static_cast<std::size_t>(other)];
        --blamed.unexplained;
        if (other == rank) continue;
        if (is_told(++blamed.faults)) faulty_.push_back({other, blamed.faults});
    }
    units_.erase(found);
}

void Failures::failed(int rank, std::uint64_t unit) {
    auto& state = ranks_[static_cast<std::size_t>(rank)];
    if (state.in_a_row++ == 0 && !state.is_gone) count(rank, -1);
    ++state.unexplained;
    units_[unit].ranks.push_back(rank);
}

void Failures::set_aside(std::uint64_t unit) {
    auto const found = units_.find(unit);
    ensure(found != units_.end(), "a unit is set aside that did not fail");
    for (int const rank : found->second.ranks) --ranks_[static_cast<std::size_t>(rank)].unexplained;
    units_.erase(found);
}

void Failures::gone(int rank) {
    auto& state = ranks_[static_cast<std::size_t>(rank)];
    if (std::exchange(state.is_gone, true)) return;
    --alive_;
    if (state.in_a_row == 0) count(rank, -1);
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
    if (state.in_a_row == 0 || sound_ == 0) return false;
    return state.unexplained >= (state.faults > 0 ? 1 : kUnexplained);
}

bool Failures::may_judge(int rank, std::uint64_t unit) const {
    auto const found = units_.find(unit);
    if (found == units_.end()) return true;
    int const last = found->second.ranks.back();
    if (other_sound(rank) == 0) return is_sound(rank) || rank != last || alive_ == 1;
    if (!is_sound(rank) || rank == last) return false;
    bool const others_elsewhere = sound_ > sound_of_node_[static_cast<std::size_t>(node_of(last))];
    return node_of(rank) != node_of(last) || !others_elsewhere;
}

std::vector<Failures::Faulty> Failures::take_faulty() {
    return std::exchange(faulty_, {});
}

}  // namespace mpira::schedule
