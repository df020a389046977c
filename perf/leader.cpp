// What the leader needs for a unit, and a message on its way: rank 0 runs the campaign's Leader and nothing
// else, the others answer each claim at once.
//
//   mpirun -n 4 build/release/perf/leader [UNITS]
//
// Prints {"units", "leader_us", "wall_us", "latency_us"}: CPU microseconds of the leader a unit (its claim
// out, its end in, its share of a commit's message), the same by the wall clock, and half a round trip of an
// empty claim, both sides spinning, median. Started by perf/scaling.py.
#include "schedule/leader.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/comm/communicator.hpp"
#include "mpira/comm/runtime.hpp"
#include "mpira/schedule/dispatcher.hpp"

#include "schedule/messages.hpp"
#include "timing.hpp"

namespace {

using namespace mpira;
using namespace mpira::schedule;
using perf::cpu_seconds, perf::seconds_of;

/// Seconds of half a round trip between ranks 0 and 1.
double latency_s(comm::CommView channel) {
    constexpr int kRounds = 3000;
    std::vector<double> seconds;
    Inbox<DownMessage> inbox(channel, 1 - channel.rank(), kToWorker);
    Outbox<DownMessage> outbox(channel, kToWorker);
    auto const wait = [&] {
        while (!inbox.poll()) {
        }
    };
    for (int round = 0; round < kRounds; ++round) {
        double const begin = seconds_of(CLOCK_MONOTONIC);
        if (channel.rank() == 0) {
            outbox.send(1, {});
            wait();
        } else {
            wait();
            outbox.send(0, {});
        }
        seconds.push_back((seconds_of(CLOCK_MONOTONIC) - begin) / 2);
    }
    while (!outbox.empty()) outbox.tidy();
    return perf::spread_of(std::move(seconds)).median;
}

/// A rank whose units take no time.
void work(comm::CommView channel) {
    constexpr std::uint64_t kUnitsACommit = 64;
    Inbox<DownMessage> claims(channel, 0, kToWorker);
    Inbox<DownMessage> last_word(channel, 0, kToCommitter);
    Outbox<UpMessage> outbox(channel, kToLeader);
    outbox.send(0, {.kind = Up::ready});
    std::uint64_t uncommitted = 0;
    auto const commit = [&] {
        if (uncommitted > 0) outbox.send(0, {.kind = Up::committed, .count = uncommitted});
        uncommitted = 0;
    };
    for (bool ended = false; !ended;) {
        auto const letter = claims.poll();
        if (!letter) continue;
        ended = letter->message.kind == Down::end;
        if (ended) break;
        outbox.send(0, {.kind = Up::finished, .unit = letter->message.unit, .count = 1, .seconds = 1e-6});
        if (++uncommitted == kUnitsACommit) commit();
    }
    commit();
    outbox.send(0, {.kind = Up::left});
    while (!last_word.poll() || !outbox.empty()) outbox.tidy();
}

}  // namespace

int main(int argc, char** argv) {
    return comm::run_main(argc, argv, [&] {
        auto const world = comm::Communicator::world();
        auto const units = static_cast<std::uint64_t>(argc > 1 ? std::atoll(argv[1]) : 200000);
        comm::everywhere(world, [&] {
            require(world.size() >= 2 && units >= 1, "usage: mpirun -n 2 (or more) leader [UNITS]");
        });
        auto const channel = world.duplicate();
        double const latency = world.rank() < 2 ? latency_s(channel) : 0;
        world.barrier();
        if (!world.is_root()) {
            work(channel);
            return 0;
        }
        std::vector<std::uint64_t> all(units);
        std::iota(all.begin(), all.end(), std::uint64_t{0});
        Dispatcher dispatcher(std::vector<float>(units, 1), all, {.ranks = world.size()});
        double const cpu = cpu_seconds();
        double const wall = seconds_of(CLOCK_MONOTONIC);
        Leader leader(channel, std::move(dispatcher), {.units = units, .ranks = world.size()}, {});
        {  // rank 0 has nothing to run
            Outbox<UpMessage> outbox(channel, kToLeader);
            outbox.send(0, {.kind = Up::left});
            while (!outbox.empty()) outbox.tidy();
        }
        Inbox<DownMessage> end(channel, 0, kToWorker);
        Inbox<DownMessage> last_word(channel, 0, kToCommitter);
        leader.join();
        double const per_unit = 1e6 / static_cast<double>(units);
        fmt::print("{{\"units\": {}, \"leader_us\": {:.3f}, \"wall_us\": {:.3f}, \"latency_us\": {:.3f}}}\n",
                   units, (cpu_seconds() - cpu) * per_unit, (seconds_of(CLOCK_MONOTONIC) - wall) * per_unit,
                   latency * 1e6);
        while (!end.poll()) {
        }
        while (!last_word.poll()) {
        }
        return 0;
    });
}
