#include "mpira/comm/communicator.hpp"

#include <array>
#include <numeric>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mpira/base/error.hpp"

namespace mpira::comm {
namespace {

TEST(Communicator, AllSumIsTheSumOverRanks) {
    auto const world = Communicator::world();
    std::vector<double> values(1000);
    std::iota(values.begin(), values.end(), world.rank());
    world.all_sum(values);
    double const ranks_sum = world.size() * (world.size() - 1) / 2.0;
    for (std::size_t i = 0; i < values.size(); ++i)
        ASSERT_EQ(values[i], ranks_sum + world.size() * static_cast<double>(i)) << i;
    std::array<std::int64_t, 1> const beyond_2_53{(std::int64_t{1} << 53) + 1};
    auto large = beyond_2_53;
    world.all_sum(large);
    EXPECT_EQ(large[0], beyond_2_53[0] * world.size());
    std::array<float, 2> halves{0.5F, static_cast<float>(world.rank())};
    world.all_sum(halves);
    EXPECT_EQ(halves[0], 0.5F * static_cast<float>(world.size()));
    EXPECT_EQ(halves[1], static_cast<float>(ranks_sum));
    EXPECT_EQ(world.all_sum(std::int64_t{2}), 2 * world.size());
    EXPECT_EQ(world.all_sum(0.25), 0.25 * world.size());
}

TEST(Communicator, AllMax) {
    auto const world = Communicator::world();
    EXPECT_EQ(world.all_max(std::int64_t{-world.rank()}), 0);
    EXPECT_EQ(world.all_max(1.5 * world.rank()), 1.5 * (world.size() - 1));
}

TEST(Communicator, BcastFromAnyRoot) {
    auto const world = Communicator::world();
    for (int root = 0; root < world.size(); ++root) {
        auto const mine = world.rank() == root ? fmt::format("from {}", root) : std::string(100, 'x');
        EXPECT_EQ(world.bcast(mine, root), fmt::format("from {}", root));
        EXPECT_EQ(world.bcast_value(world.rank() * 2.5, root), root * 2.5);
    }
    EXPECT_EQ(world.bcast(std::string()), "");
}

TEST(Communicator, GatherKeepsRankOrderAndLengths) {
    auto const world = Communicator::world();
    std::string const mine(static_cast<std::size_t>(world.rank() * 3), static_cast<char>('a' + world.rank()));
    std::vector<std::string> all;
    for (int rank = 0; rank < world.size(); ++rank)
        all.emplace_back(static_cast<std::size_t>(rank * 3), static_cast<char>('a' + rank));
    EXPECT_EQ(world.all_gather(mine), all);
    int const root = world.size() - 1;
    auto const gathered = world.gather(mine, root);
    EXPECT_EQ(gathered, world.rank() == root ? all : std::vector<std::string>());
}

TEST(Communicator, SplitsAndDuplicatesAreGroupsOfTheirOwn) {
    auto const world = Communicator::world();
    auto const half = world.split(world.rank() % 2, -world.rank());
    EXPECT_EQ(half.size(), (world.size() + 1 - world.rank() % 2) / 2);
    EXPECT_EQ(half.rank(), half.size() - 1 - world.rank() / 2);  // keys turn the order round
    auto const copy = world.duplicate();
    EXPECT_EQ(copy.rank(), world.rank());
    EXPECT_NE(copy.raw(), world.raw());
    EXPECT_EQ(world.on_this_node().size(), world.size());  // tests run on one machine
}

TEST(Communicator, MovesLeaveNothingBehind) {
    auto first = Communicator::world();
    auto const handle = first.raw();
    Communicator second(std::move(first));
    EXPECT_EQ(second.raw(), handle);
    EXPECT_EQ(first.raw(), MPI_COMM_NULL);  // NOLINT(bugprone-use-after-move)
    first = std::move(second);
    EXPECT_EQ(first.raw(), handle);
    static_assert(!std::is_copy_constructible_v<Communicator>);
    static_assert(std::is_copy_constructible_v<CommView>);
}

TEST(Everywhere, ReturnsEachRanksOwnResult) {
    auto const world = Communicator::world();
    EXPECT_EQ(everywhere(world, [&] { return world.rank() + 1; }), world.rank() + 1);
}

TEST(Everywhere, OneRanksFailureIsThrownByAll) {
    auto const world = Communicator::world();
    int const culprit = world.size() - 1;
    try {
        everywhere(world, [&] {
            if (world.rank() == culprit) fail_usage("motifs.meme, line 12: no width");
        });
        ADD_FAILURE() << "nothing was thrown";
    } catch (CollectiveError const& error) {
        EXPECT_EQ(error.rank(), culprit);
        EXPECT_EQ(error.origin(), Origin::usage);
        EXPECT_EQ(error.exit_code(), 2);
        EXPECT_EQ(error.what(), (world.size() > 1 ? fmt::format("rank {}: ", culprit) : std::string()) +
                                    "motifs.meme, line 12: no width");
    }
    world.barrier();  // reached by all: nobody was left behind
}

TEST(Everywhere, TheLowestRankSpeaksWhenAllFail) {
    auto const world = Communicator::world();
    try {
        everywhere(world, [&]() -> int { throw std::runtime_error(fmt::format("bad {}", world.rank())); });
        ADD_FAILURE() << "nothing was thrown";
    } catch (CollectiveError const& error) {
        EXPECT_STREQ(error.what(), "bad 0");
        EXPECT_EQ(error.exit_code(), 1);
    }
}

TEST(Everywhere, ForeignExceptionsAreNamed) {
    auto const world = Communicator::world();
    EXPECT_THROW(everywhere(world, [] { throw 7; }), CollectiveError);  // NOLINT
    try {
        everywhere(world, [] { throw std::bad_alloc(); });
    } catch (CollectiveError const& error) {
        EXPECT_STREQ(error.what(), "out of memory");
    }
}

TEST(RequireEverywhere, AllThrowOrNoneDoes) {
    auto const world = Communicator::world();
    require_everywhere(world, true, "fine");
    EXPECT_THROW(require_everywhere(world, world.rank() != 0, "no weights file"), CollectiveError);
    EXPECT_THROW(require_everywhere(world, world.rank() == 0 && world.size() > 1, "no weights file"),
                 CollectiveError);
    world.barrier();
}

TEST(Check, NamesTheCallAndTheReason) {
    auto const world = Communicator::world();
    try {
        check(MPI_Send(nullptr, 0, MPI_BYTE, world.size() + 5, 0, world.raw()), "MPI_Send");
        ADD_FAILURE() << "no such rank, and no error";
    } catch (Error const& error) {
        EXPECT_EQ(error.origin(), Origin::mpi);
        EXPECT_THAT(error.what(), testing::StartsWith("MPI_Send: "));
        EXPECT_THAT(std::string(error.where().file_name()), testing::HasSubstr("communicator_test.cpp"));
    }
}

}  // namespace
}  // namespace mpira::comm
