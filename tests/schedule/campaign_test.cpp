// Whole campaigns on 1 to 4 ranks. Smaller rank counts are run inside, on splits of the world.
#include "mpira/schedule/campaign.hpp"

#include <filesystem>
#include <optional>
#include <set>
#include <string>

#include <signal.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "mpira/base/error.hpp"
#include "mpira/comm/runtime.hpp"
#include "mpira/store/inspect.hpp"
#include "mpira/store/owner.hpp"

#include "random_rows.hpp"

namespace mpira::schedule {
namespace {

namespace fs = std::filesystem;
using namespace tests;

TEST(Campaign, GivesTheSameBytesOnAnyNumberOfRanks) {
    auto const world = comm::Communicator::world();
    Folder const folder(world);
    for (int ranks = 1; ranks <= world.size(); ++ranks) {
        RandomRows job;
        auto const outcome = run_on(world, ranks, job, folder / (fmt::format("{}.h5ad", ranks)));
        if (world.rank() < ranks) {
            EXPECT_EQ(outcome.exit_code(), 0);
            EXPECT_EQ(outcome.done, job.layout().units());
            EXPECT_EQ(outcome.done_before, 0U);
            ASSERT_EQ(outcome.shares.size(), static_cast<std::size_t>(ranks));
            EXPECT_EQ(outcome.shares[static_cast<std::size_t>(world.rank())].units,
                      static_cast<std::uint64_t>(job.runs));
            std::uint64_t sum = 0;
            for (auto const& share : outcome.shares) sum += share.units;
            EXPECT_EQ(sum, job.layout().units());
        }
    }
    if (world.is_root()) {
        auto const first = lasting_bytes(folder / "1.h5ad");
        EXPECT_TRUE(store::verify(folder / "1.h5ad").good());
        for (int ranks = 2; ranks <= world.size(); ++ranks)
            EXPECT_TRUE(lasting_bytes(folder / (fmt::format("{}.h5ad", ranks))) == first) << ranks;
        store::AnnDataReader const reader(folder / "1.h5ad");
        auto const x = reader.array<float>("X");
        Draws draws(7, Stream::data, 202);
        EXPECT_EQ(x.row(202)[0], static_cast<float>(draws.uniform()));
    }
    world.barrier();
}

TEST(Campaign, BothWritePathsGiveTheSameBytes) {
    auto const world = comm::Communicator::world();
    Folder const folder(world);
    for (auto const path : {WritePath::direct, WritePath::mpiio}) {
        RandomRows job;
        auto options = quiet();
        options.write = path;
        options.commit_units = 5;
        EXPECT_EQ(run_campaign(world, job,
                               folder / (path == WritePath::direct ? "direct.h5ad" : "mpiio.h5ad"), options)
                      .exit_code(),
                  0);
    }
    if (world.is_root()) {
        EXPECT_TRUE(lasting_bytes(folder / "direct.h5ad") == lasting_bytes(folder / "mpiio.h5ad"));
    }
    world.barrier();
}

TEST(Campaign, AStoppedOneResumesOnAnotherNumberOfRanks) {
    auto const world = comm::Communicator::world();
    Folder const folder(world);
    RandomRows whole;
    run_campaign(world, whole, folder / "whole.h5ad", quiet());
    for (int const number : {SIGUSR1, SIGTERM}) {
        auto const file = folder / (fmt::format("{}.h5ad", number));
        RandomRows job;
        job.seconds_per_cost = 1e-3;
        int const last = world.size() - 1;
        job.before = [&](std::uint64_t) {
            if (world.rank() == last && job.runs == 6) raise(number);  // seen by one rank, heeded by all
        };
        auto const stopped = run_campaign(world, job, file, quiet());
        EXPECT_TRUE(stopped.stopped);
        EXPECT_FALSE(stopped.finished);
        EXPECT_EQ(stopped.exit_code(), 3);
        EXPECT_LT(stopped.done, stopped.units);
        EXPECT_GE(stopped.done, 5U);
        for (int ranks = world.size(); ranks >= 1; ranks -= 2) {  // the first of these ends it
            RandomRows again;
            auto const resumed = run_on(world, ranks > 1 ? ranks - 1 : 1, again, file);
            if (world.is_root()) {
                EXPECT_EQ(resumed.exit_code(), 0);
                EXPECT_EQ(resumed.done, resumed.units);
                EXPECT_GE(resumed.done_before, stopped.done);
            }
        }
        if (world.is_root()) {
            EXPECT_TRUE(lasting_bytes(file) == lasting_bytes(folder / "whole.h5ad"));
        }
        world.barrier();
    }
}

TEST(Campaign, AFinishedOneHasNothingToDo) {
    auto const world = comm::Communicator::world();
    Folder const folder(world);
    RandomRows job;
    run_campaign(world, job, folder / "a.h5ad", quiet());
    RandomRows again;
    auto const outcome = run_campaign(world, again, folder / "a.h5ad", quiet());
    EXPECT_EQ(outcome.exit_code(), 0);
    EXPECT_EQ(outcome.done_before, outcome.units);
    EXPECT_EQ(again.runs, 0);
}

TEST(Campaign, FreshNeedsOverwriteAndKeepsTheOldFile) {
    auto const world = comm::Communicator::world();
    Folder const folder(world);
    auto const file = folder / "a.h5ad";
    RandomRows job;
    run_campaign(world, job, file, quiet());
    auto options = quiet();
    options.fresh = true;
    EXPECT_THROW(run_campaign(world, job, file, options), comm::CollectiveError);
    world.barrier();
    options.overwrite = true;
    RandomRows other(8);
    EXPECT_EQ(run_campaign(world, other, file, options).exit_code(), 0);
    if (world.is_root()) {
        EXPECT_TRUE(fs::exists(folder / "a.h5ad.old"));
    }
    world.barrier();
}

TEST(Campaign, ProgressEndsComplete) {
    auto const world = comm::Communicator::world();
    Folder const folder(world);
    RandomRows job;
    auto options = quiet();
    ProgressReport last;
    options.on_progress = [&](ProgressReport const& report) { last = report; };
    run_campaign(world, job, folder / "a.h5ad", options);
    if (world.is_root()) {
        EXPECT_TRUE(last.last);
        EXPECT_EQ(last.done, last.units);
        EXPECT_EQ(last.rows, kRows);
    }
    world.barrier();
}

}  // namespace
}  // namespace mpira::schedule
