// Whole campaigns on 1 to 4 ranks, with a small job whose bytes come from Philox. Smaller rank counts are run
// inside, on splits of the world.
#include "mpira/schedule/campaign.hpp"

#include <chrono>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "mpira/base/error.hpp"
#include "mpira/base/philox.hpp"
#include "mpira/comm/runtime.hpp"
#include "mpira/store/anndata_reader.hpp"
#include "mpira/store/inspect.hpp"
#include "mpira/store/owner.hpp"

#include "support/shared_folder.hpp"

namespace mpira::schedule {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kRows = 203;  // the last unit is a short one
constexpr std::uint64_t kColumns = 5;

class RandomRows final : public store::Job {
public:
    explicit RandomRows(std::uint64_t seed = 7) : seed_(seed) {
        layout_.job = "random-rows";
        layout_.rows = kRows;
        layout_.rows_per_unit = 4;
        layout_.row_arrays = {{"X", store::Type::f32, {kColumns}}, {"obs/draws", store::Type::i64, {}}};
        layout_.fixed_arrays = {{"varm/sum", store::Type::f64, {kColumns, 1}, {}}};
        layout_.identity = {{"seed", seed}};
    }

    [[nodiscard]] store::ResultLayout const& layout() const override { return layout_; }
    [[nodiscard]] store::ResultTables tables() const override {
        store::ResultTables tables;
        for (std::uint64_t row = 0; row < kRows; ++row) tables.obs.index.push_back(fmt::format("r{}", row));
        for (std::uint64_t i = 0; i < kColumns; ++i) tables.var.index.push_back(fmt::format("c{}", i));
        return tables;
    }
    /// Heavy-tailed, as real units are.
    [[nodiscard]] double relative_cost(std::uint64_t unit) const override {
        Draws draws(seed_, Stream::tests, static_cast<std::uint32_t>(unit));
        return std::exp(3 * draws.uniform());
    }
    void run(std::uint64_t unit, store::UnitRows& rows, std::stop_token stop) override {
        ++runs;
        if (before) before(unit);
        auto const end = std::chrono::steady_clock::now() +
                         std::chrono::duration<double>(relative_cost(unit) * seconds_per_cost);
        while (std::chrono::steady_clock::now() < end) {
            if (stop.stop_requested()) throw Error(Origin::stopped, "dropped");
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        auto const values = rows.array<float>("X");
        auto const draws_of = rows.array<std::int64_t>("obs/draws");
        for (std::uint64_t i = 0; i < rows.row_count(); ++i) {
            Draws draws(seed_, Stream::data, static_cast<std::uint32_t>(rows.first_row() + i));
            for (std::uint64_t c = 0; c < kColumns; ++c)
                values[i * kColumns + c] = static_cast<float>(draws.uniform());
            draws_of[i] = static_cast<std::int64_t>(draws.next() >> 1U);
        }
    }
    void finish(store::FinishedRows& rows) override {
        auto const bytes = rows.rows("X");
        auto const* values = reinterpret_cast<float const*>(bytes.data());
        auto* sums = reinterpret_cast<double*>(rows.fixed("varm/sum").data());
        std::fill(sums, sums + kColumns, 0.0);
        for (std::uint64_t i = 0; i < kRows * kColumns; ++i)
            sums[i % kColumns] += static_cast<double>(values[i]);
    }
    [[nodiscard]] std::string describe() const override { return "random rows"; }

    std::function<void(std::uint64_t)> before;
    double seconds_per_cost = 1e-4;
    int runs = 0;

private:
    std::uint64_t seed_;
    store::ResultLayout layout_;
};

using Folder = test::SharedFolder;

CampaignOptions quiet() {
    CampaignOptions options;
    options.on_progress = [](ProgressReport const&) {};
    options.check = ResumeCheck::all;
    return options;
}

std::vector<char> bytes_of(fs::path const& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// The file without what names times and hosts: journal and owner record.
std::vector<char> lasting_bytes(fs::path const& file) {
    auto bytes = bytes_of(file);
    store::AnnDataReader const reader(file);
    for (auto const* path : {"uns/mpira/journal", "uns/mpira/owner"}) {
        auto const info = reader.info(path);
        EXPECT_TRUE(info.offset.has_value()) << path;
        auto const begin = bytes.begin() + static_cast<std::ptrdiff_t>(*info.offset);
        std::fill(begin, begin + static_cast<std::ptrdiff_t>(info.size()), '\0');
    }
    return bytes;
}

/// Runs on the first `ranks` ranks only. [collective] over all of the world
CampaignOutcome run_on(comm::Communicator const& world, int ranks, RandomRows& job, fs::path const& file,
                       CampaignOptions const& options = quiet()) {
    CampaignOutcome outcome;
    {
        auto const part = world.split(world.rank() < ranks ? 0 : 1, world.rank());
        if (world.rank() < ranks) outcome = run_campaign(part, job, file, options);
    }
    world.barrier();
    return outcome;
}

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
        EXPECT_GE(status.first_errors[0].attempt, 2);
    }
    world.barrier();
    RandomRows mended;
    auto const second = run_campaign(world, mended, file, quiet());
    EXPECT_EQ(second.exit_code(), 0);
    EXPECT_EQ(world.all_sum(static_cast<std::int64_t>(mended.runs)), 2);
}

/// Its device is broken, say: it fails at once and would take the units from the others.
TEST(Campaign, ARankThatFailsEveryUnitCostsNone) {
    auto const world = comm::Communicator::world();
    if (world.size() == 1) GTEST_SKIP() << "needs a rank that works";
    Folder const folder(world);
    RandomRows job;
    job.before = [&](std::uint64_t) {
        if (world.rank() == world.size() - 1) throw Error(Origin::cuda, "an illegal memory access");
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    };
    auto const outcome = run_campaign(world, job, folder / "a.h5ad", quiet());
    EXPECT_EQ(outcome.exit_code(), 0);
    EXPECT_EQ(outcome.set_aside, 0U);
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

TEST(Campaign, AnotherCampaignsFileIsRefusedByNameOnAllRanks) {
    auto const world = comm::Communicator::world();
    Folder const folder(world);
    RandomRows job;
    run_campaign(world, job, folder / "a.h5ad", quiet());
    RandomRows other(8);
    // Also while somebody writes it, and before waiting for that one to end.
    std::optional<store::Owner> owner;
    if (world.is_root()) owner.emplace(store::Owner::claim(folder / "a.h5ad", "somebody"));
    try {
        run_campaign(world, other, folder / "a.h5ad", quiet());
        ADD_FAILURE() << "not refused";
    } catch (comm::CollectiveError const& error) {
        EXPECT_EQ(error.exit_code(), 2);
        EXPECT_NE(std::string(error.what()).find("seed"), std::string::npos) << error.what();
    }
    world.barrier();
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
    try {
        run_campaign(world, job, file, options);
        ADD_FAILURE() << "not refused";
    } catch (comm::CollectiveError const& error) {
        EXPECT_NE(std::string(error.what()).find("begun by mpira 1 (git a), this is 1 (git b)"),
                  std::string::npos)
            << error.what();
    }
    world.barrier();
    options.program = "1 (git a)";
    options.machine = "Abacus 2";
    try {
        run_campaign(world, job, file, options);
        ADD_FAILURE() << "not refused";
    } catch (comm::CollectiveError const& error) {
        EXPECT_NE(std::string(error.what()).find("Abacus 1"), std::string::npos) << error.what();
    }
    world.barrier();
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
    if (world.is_root()) {
        auto const offset = store::AnnDataReader(file).info("X").offset;
        ASSERT_TRUE(offset.has_value());
        std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
        bytes.seekp(static_cast<std::streamoff>(*offset + 20 * kColumns * sizeof(float)));
        bytes.put('\x55');
    }
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
        for (auto const* const array : {"X", "varm/sum"}) {  // of a row, and of the sums that saw it so
            auto const offset = store::AnnDataReader(file).info(array).offset;
            ASSERT_TRUE(offset.has_value());
            std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
            bytes.seekp(static_cast<std::streamoff>(*offset));
            bytes.put('\x55');
        }
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
