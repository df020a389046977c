#include "mpira/comm/devices.hpp"

#include <array>

#include <gtest/gtest.h>

#include "mpira/base/error.hpp"

namespace mpira::comm {
namespace {

TEST(Devices, TheCpuIsThereForAllRanks) {
    auto const world = Communicator::world();
    auto const device = choose_device(world, DeviceWish::cpu);
    EXPECT_EQ(device.ordinal, -1);
    EXPECT_EQ(device.uuid, "");
    EXPECT_EQ(device.name, cpu_model());
    EXPECT_FALSE(device.name.empty());
    EXPECT_EQ(device.node_rank, world.rank());
    EXPECT_EQ(device.ranks_on_node, world.size());
}

TEST(Devices, SumsOnDevicesAreTimedWhereEachRankHasOne) {
    auto const world = Communicator::world();
    std::array const lengths{std::size_t{1} << 10, std::size_t{1} << 16};
    EXPECT_TRUE(time_device_sums(world, choose_device(world, DeviceWish::cpu), lengths, 0.01).empty());
    auto const devices = count_devices(world);
    if (!world.all_agree(devices >= world.on_this_node().size() && world.size() > 1))
        GTEST_SKIP() << "fewer GPUs than ranks, or one rank";
    auto const times = time_device_sums(world, choose_device(world, DeviceWish::automatic), lengths, 0.01);
    ASSERT_EQ(times.size(), lengths.size());
    for (std::size_t i = 0; i < times.size(); ++i) {
        EXPECT_EQ(times[i].bytes, lengths.at(i) * sizeof(float));
        EXPECT_GE(times[i].seconds.size(), 3U);
        for (double const passed : times[i].seconds) EXPECT_GT(passed, 0);
    }
}

TEST(Devices, WishesAreWords) {
    EXPECT_EQ(to_device_wish("auto"), DeviceWish::automatic);
    EXPECT_EQ(to_device_wish("cpu"), DeviceWish::cpu);
    EXPECT_EQ(to_device_wish("cuda"), DeviceWish::cuda);
    EXPECT_THROW(to_device_wish("gpu"), Error);
}

#ifndef MPIRA_GPU
TEST(Devices, CudaIsRefusedByABuildWithoutIt) {
    auto const world = Communicator::world();
    EXPECT_THROW(choose_device(world, DeviceWish::cuda), CollectiveError);
    EXPECT_EQ(choose_device(world, DeviceWish::automatic).ordinal, -1);
}
#endif

}  // namespace
}  // namespace mpira::comm
