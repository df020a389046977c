// How fast committed units reach one file, beside a plain pwrite of the same bytes to one preallocated file.
//
//   mpirun -n 4 build/release/perf/write [FOLDER] [PAIRS] [UNITS_A_RANK]
//
// Units of 1 MiB, batches of 64, one sync a batch for the plain writer; ours adds CRCs, obs/done, the journal
// and its sync. A round is each of plain, direct and mpiio, in drawn order; round 0 warms up. Prints
// medians over the rounds and the ratio of each to plain of the same round. Bar: the default mode at 0.85 of
// plain or more.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "mpira/base/philox.hpp"
#include "mpira/comm/communicator.hpp"
#include "mpira/comm/runtime.hpp"
#include "mpira/store/result_file.hpp"

#include "cli/bench_parts.hpp"
#include "timing.hpp"

namespace {

using namespace mpira;
using namespace mpira::store;

int run(int argc, char** argv) {
    auto const world = comm::Communicator::world();
    cli::WriteRace const bench(world, argc > 1 ? argv[1] : ".",
                               argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 128);
    int const rounds = argc > 2 ? std::atoi(argv[2]) : 7;
    std::array<std::vector<double>, 3> seconds;
    std::array<std::vector<double>, 3> ratios;
    for (int round = 0; round <= rounds; ++round) {
        std::array<double, 3> now{};
        std::array<std::size_t, 3> order{0, 1, 2};  // drawn, the same on every rank: who follows whom varies
        Draws draws(2, Stream::tests, static_cast<std::uint32_t>(round));
        for (std::size_t i = order.size() - 1; i > 0; --i) std::swap(order[i], order[draws.below(i + 1)]);
        for (std::size_t const which : order)
            now[which] =
                which == 0 ? bench.plain() : bench.ours(which == 1 ? WriteMode::direct : WriteMode::mpiio);
        if (round == 0) continue;
        for (std::size_t i = 0; i < now.size(); ++i) {
            seconds[i].push_back(now[i]);
            ratios[i].push_back(now[0] / now[i]);
        }
    }
    if (!world.is_root()) return 0;
    double const mib = bench.mib();
    std::printf("%d ranks, %.0f MiB, %d rounds\n%-8s %10s %16s %8s %8s\n", world.size(), mib, rounds,
                "writer", "MiB/s", "ratio to plain", "least", "most");
    std::array<char const*, 3> const names{"plain", "direct", "mpiio"};
    for (std::size_t i = 0; i < names.size(); ++i) {
        auto const [median, least, most] = perf::spread_of(ratios[i]);
        std::printf("%-8s %10.0f %16.3f %8.3f %8.3f\n", names[i], mib / perf::spread_of(seconds[i]).median,
                    median, least, most);
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    return mpira::comm::run_main(argc, argv, [&] { return run(argc, argv); });
}
