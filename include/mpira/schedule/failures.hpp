#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace mpira::schedule {

/// Whose fault it is that a unit failed: its own, or that of the rank (a device or mount that is gone, of one
/// rank or of all of a node). Ranks at fault fail within milliseconds, so they would be asked again and again
/// and take every unit; and units at fault must not keep sound ranks from working.
///
/// A rank is sound while its last unit did not fail; one that has run none yet counts as sound. A unit that
/// failed is run again by a sound rank, of another node if one is there, and set aside if it fails there too.
/// If it doesn't, its failure was the fault of the rank where it failed. Ranks that aren't sound get fresh
/// units only, and wait when too many of their failures are not explained: one after a fault, else three, or
/// thirty where most ranks aren't sound. Where none is, all are asked but those beyond hope, as long as there
/// is hope: that have failed three in a row and never finished one, or twelve.
///
/// A pure state machine, as the Dispatcher it belongs to. O(1) but for the ranks where a unit failed.
class Failures {
public:
    Failures(int ranks, std::vector<int> node_of);

    // Events.
    void finished(int rank, std::uint64_t unit);
    void failed(int rank, std::uint64_t unit);
    void set_aside(std::uint64_t unit);  ///< after failed(): no rank is to blame
    void gone(int rank);

    /// How often the unit has failed.
    [[nodiscard]] int of(std::uint64_t unit) const;
    [[nodiscard]] bool is_sound(int rank) const { return at(rank).in_a_row == 0; }
    /// The rank has run no unit to its end yet.
    [[nodiscard]] bool is_untried(int rank) const { return is_sound(rank) && !at(rank).has_finished; }
    /// Until some failures are explained, the rank gets no unit.
    [[nodiscard]] bool must_wait(int rank) const;
    /// Whether this rank is one to run a unit that failed before.
    [[nodiscard]] bool may_judge(int rank, std::uint64_t unit) const;
    /// Whether it could be run again here, for want of such a rank: it is not where it failed last.
    [[nodiscard]] bool may_retry(int rank, std::uint64_t unit) const;
    /// Who may no longer have to wait, since the last call: these, or all that do.
    struct Freed {
        bool all = false;
        std::vector<int> ranks;
    };
    [[nodiscard]] Freed take_freed();
    [[nodiscard]] bool has_explained() const { return !explained_.empty(); }  ///< since then

    struct Faulty {
        int rank = 0;
        int faults = 0;
    };
    /// Ranks whose faults in a row have become 3, 6, 12 and so on since the last call: for the log.
    [[nodiscard]] std::vector<Faulty> take_faulty();

private:
    struct Rank {
        bool is_gone = false;
        bool has_finished = false;
        int in_a_row = 0;     ///< failures, of any cause
        int unexplained = 0;  ///< units that failed here, neither finished elsewhere nor set aside
        int faults = 0;       ///< units since its last own that failed here and were finished elsewhere
    };
    struct Unit {
        std::vector<int> ranks;  ///< where it failed, in order
    };

    [[nodiscard]] Rank const& at(int rank) const { return ranks_[static_cast<std::size_t>(rank)]; }
    [[nodiscard]] int node_of(int rank) const;
    [[nodiscard]] int other_sound(int rank) const;
    [[nodiscard]] bool is_beyond_hope(int rank) const;
    [[nodiscard]] int regime() const;
    void count(int rank, int more);
    template <typename Change>
    void change(int rank, Change const& what);
    void explain(int rank);

    std::vector<int> node_of_;  ///< empty: one node
    std::vector<Rank> ranks_;
    std::vector<int> sound_of_node_;
    int sound_ = 0;
    int hopeful_ = 0;
    int last_regime_ = -1;
    std::vector<int> explained_;
    int alive_ = 0;
    std::unordered_map<std::uint64_t, Unit> units_;
    std::vector<Faulty> faulty_;
};

}  // namespace mpira::schedule
