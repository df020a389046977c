// Which GPU a rank takes, by what its launcher left visible. The CUDA calls are answered here
// (src/comm/gpu/devices.hpp is the seam), so that it runs without a GPU; UUIDs are as nvidia-smi prints them.
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mpira/comm/devices.hpp"

#include "comm/gpu/devices.hpp"

namespace mpira::comm {
namespace {

std::vector<gpu::Seen> g_seen;
int g_current = -1;

void show(std::vector<std::string> const& uuids) {
    g_seen.clear();
    for (auto const& uuid : uuids) g_seen.push_back({"a GPU", uuid});
}

}  // namespace

namespace gpu {
bool const kBuilt = true;
std::vector<Seen> visible_devices() {
    return g_seen;
}
std::string why_none() {
    return "the test shows none";
}
void make_current(int ordinal) {
    g_current = ordinal;
}
}  // namespace gpu

namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string refusal(Communicator const& world, DeviceWish wish) {
    try {
        choose_device(world, wish);
    } catch (CollectiveError const& error) {
        EXPECT_EQ(error.exit_code(), 2);
        return error.what();
    }
    return "";
}

TEST(VisibleDevices, OneVisibleDeviceARankIsTakenWhateverTheRank) {
    // --gpus-per-task=1: every rank sees a GPU of its own, as number 0.
    auto const world = Communicator::world();
    show({"GPU-" + std::to_string(world.rank())});
    auto const device = choose_device(world, DeviceWish::automatic);
    EXPECT_EQ(device.ordinal, 0);
    EXPECT_EQ(device.uuid, "GPU-" + std::to_string(world.rank()));
    EXPECT_EQ(g_current, 0);
}

TEST(VisibleDevices, ARankThatSeesAllTakesTheOneOfItsNodeRank) {
    auto const world = Communicator::world();
    show({"GPU-a", "GPU-b", "GPU-c", "GPU-d", "GPU-e"});
    auto const device = choose_device(world, DeviceWish::cuda);
    EXPECT_EQ(device.ordinal, world.rank());
    EXPECT_EQ(device.uuid, g_seen.at(static_cast<std::size_t>(world.rank())).uuid);
    EXPECT_EQ(g_current, world.rank());
}

TEST(VisibleDevices, TwoRanksOnOneDeviceAreRefusedByUuid) {
    auto const world = Communicator::world();
    show({"GPU-a"});  // each rank sees one GPU, and it is the same
    if (world.size() == 1) {
        EXPECT_EQ(refusal(world, DeviceWish::automatic), "");
        return;
    }
    EXPECT_THAT(
        refusal(world, DeviceWish::automatic),
        AllOf(HasSubstr("ranks 0 and 1"), HasSubstr("would share GPU"), HasSubstr("--gpus-per-task=1")));
}

TEST(VisibleDevices, TheSameOrdinalOfTwoRanksMayBeTwoDevicesAndTwoOrdinalsOne) {
    // CUDA_VISIBLE_DEVICES in other orders: identity is the UUID's, not the number's.
    auto const world = Communicator::world();
    if (world.size() != 2) return;
    bool const first = world.rank() == 0;
    show(first ? std::vector<std::string>{"GPU-a", "GPU-b"} : std::vector<std::string>{"GPU-b", "GPU-a"});
    EXPECT_THAT(refusal(world, DeviceWish::automatic), HasSubstr("would share GPU"));
}

TEST(VisibleDevices, MoreRanksThanDevicesAreRefused) {
    auto const world = Communicator::world();
    if (world.size() < 3) return;
    show({"GPU-a", "GPU-b"});
    EXPECT_THAT(refusal(world, DeviceWish::automatic),
                AllOf(HasSubstr(std::to_string(world.size()) + " ranks on"), HasSubstr("2 GPUs"),
                      HasSubstr("--ntasks-per-node=2")));
}

TEST(VisibleDevices, ARankThatSeesNoneAmongOthersIsNamed) {
    auto const world = Communicator::world();
    show(world.rank() == world.size() - 1 ? std::vector<std::string>{}
                                          : std::vector<std::string>{"GPU-" + std::to_string(world.rank())});
    if (world.size() == 1) {  // none anywhere: automatic takes the CPU
        EXPECT_EQ(choose_device(world, DeviceWish::automatic).ordinal, -1);
        EXPECT_THAT(refusal(world, DeviceWish::cuda), HasSubstr("the test shows none"));
        return;
    }
    EXPECT_THAT(refusal(world, DeviceWish::automatic),
                AllOf(HasSubstr("rank " + std::to_string(world.size() - 1)), HasSubstr("no GPU is seen")));
    EXPECT_EQ(choose_device(world, DeviceWish::cpu).ordinal, -1);
}

TEST(VisibleDevices, OfANodeAreCountedOnce) {
    auto const world = Communicator::world();
    show({"GPU-a", "GPU-b"});
    EXPECT_EQ(count_devices(world), 2);
    show({"GPU-" + std::to_string(world.rank()), "GPU-x"});
    EXPECT_EQ(count_devices(world), world.size() + 1);
    show({});
    EXPECT_EQ(count_devices(world), 0);
}

}  // namespace
}  // namespace mpira::comm
