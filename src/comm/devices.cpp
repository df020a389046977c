#include "mpira/comm/devices.hpp"

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <string>

#include <sys/utsname.h>

#include <fmt/format.h>

#include "mpira/base/text.hpp"
#include "mpira/comm/runtime.hpp"

#include "comm/gpu/devices.hpp"

namespace mpira::comm {
namespace {

/// The ordinal this rank should take; a usage error when there is none for it.
int pick(std::vector<gpu::Seen> const& seen, int node_rank, int ranks_on_node) {
    int const devices = static_cast<int>(seen.size());
    if (devices == 1) return 0;  // what the launcher left visible; duplicates are found by UUID below
    require(ranks_on_node <= devices,
            fmt::format("{} ranks on {} but {} GPUs: start one rank a GPU (mpirun --map-by ppr:{}:node, srun "
                        "--ntasks-per-node={}), or set device = \"cpu\"",
                        ranks_on_node, host_name(), devices, devices, devices));
    return node_rank;
}

void refuse_duplicates(CommView node, std::string const& uuid) {
    std::map<std::string, int> first_rank;
    auto const uuids = node.all_gather(uuid);
    for (int rank = 0; rank < static_cast<int>(uuids.size()); ++rank) {
        auto const [holder, is_new] = first_rank.emplace(uuids[static_cast<std::size_t>(rank)], rank);
        require(is_new, fmt::format("ranks {} and {} of {} would share GPU {}: start one rank a GPU (srun "
                                    "--gpus-per-task=1, or all GPUs visible to all ranks)",
                                    holder->second, rank, host_name(), holder->first));
    }
}

}  // namespace

DeviceWish to_device_wish(std::string_view text) {
    if (text == "auto") return DeviceWish::automatic;
    if (text == "cpu") return DeviceWish::cpu;
    if (text == "cuda") return DeviceWish::cuda;
    fail_usage(fmt::format("device is '{}': it is auto, cpu or cuda", text));
}

Device choose_device(Communicator const& world, DeviceWish wish) {
    auto const node = world.on_this_node();
    Device mine{
        .ordinal = -1, .name = "", .uuid = "", .node_rank = node.rank(), .ranks_on_node = node.size()};

    auto const seen = wish == DeviceWish::cpu ? std::vector<gpu::Seen>() : gpu::visible_devices();
    bool const anywhere = world.all_max(static_cast<std::int64_t>(seen.size())) > 0;
    everywhere(world, [&] {
        if (!seen.empty() || (wish == DeviceWish::automatic && !anywhere)) return;
        require(wish == DeviceWish::cpu,
                gpu::kBuilt
                    ? fmt::format("no GPU is seen on {}: {}; with device = \"cpu\" all ranks compute on "
                                  "the CPU",
                                  host_name(), gpu::why_none())
                    : "device = \"cuda\" needs a build with -DMPIRA_GPU=ON (cmake --preset cuda)");
    });
    if (seen.empty()) {
        mine.name = cpu_model();
        return mine;
    }
    everywhere(world, [&] {
        mine.ordinal = pick(seen, node.rank(), node.size());
        auto const& device = seen[static_cast<std::size_t>(mine.ordinal)];
        mine.name = device.name;
        mine.uuid = device.uuid;
    });
    everywhere(world, [&] { refuse_duplicates(node, mine.uuid); });
    everywhere(world, [&] { gpu::make_current(mine.ordinal); });
    return mine;
}

int count_devices(Communicator const& world) {
    auto const seen = everywhere(world, [] { return gpu::visible_devices(); });
    auto const node = world.on_this_node();
    std::string mine;
    for (auto const& device : seen) mine += device.uuid + '\n';
    std::set<std::string, std::less<>> uuids;
    for (auto const& list : node.all_gather(mine))
        for (auto const uuid : text::split(list, '\n'))
            if (!uuid.empty()) uuids.emplace(uuid);
    return static_cast<int>(uuids.size());
}

std::string cpu_model() {
    std::ifstream info("/proc/cpuinfo");
    std::map<std::string, std::string, std::less<>> first;  // of the first processor
    for (std::string line; std::getline(info, line) && !line.empty();) {
        if (auto const colon = line.find(':'); colon != std::string::npos)
            first.emplace(text::trim(std::string_view(line).substr(0, colon)),
                          text::trim(std::string_view(line).substr(colon + 1)));
    }
    if (auto const found = first.find("model name"); found != first.end()) {
        auto name = found->second;
        auto const clock = std::min(name.find(" @"), name.size());
        // Clouds call many generations "AMD EPYC" or "Intel(R) Xeon(R) CPU".
        if (std::ranges::none_of(name.substr(0, clock), [](char c) { return c >= '0' && c <= '9'; }))
            name.insert(clock, fmt::format(" ({}/{})", first["cpu family"], first["model"]));
        return name;
    }
    utsname machine{};
    return uname(&machine) == 0 ? std::string(machine.machine) : "unknown CPU";
}

}  // namespace mpira::comm
