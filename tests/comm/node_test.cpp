// What is read of a node, from a made-up /sys and /proc, and how ranks are proposed to lie on it.
#include "mpira/comm/node.hpp"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/scratch_folder.hpp"

namespace mpira::comm {
namespace {

using testing::ElementsAre;

std::vector<int> first_cpus(int count) {
    std::vector<int> cpus(static_cast<std::size_t>(count));
    std::iota(cpus.begin(), cpus.end(), 0);
    return cpus;
}

class FakeNode {
public:
    void write(std::string const& name, std::string const& text) const {
        std::filesystem::create_directories((root_ / name).parent_path());
        static_cast<void>(root_.write(name, text + "\n"));
    }

    /// `sockets` of `cores` each, numbered through; with `threads` 2 the second one of core c is c + all
    /// cores, as Linux numbers them. A NUMA domain a socket.
    void build(int sockets, int cores, int threads, std::string const& siblings = "core_cpus_list") const {
        int const all = sockets * cores;
        for (int cpu = 0; cpu < all * threads; ++cpu) {
            auto const topology = fmt::format("sys/devices/system/cpu/cpu{}/topology/", cpu);
            int const core = cpu % all;
            write(topology + siblings,
                  threads == 1 ? fmt::format("{}", core) : fmt::format("{},{}", core, core + all));
            write(topology + "physical_package_id", fmt::format("{}", core / cores));
        }
        for (int socket = 0; socket < sockets; ++socket) {
            auto list = fmt::format("{}-{}", socket * cores, (socket + 1) * cores - 1);
            if (threads == 2)
                list += fmt::format(",{}-{}", all + socket * cores, all + (socket + 1) * cores - 1);
            write(fmt::format("sys/devices/system/node/node{}/cpulist", socket), list);
        }
        write("sys/devices/system/cpu/online", fmt::format("0-{}", all * threads - 1));
        write("sys/devices/system/node/possible", "0-1");                      // no folder of a node
        write("proc/meminfo", "MemTotal:       268435456 kB\nMemFree: 1 kB");  // 256 GiB
    }

    [[nodiscard]] Node read(std::vector<int> cpus) const { return read_node(std::move(cpus), root_.path()); }

private:
    test::ScratchFolder root_;
};

TEST(Cpus, AreListedAsTheKernelDoes) {
    EXPECT_EQ(to_cpus("0-3,8\n"), (std::vector{0, 1, 2, 3, 8}));
    EXPECT_EQ(to_cpus(""), std::vector<int>());
    for (char const* const bad : {"a", "3-1", "1-", "-1", "0-99999999", "1,,2"})
        EXPECT_EQ(to_cpus(bad), std::nullopt) << bad;
    EXPECT_EQ(to_cpu_list({0, 1, 2, 3, 8, 10, 11}), "0-3,8,10-11");
    EXPECT_EQ(to_cpu_list({}), "");
}

TEST(ReadNode, SeesCoresNotTheirHardwareThreads) {
    for (char const* const name : {"core_cpus_list", "thread_siblings_list"}) {
        FakeNode fake;
        fake.build(2, 8, 2, name);
        auto const node = fake.read(first_cpus(32));
        EXPECT_EQ(node.cores, 16);
        EXPECT_EQ(node.usable_cores(), 16);
        EXPECT_EQ(node.threads_a_core, 2);
        EXPECT_EQ(node.sockets, 2);
        EXPECT_THAT(node.domain_cores, ElementsAre(8, 8));
        EXPECT_EQ(node.memory_bytes, std::uint64_t{256} << 30U);
        EXPECT_EQ(node.quota_cpus, 0);
    }
}

TEST(ReadNode, CountsWhatThisProcessMayUse) {
    FakeNode fake;
    fake.build(2, 8, 2);
    auto const node =
        fake.read({0, 1, 2, 16, 17, 18, 31, 40});  // both threads of three cores, one of core 15; 40 is off
    EXPECT_EQ(node.cpus, (std::vector{0, 1, 2, 16, 17, 18, 31}));
    EXPECT_EQ(node.cores, 4);
    EXPECT_EQ(node.sockets, 2);
    EXPECT_THAT(node.domain_cores, ElementsAre(1, 3));
}

TEST(ReadNode, WithoutTopologyEachCpuIsACore) {
    FakeNode const empty;
    auto const node = empty.read(first_cpus(6));
    EXPECT_EQ(node.cores, 6);
    EXPECT_EQ(node.sockets, 1);
    EXPECT_TRUE(node.domain_cores.empty());
    EXPECT_EQ(node.memory_bytes, 0U);
    EXPECT_EQ(propose(node, 0).ranks, 6);  // of unknown memory nothing is said
}

TEST(ReadNode, TakesTheNarrowestControlGroup) {
    FakeNode second;  // version 2: limits of groups above count
    second.build(1, 8, 1);
    second.write("proc/self/cgroup", "0::/job/step");
    second.write("sys/fs/cgroup/job/step/cpu.max", "max 100000");
    second.write("sys/fs/cgroup/job/cpu.max", "350000 100000");
    second.write("sys/fs/cgroup/job/memory.max", "17179869184");
    second.write("sys/fs/cgroup/job/step/memory.max", "max");
    auto node = second.read(first_cpus(8));
    EXPECT_DOUBLE_EQ(node.quota_cpus, 3.5);
    EXPECT_EQ(node.usable_cores(), 3);
    EXPECT_EQ(node.memory_bytes, std::uint64_t{16} << 30U);
    EXPECT_EQ(propose(node, 0).ranks, 3);
    EXPECT_THAT(propose(node, 0).describe(), testing::HasSubstr("control group"));

    FakeNode first;  // version 1; a container sees its group's path and not its folder
    first.build(1, 8, 1);
    first.write("proc/self/cgroup", "4:memory:/docker/1\n3:cpu,cpuacct:/docker/1\n1:name=systemd:/");
    first.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "50000");
    first.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000");
    first.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712");  // none
    node = first.read(first_cpus(8));
    EXPECT_EQ(node.usable_cores(), 1);  // half a core is one rank
    EXPECT_EQ(node.memory_bytes, std::uint64_t{256} << 30U);
    first.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1");
    EXPECT_EQ(first.read(first_cpus(8)).usable_cores(), 8);
}

Node node_of(int sockets, int cores, int threads = 1) {
    FakeNode fake;
    fake.build(sockets, cores, threads);
    return fake.read(first_cpus(sockets * cores * threads));
}

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30U;

TEST(Propose, ARankACore) {
    auto const proposal = propose(node_of(2, 8, 2), 0);
    EXPECT_EQ(proposal.ranks, 16);
    EXPECT_EQ(proposal.threads, 1);
    EXPECT_EQ(launch_line(Launcher::open_mpi, proposal, 64),
              "mpirun -n 64 --map-by ppr:16:node:PE=1 --bind-to core");
    EXPECT_EQ(launch_line(Launcher::hydra, proposal, 64), "mpiexec -n 64 -ppn 16 -bind-to core:1");
    EXPECT_EQ(launch_line(Launcher::srun, proposal, 64),
              "srun --nodes=4 --ntasks-per-node=16 --cpus-per-task=1 --threads-per-core=1 --cpu-bind=cores");
    EXPECT_EQ(launch_line(Launcher::srun, propose(node_of(2, 8), 0), 50),
              "srun --nodes=4 --ntasks=50 --cpus-per-task=1 --cpu-bind=cores");
    EXPECT_EQ(launch_line(Launcher::open_mpi, proposal), "mpirun --map-by ppr:16:node:PE=1 --bind-to core");
    EXPECT_EQ(launch_line(Launcher::open_mpi, proposal, 4),
              "mpirun -n 4 --map-by ppr:4:node:PE=1 --bind-to core");
    EXPECT_EQ(proposal.describe(), "16 ranks a node, each bound to 1 core, 1 thread: a rank a core");
}

TEST(Propose, FewerRanksOfMoreThreadsWhereMemoryIsShort) {
    // 0.8 x 256 GiB hold 10 ranks of 20 GiB, which would leave 6 of 16 cores idle: 8 of two, 4 in each
    // domain.
    auto proposal = propose(node_of(2, 8), 0, 20 * kGiB);
    EXPECT_EQ(proposal.ranks, 8);
    EXPECT_EQ(proposal.threads, 2);
    EXPECT_EQ(launch_line(Launcher::open_mpi, proposal, 16),
              "mpirun -n 16 --map-by ppr:4:numa:PE=2 --bind-to core");
    EXPECT_EQ(launch_line(Launcher::open_mpi, proposal, 4),
              "mpirun -n 4 --map-by ppr:4:node:PE=2 --bind-to core");  // not all in the first domain
    EXPECT_EQ(launch_line(Launcher::srun, proposal, 16),
              "srun --nodes=2 --ntasks-per-node=8 --cpus-per-task=2 --cpu-bind=cores");
    EXPECT_EQ(proposal.describe(),
              "8 ranks a node, each bound to 2 cores, threads = 2: 256.0 GiB with 20.0 GiB a rank do "
              "not suffice for a rank a core");
    // 7 of 28 GiB: not 5 of three cores, of which one would lie in both domains, but 2 of four in each.
    proposal = propose(node_of(2, 8), 0, 28 * kGiB);
    EXPECT_EQ(proposal.ranks, 4);
    EXPECT_EQ(proposal.threads, 4);
    proposal = propose(node_of(2, 8), 0, 1000 * kGiB);  // even where none fits
    EXPECT_EQ(proposal.ranks, 1);
    EXPECT_EQ(proposal.threads, 16);
}

TEST(Propose, ThreadsThatWereChosenStay) {
    auto proposal = propose(node_of(2, 8), 0, kGiB, 4);
    EXPECT_EQ(proposal.ranks, 4);
    EXPECT_EQ(proposal.threads, 4);
    EXPECT_EQ(launch_line(Launcher::srun, proposal, 8),
              "srun --nodes=2 --ntasks-per-node=4 --cpus-per-task=4 --cpu-bind=cores");
    proposal = propose(node_of(2, 8), 0, 50 * kGiB, 2);  // 4 of them fit
    EXPECT_EQ(proposal.ranks, 4);
    EXPECT_EQ(proposal.cores, 4);
    EXPECT_EQ(proposal.threads, 2);
    EXPECT_EQ(propose(node_of(1, 2), 0, kGiB, 8).ranks, 1);
    EXPECT_EQ(propose(node_of(2, 8), 4, kGiB, 2).threads, 2);
}

TEST(Propose, ARankAGpuSharesTheCores) {
    auto const proposal = propose(node_of(2, 16, 2), 4, 1000 * kGiB);
    EXPECT_EQ(proposal.ranks, 4);
    EXPECT_EQ(proposal.cores, 8);
    EXPECT_EQ(proposal.threads, 1);
    EXPECT_EQ(launch_line(Launcher::open_mpi, proposal), "mpirun --map-by ppr:2:numa:PE=8 --bind-to core");
    EXPECT_EQ(launch_line(Launcher::srun, proposal, 8),
              "srun --nodes=2 --ntasks-per-node=4 --cpus-per-task=8 --threads-per-core=1 --cpu-bind=cores "
              "--gpus-per-task=1");
    auto const many = propose(node_of(1, 2), 4);  // more GPUs than cores: a launcher refuses to bind them
    EXPECT_EQ(many.describe(), "4 ranks a node, more than cores, not bound, 1 thread: a rank a GPU");
    EXPECT_EQ(launch_line(Launcher::open_mpi, many, 4),
              "mpirun -n 4 --map-by ppr:4:node:OVERSUBSCRIBE --bind-to none");
    EXPECT_EQ(launch_line(Launcher::hydra, many, 4), "mpiexec -n 4 -ppn 4 -bind-to none");
    EXPECT_EQ(launch_line(Launcher::srun, many, 4),
              "srun --nodes=1 --ntasks-per-node=4 --cpus-per-task=1 --overcommit --cpu-bind=none "
              "--gpus-per-task=1");
    EXPECT_EQ(propose(node_of(2, 8), 3).ranks, 3);  // an odd number stays one a GPU
    EXPECT_EQ(propose(node_of(2, 8), 3).ranks_a_domain, 0);
}

TEST(Crowds, AreRanksWithoutCoresOfTheirOwn) {
    auto const node = node_of(1, 4, 2);  // core c has CPUs c and c + 4
    auto const all = first_cpus(8);
    EXPECT_FALSE(find_crowd(node, {all, all, all, all}, 1));
    EXPECT_FALSE(find_crowd(node, {{0, 4}, {1, 5}, {2}, {3}}, 1));
    EXPECT_FALSE(find_crowd(node, {{0, 1}, {2, 3}}, 2));
    EXPECT_FALSE(find_crowd(node, {{0}, {1, 2}, all}, 1));
    auto crowd = find_crowd(node, {{0}, {4}, {1}, {2}}, 1);  // two hardware threads of one core
    ASSERT_TRUE(crowd);
    EXPECT_EQ(crowd->ranks, 2);
    EXPECT_EQ(crowd->cores, 1);
    crowd = find_crowd(node, {{0, 1}, {0}, {1, 5}}, 1);  // three on two cores, though no two masks are alike
    ASSERT_TRUE(crowd);
    EXPECT_EQ(crowd->ranks, 3);
    EXPECT_EQ(crowd->cores, 2);
    crowd = find_crowd(node, {{0}, {1}}, 2);
    ASSERT_TRUE(crowd);
    EXPECT_EQ(crowd->ranks, 1);
}

TEST(Masks, OfThisNodeAreKnownToAllItsRanks) {
    auto const world = Communicator::world();
    auto const masks = gather_masks(world.on_this_node());
    ASSERT_EQ(masks.of_ranks.size(), static_cast<std::size_t>(world.size()));
    for (auto const& mask : masks.of_ranks) {
        EXPECT_FALSE(mask.empty());
        EXPECT_TRUE(std::ranges::includes(masks.of_job, mask));
    }
    auto const node = read_node(masks.of_job);  // of this machine
    EXPECT_GE(node.cores, 1);
    EXPECT_GT(node.memory_bytes, 0U);
}

TEST(OwnMemory, IsItsMost) {
    constexpr std::size_t kMore = 64U << 20U;
    auto const before = own_memory_bytes();
    EXPECT_GT(before, 0U);
    {
        std::vector<char> const touched(kMore, 1);
        EXPECT_EQ(touched.back(), 1);
    }
    EXPECT_GE(own_memory_bytes(), before + kMore / 2);  // also when it is given back
}

}  // namespace
}  // namespace mpira::comm
