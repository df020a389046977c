#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

#include "mpira/comm/communicator.hpp"

namespace mpira::train {

/// What a rank did when, in the first steps of a training: Chrome's trace format (JSON), which
/// https://ui.perfetto.dev and chrome://tracing show. One process a rank, one line a lane.
///
/// Times are of the monotonic clock since a barrier in the first begin_step(): ranks of one node share that
/// clock, those of others may be off by the barrier's duration. Threads: add() from any.
class Timeline {
public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::uint64_t kSteps = 20;  ///< recorded
    enum class Lane : int { compute = 0, sums = 1 };

    explicit Timeline(std::filesystem::path file) : file_(std::move(file)) {}

    void begin_step(comm::CommView comm);  ///< [collective]
    void add(Lane lane, std::string name, Clock::time_point from, Clock::time_point to);
    /// Writes the file once, as soon as kSteps are over, or `now`. [collective]
    void write(comm::CommView comm, bool now);

private:
    struct Span {
        Lane lane;
        std::string name;
        std::uint64_t step;
        Clock::time_point from;
        Clock::time_point to;
    };
    [[nodiscard]] std::string events(int rank);

    std::filesystem::path file_;
    Clock::time_point origin_ = Clock::now();
    std::uint64_t step_ = 0;
    bool written_ = false;
    std::mutex mutex_;
    std::vector<Span> spans_;
};

}  // namespace mpira::train
