#include "timeline.hpp"

#include <utility>

#include <nlohmann/json.hpp>

#include "mpira/base/whole_file.hpp"
#include "mpira/comm/runtime.hpp"

namespace mpira::train {

void Timeline::begin_step(comm::CommView comm) {
    if (step_++ > 0) return;
    comm.barrier();
    origin_ = Clock::now();
    // The barrier's own end differs from rank to rank; the clock of a node doesn't.
    auto const since_epoch = std::chrono::duration<double>(origin_.time_since_epoch()).count();
    auto const node = comm.on_this_node();
    auto const first = node.bcast_value(since_epoch);
    origin_ +=
        std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(first - since_epoch));
}

void Timeline::add(Lane lane, std::string name, Clock::time_point from, Clock::time_point to) {
    std::lock_guard const lock(mutex_);
    if (written_ || step_ > kSteps) return;
    spans_.push_back({lane, std::move(name), step_, from, to});
}

std::string Timeline::events(int rank) {
    auto const us = [](Clock::duration time) {
        return std::chrono::duration<double, std::micro>(time).count();
    };
    std::lock_guard const lock(mutex_);
    auto const name = [&](char const* what, int lane, std::string const& is) {
        return nlohmann::json{
            {"name", what}, {"ph", "M"}, {"pid", rank}, {"tid", lane}, {"args", {{"name", is}}}};
    };
    nlohmann::json all = nlohmann::json::array();
    all.push_back(name("process_name", 0, "rank " + std::to_string(rank) + " on " + comm::host_name()));
    all.push_back(name("thread_name", static_cast<int>(Lane::compute), "compute"));
    all.push_back(name("thread_name", static_cast<int>(Lane::sums), "sums over ranks"));
    for (auto const& span : spans_) {
        all.push_back({{"name", span.name},
                       {"ph", "X"},
                       {"pid", rank},
                       {"tid", static_cast<int>(span.lane)},
                       {"ts", us(span.from - origin_)},
                       {"dur", us(span.to - span.from)},
                       {"args", {{"step", span.step}}}});
    }
    return all.dump();
}

void Timeline::write(comm::CommView comm, bool now) {
    if (written_ || (step_ < kSteps && !now)) return;
    auto const parts = comm.gather(events(comm.rank()));
    {
        std::lock_guard const lock(mutex_);
        written_ = true;
        spans_.clear();
    }
    comm::everywhere(comm, [&] {
        if (!comm.is_root()) return;
        auto events = nlohmann::json::array();
        for (auto const& part : parts) {
            for (auto& event : nlohmann::json::parse(part)) events.push_back(std::move(event));
        }
        nlohmann::json const trace{{"displayTimeUnit", "ms"}, {"traceEvents", std::move(events)}};
        write_whole(file_, trace.dump() + "\n");
    });
}

}  // namespace mpira::train
