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
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include <fcntl.h>
#include <mpi.h>
#include <unistd.h>

#include "mpira/base/error.hpp"
#include "mpira/base/philox.hpp"
#include "mpira/comm/communicator.hpp"
#include "mpira/comm/runtime.hpp"
#include "mpira/store/file_io.hpp"
#include "mpira/store/result_file.hpp"

namespace {

using namespace mpira;
using namespace mpira::store;

constexpr std::uint64_t kUnitBytes = 1 << 20;
constexpr std::size_t kBatch = 64;  // what a campaign commits at once

struct Bench {
    comm::Communicator world = comm::Communicator::world();
    std::filesystem::path folder;
    std::uint64_t units_a_rank;
    ResultLayout layout;
    std::vector<UnitRows> rows;  ///< of this rank's units, filled before the clock starts
    std::vector<FinishedUnit> finished;

    Bench(std::filesystem::path where, std::uint64_t units) : folder(std::move(where)), units_a_rank(units) {
        layout.job = "write";
        layout.rows = units_a_rank * static_cast<std::uint64_t>(world.size());
        layout.row_arrays = {{"obsm/row", Type::u8, {kUnitBytes}}};
        rows.reserve(units_a_rank);
        for (std::uint64_t i = 0; i < units_a_rank; ++i) {
            rows.emplace_back(layout, i * static_cast<std::uint64_t>(world.size()) +
                                          static_cast<std::uint64_t>(world.rank()));
            Draws draws(1, Stream::tests, static_cast<std::uint32_t>(rows.back().unit()));
            auto const words = rows.back().array<std::uint8_t>("obsm/row");
            for (std::size_t k = 0; k + sizeof(std::uint64_t) <= words.size(); k += sizeof(std::uint64_t)) {
                std::uint64_t const word = draws.next();
                std::memcpy(words.data() + k, &word, sizeof word);
            }
        }
        for (auto const& unit : rows) finished.push_back({&unit, {1, 0.1, "bench"}});
    }

    /// Seconds from a barrier to the slowest rank's end.
    template <typename Body>
    double timed(Body const& body) const {
        world.barrier();
        double const start = MPI_Wtime();
        body();
        double seconds = MPI_Wtime() - start;
        comm::check(MPI_Allreduce(MPI_IN_PLACE, &seconds, 1, MPI_DOUBLE, MPI_MAX, world.raw()),
                    "MPI_Allreduce");
        return seconds;
    }

    double plain() const {
        auto const file = folder / "plain.bin";
        if (world.is_root()) {
            Descriptor const made(::open(file.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
            ensure(made.is_open() && system_io().reserve(made.get(), layout.rows * kUnitBytes) == 0,
                   "no space for the plain file");
            system_io().fsync(made.get());
        }
        world.barrier();
        auto const descriptor = open_existing(file, true);
        double const seconds = timed([&] {
            for (std::size_t i = 0; i < rows.size(); i += kBatch) {
                for (std::size_t k = i; k < std::min(i + kBatch, rows.size()); ++k)
                    write_all(system_io(), descriptor.get(), rows[k].raw(0), rows[k].first_row() * kUnitBytes,
                              file);
                ensure(::fdatasync(descriptor.get()) == 0, "fdatasync");
            }
        });
        world.barrier();
        if (world.is_root()) std::filesystem::remove(file);
        return seconds;
    }

    double ours(WriteMode mode) const {
        auto const file = folder / "write.h5ad";
        if (world.is_root()) {
            ResultTables tables;
            for (std::uint64_t i = 0; i < layout.rows; ++i) tables.obs.index.push_back(std::to_string(i));
            ResultFile::create(file, layout, tables);
        }
        world.barrier();
        double seconds = 0;
        {
            auto opened = ResultFile::open(file, layout, {mode, nullptr});
            seconds = timed([&] {
                for (std::size_t i = 0; i < finished.size(); i += kBatch)
                    opened.commit(std::span(finished).subspan(i, std::min(kBatch, finished.size() - i)));
            });
        }
        world.barrier();
        if (world.is_root()) std::filesystem::remove(file);
        return seconds;
    }
};

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

int run(int argc, char** argv) {
    Bench const bench(argc > 1 ? argv[1] : ".", argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 128);
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
    if (!bench.world.is_root()) return 0;
    double const mib = static_cast<double>(bench.layout.rows);
    std::printf("%d ranks, %.0f MiB, %d rounds\n%-8s %10s %16s %8s %8s\n", bench.world.size(), mib, rounds,
                "writer", "MiB/s", "ratio to plain", "least", "most");
    std::array<char const*, 3> const names{"plain", "direct", "mpiio"};
    for (std::size_t i = 0; i < names.size(); ++i) {
        auto const [least, most] = std::minmax_element(ratios[i].begin(), ratios[i].end());
        std::printf("%-8s %10.0f %16.3f %8.3f %8.3f\n", names[i], mib / median(seconds[i]), median(ratios[i]),
                    *least, *most);
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    return mpira::comm::run_main(argc, argv, [&] { return run(argc, argv); });
}
