#include "mpira/comm/devices.hpp"

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
