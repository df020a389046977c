// Hot paths with fixed work, whose instructions perf/counts counts (valgrind's callgrind) between the entry
// and the end of the function of that name:
//
//   build/release/perf/hot hot_scan | hot_dispatch | hot_commit
//
// One thread, no MPI call, the same draws each time. Prints what it did.
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

#include <fmt/format.h>

#include "mpira/base/philox.hpp"
#include "mpira/genome/scanner.hpp"
#include "mpira/schedule/dispatcher.hpp"
#include "mpira/store/result_file.hpp"

namespace {

using namespace mpira;

Draws draws(std::uint32_t what) {
    return {1, Stream::tests, what};
}

genome::Scanner random_scanner() {
    constexpr std::size_t kMotifs = 64;
    auto random = draws(1);
    genome::ScanModel model;
    for (std::size_t motif = 0; motif < kMotifs; ++motif) {
        auto const width = static_cast<std::int32_t>(8 + random.below(9));
        std::int32_t best = 0;
        for (std::int32_t place = 0; place < width; ++place) {
            auto const letter = random.below(4);
            for (std::uint64_t other = 0; other < 4; ++other)
                model.matrices.push_back(
                    other == letter ? 1500 : -2500 + static_cast<std::int32_t>(random.below(1500)));
            best += 1500;
        }
        model.motif_ids.push_back(fmt::format("m{}", motif));
        model.motif_names.push_back(model.motif_ids.back());
        model.feature_names.push_back(model.motif_ids.back());
        model.features.push_back(static_cast<std::int32_t>(motif));
        model.widths.push_back(width);
        model.thresholds.push_back(best - 7000);
    }
    return genome::Scanner(std::move(model), genome::Kernel::avx2);
}

store::ResultLayout layout_of_commits() {
    store::ResultLayout layout;
    layout.job = "hot";
    layout.rows = 20000;
    layout.rows_per_unit = 10;
    layout.row_arrays = {{"X", store::Type::f32, {16}}, {"obs/count", store::Type::i32, {}}};
    layout.identity = {{"hot", 1}};
    return layout;
}

store::ResultTables tables_of(store::ResultLayout const& layout) {
    store::ResultTables tables;
    for (std::uint64_t row = 0; row < layout.rows; ++row) tables.obs.index.push_back(fmt::format("r{}", row));
    for (int column = 0; column < 16; ++column) tables.var.index.push_back(fmt::format("c{}", column));
    return tables;
}

}  // namespace

// Not inlined, and with C's names: callgrind is told them.
extern "C" {

/// Motif features of 200 regions of 500 bp.
[[gnu::noinline]] double hot_scan(genome::Scanner const& scanner, std::string const& bases) {
    constexpr std::size_t kRegion_bp = 500;
    std::vector<float> features(scanner.feature_count());
    double sum = 0;
    for (std::size_t at = 0; at + kRegion_bp <= bases.size(); at += kRegion_bp) {
        scanner.features(std::string_view(bases).substr(at, kRegion_bp), features);
        for (float const value : features) sum += static_cast<double>(value);
    }
    return sum;
}

/// 50,000 units of a heavy tail handed out to 64 ranks that end in the order of their claims.
[[gnu::noinline]] double hot_dispatch(schedule::Dispatcher& dispatcher, int ranks) {
    std::deque<schedule::Claim> running;
    double now = 0;
    auto const hand_out = [&] {
        while (auto const claim = dispatcher.next(now)) running.push_back(*claim);
    };
    for (int rank = 0; rank < ranks; ++rank) dispatcher.ready(rank, now);
    hand_out();
    while (!running.empty()) {
        auto const claim = running.front();
        running.pop_front();
        now += 0.001;
        dispatcher.finished(claim.rank, claim.unit, 0.06, now);
        dispatcher.committed(claim.rank, 1);
        hand_out();
    }
    return static_cast<double>(dispatcher.done());
}

/// 2,000 units of 10 rows: journalled as running, committed in batches of 50.
[[gnu::noinline]] double hot_commit(store::ResultFile& file, store::ResultLayout const& layout) {
    constexpr std::uint64_t kBatch = 50;
    store::UnitReport const report{1, 0.25, "node1 Test"};
    for (std::uint64_t first = 0; first < layout.units(); first += kBatch) {
        std::vector<store::UnitRows> rows;
        std::vector<store::FinishedUnit> finished;
        rows.reserve(kBatch);
        for (std::uint64_t unit = first; unit < first + kBatch; ++unit) {
            file.mark_running(unit, report);
            rows.emplace_back(layout, unit);
            for (float& value : rows.back().array<float>("X")) value = static_cast<float>(unit);
            finished.push_back({&rows.back(), report});
        }
        file.commit(finished);
    }
    return static_cast<double>(file.states().size());
}

}  // extern "C"

int main(int argc, char** argv) {
    std::string_view const what = argc > 1 ? argv[1] : "";
    double result = 0;
    if (what == "hot_scan") {
        if (!genome::is_available(genome::Kernel::avx2)) {
            std::puts("no AVX2 here");
            return 77;
        }
        std::string bases(100'000, 'A');
        auto random = draws(2);
        for (char& base : bases) base = "ACGT"[random.below(4)];
        auto const scanner = random_scanner();
        result = hot_scan(scanner, bases);
    } else if (what == "hot_dispatch") {
        constexpr int kRanks = 64;
        std::vector<float> costs(50'000);
        std::vector<std::uint64_t> to_do(costs.size());
        auto random = draws(3);
        for (std::size_t unit = 0; unit < costs.size(); ++unit) {
            costs[unit] = static_cast<float>(1 / (0.01 + random.uniform()));
            to_do[unit] = unit;
        }
        schedule::DispatchOptions options;
        options.ranks = kRanks;
        schedule::Dispatcher dispatcher(costs, to_do, options);
        result = hot_dispatch(dispatcher, kRanks);
    } else if (what == "hot_commit") {
        auto const layout = layout_of_commits();
        auto const folder = std::filesystem::temp_directory_path() / fmt::format("mpira-hot-{}", getpid());
        std::filesystem::create_directory(folder);
        auto const path = folder / "hot.h5ad";
        store::ResultFile::create(path, layout, tables_of(layout));
        {
            auto file = store::ResultFile::open(path, layout);
            result = hot_commit(file, layout);
        }
        std::filesystem::remove_all(folder);
    } else {
        std::fputs("hot hot_scan | hot_dispatch | hot_commit\n", stderr);
        return 2;
    }
    std::printf("%.*s: %.6g\n", static_cast<int>(what.size()), what.data(), result);
    return 0;
}
