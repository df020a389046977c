#include "mpira/train/window_plan.hpp"

#include <algorithm>
#include <deque>

#include "mpira/base/error.hpp"
#include "mpira/base/philox.hpp"

namespace mpira::train {

WindowPlan::WindowPlan(genome::RegionColumns const& regions, std::span<std::uint32_t const> chosen,
                       std::vector<genome::PlaceRange> runs, std::uint64_t window, std::int64_t max_span_bp)
    : runs_(std::move(runs)), window_(window), too_wide_(chosen.size(), false) {
    ensure(window_ > 0, "a window without regions");
    for (auto const [a, z] : runs_) {
        ensure(a < z && z <= chosen.size(), "a run outside the chosen rows");
        // Regions may overlap: the last end of a window is the furthest of its places, kept in a queue whose
        // ends fall.
        std::deque<std::uint64_t> furthest;
        auto const length = std::min(window_, z - a);
        for (auto place = a; place < z; ++place) {
            auto const end = regions.end[chosen[place]];
            while (!furthest.empty() && regions.end[chosen[furthest.back()]] <= end) furthest.pop_back();
            furthest.push_back(place);
            if (place + 1 < a + length) continue;
            auto const first = place + 1 - length;
            while (furthest.front() < first) furthest.pop_front();
            too_wide_[first] =
                regions.end[chosen[furthest.front()]] - regions.start[chosen[first]] > max_span_bp;
        }
    }
}

std::vector<genome::PlaceRange> WindowPlan::in_order(std::uint64_t seed, std::uint32_t epoch) const {
    std::vector<genome::PlaceRange> windows;
    auto const add = [&](std::uint64_t first, std::uint64_t end) {
        if (!too_wide_[first]) windows.push_back({first, end});
    };
    for (std::size_t run = 0; run < runs_.size(); ++run) {
        auto const [a, z] = runs_[run];
        if (z - a <= window_) {
            add(a, z);
            continue;
        }
        // Word 0 of (epoch, 0) is the shuffle's; offsets are drawn from streams of their own.
        Draws draws(seed, Stream::train_order, epoch, static_cast<std::uint32_t>(run) + 1);
        auto last = a;
        add(a, a + window_);
        for (auto at = a + draws.below(window_); at + window_ <= z; at += window_) {
            if (at != last) add(at, at + window_);
            last = at;
        }
        if (last != z - window_) add(z - window_, z);
    }
    return windows;
}

std::vector<genome::PlaceRange> WindowPlan::epoch(std::uint64_t seed, std::uint32_t epoch) const {
    auto windows = in_order(seed, epoch);
    Draws draws(seed, Stream::train_order, epoch, 0);
    for (std::uint64_t left = windows.size(); left > 1; --left) {  // Fisher and Yates
        std::swap(windows[left - 1], windows[draws.below(left)]);
    }
    return windows;
}

std::uint64_t WindowPlan::steps(std::uint64_t seed, std::uint32_t epoch, std::uint64_t batch) const {
    return (in_order(seed, epoch).size() + batch - 1) / batch;
}

std::vector<genome::PlaceRange> scoring_chunks(std::span<genome::PlaceRange const> runs,
                                               std::uint64_t window) {
    ensure(window > 0, "a window without regions");
    std::vector<genome::PlaceRange> chunks;
    for (auto const [a, z] : runs) {
        if (z - a <= window) {
            chunks.push_back({a, z});
            continue;
        }
        auto at = a;
        for (; at + window <= z; at += window) chunks.push_back({at, at + window});
        if (at < z) chunks.push_back({z - window, z});
    }
    return chunks;
}

genome::PlaceRange part_of(std::uint64_t total, int rank, int size) {
    ensure(rank >= 0 && rank < size, "a rank outside its communicator");
    auto const r = static_cast<std::uint64_t>(rank);
    auto const n = static_cast<std::uint64_t>(size);
    return {total * r / n, total * (r + 1) / n};
}

}  // namespace mpira::train
