// Campaigns on 1 to 4 ranks in which something is wrong: units or ranks that fail, another machine or build,
// changed bytes.
#include <chrono>
#include <filesystem>
#include <optional>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mpira/base/error.hpp"
#include "mpira/comm/runtime.hpp"
#include "mpira/schedule/campaign.hpp"
#include "mpira/store/inspect.hpp"
#include "mpira/store/owner.hpp"

#include "random_rows.hpp"

namespace mpira::schedule {
namespace {

namespace fs = std::filesystem;
using namespace tests;
using ::testing::HasSubstr;

TEST(Campaign, AUnitThatThrowsOnceIsRunAgain) {
    auto const world = comm::Communicator::world();
    Folder const folder(world);
    RandomRows job;
    job.before = [&](std::uint64_t unit) {
        if (unit % 10 != 3) return;
        auto const mark = (folder / (fmt::format("mark{}", unit))).string();
        int const made = open(mark.c_str(), O_CREAT | O_EXCL | O_WRONLY, 0600);
        if (made < 0) return;
        close(made);
        throw std::runtime_error("not today");
    };
    auto const outcome = run_campaign(world, job, folder / "a.h5ad", quiet());
    EXPECT_EQ(outcome.exit_code(), 0);
    EXPECT_EQ(outcome.set_aside, 0U);
    EXPECT_EQ(world.all_sum(static_cast<std::int64_t>(job.runs)),
              static_cast<std::int64_t>(outcome.units + 5));
}

TEST(Campaign, AUnitThatAlwaysThrowsIsSetAsideWithItsError) {
    auto const world = comm::Communicator::world();
    Folder const folder(world);
    auto const file = folder / "a.h5ad";
    RandomRows job;
    job.before = [](std::uint64_t unit) {
        if (unit == 13 || unit == 50) throw Error(Origin::system, fmt::format("broken element {}", unit));
    };
    auto const outcome = run_campaign(world, job, file, quiet());
    EXPECT_EQ(outcome.exit_code(), 3);
    EXPECT_EQ(outcome.set_aside, 2U);
    EXPECT_EQ(outcome.left(), 2U);
    EXPECT_FALSE(outcome.stopped);
    if (world.is_root()) {
        auto const status = store::status(file);
        EXPECT_EQ(status.failed, 2U);
        EXPECT_FALSE(status.owner.has_value());
        ASSERT_EQ(status.first_errors.size(), 2U);
        EXPECT_EQ(status.first_errors[0].error, "broken element 13");
        EXPECT_EQ(status.first_errors[0].attempt, 2);
    }
    world.barrier();
    RandomRows mended;
    auto const second = run_campaign(world, mended, file, quiet());
    EXPECT_EQ(second.exit_code(), 0);
    EXPECT_EQ(world.all_sum(static_cast<std::int64_t>(mended.runs)), 2);
}

/// Their device is broken, say: they fail at once and would take the units from the one that works.
TEST(Campaign, RanksThatFailEveryUnitCostNone) {
    auto const world = comm::Communicator::world();
    if (world.size() == 1) GTEST_SKIP() << "needs a rank that works";
    Folder const folder(world);
    RandomRows job;
    job.before = [&](std::uint64_t) {
        if (world.rank() > 0 && world.rank() + 3 > world.size())
            throw Error(Origin::cuda, "an illegal memory access");
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    };
    auto const outcome = run_campaign(world, job, folder / "a.h5ad", quiet());
    EXPECT_EQ(outcome.exit_code(), 0);
    EXPECT_EQ(outcome.set_aside, 0U);
}

TEST(Campaign, AnotherCampaignsFileIsRefusedByNameOnAllRanks) {
    auto const world = comm::Communicator::world();
    Folder const folder(world);
    RandomRows job;
    run_campaign(world, job, folder / "a.h5ad", quiet());
    RandomRows other(8);
    // Also while somebody writes it, and before waiting for that one to end.
    std::optional<store::Owner> owner;
    if (world.is_root()) owner.emplace(store::Owner::claim(folder / "a.h5ad", "somebody"));
    EXPECT_THAT(refusal_of(world, other, folder / "a.h5ad"), HasSubstr("seed"));
}

TEST(Campaign, AnotherMachineIsRefusedUnlessAllowed) {
    auto const world = comm::Communicator::world();
    Folder const folder(world);
    auto const file = folder / "a.h5ad";
    RandomRows job;
    job.before = [](std::uint64_t unit) {
        if (unit == 3) throw Error(Origin::system, "later");
    };
    auto options = quiet();
    options.machine = "Abacus 1";
    options.program = "1 (git a)";
    EXPECT_EQ(run_campaign(world, job, file, options).exit_code(), 3);
    job.before = nullptr;
    options.program = "1 (git b)";
    EXPECT_THAT(refusal_of(world, job, file, options),
                HasSubstr("begun by mpira 1 (git a), this is 1 (git b)"));
    options.program = "1 (git a)";
    options.machine = "Abacus 2";
    EXPECT_THAT(refusal_of(world, job, file, options), HasSubstr("Abacus 1"));
    options.allow_mixed = true;
    EXPECT_EQ(run_campaign(world, job, file, options).exit_code(), 0);
}

TEST(Campaign, ChangedBytesAreFoundAndRunAgain) {
    auto const world = comm::Communicator::world();
    Folder const folder(world);
    auto const file = folder / "a.h5ad";
    RandomRows job;
    job.before = [](std::uint64_t unit) {
        if (unit == 3) throw Error(Origin::system, "later");
    };
    run_campaign(world, job, file, quiet());
    if (world.is_root()) damage(file, "X", 20 * kColumns * sizeof(float));
    world.barrier();
    RandomRows again;
    auto const outcome = run_campaign(world, again, file, quiet());
    EXPECT_EQ(outcome.exit_code(), 0);
    EXPECT_EQ(world.all_sum(static_cast<std::int64_t>(again.runs)), 2);  // units 3 and 5
}

TEST(Campaign, WhatIsMadeOfAllRowsIsMadeAgainAfterARepair) {
    auto const world = comm::Communicator::world();
    Folder const folder(world);
    auto const file = folder / "a.h5ad";
    RandomRows job;
    run_campaign(world, job, file, quiet());
    std::vector<char> whole;
    if (world.is_root()) {
        whole = lasting_bytes(file);
        damage(file, "X");  // a row, and the sums that saw it so
        damage(file, "varm/sum");
    }
    world.barrier();
    RandomRows again;
    EXPECT_EQ(run_campaign(world, again, file, quiet()).exit_code(), 0);
    EXPECT_EQ(world.all_sum(static_cast<std::int64_t>(again.runs)), 1);
    if (world.is_root()) {
        EXPECT_TRUE(lasting_bytes(file) == whole);
    }
    world.barrier();
}

}  // namespace
}  // namespace mpira::schedule
