#include "mpira/comm/node.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <thread>

#include <sched.h>
#include <unistd.h>

#include <fmt/format.h>

#include "mpira/base/text.hpp"

namespace mpira::comm {
namespace {

namespace fs = std::filesystem;

/// The file's first line; empty where there is none.
std::string first_line(fs::path const& file) {
    std::ifstream in(file);
    std::string line;
    std::getline(in, line);
    return line;
}

std::vector<int> in_both(std::vector<int> const& a, std::vector<int> const& b) {
    std::vector<int> both;
    std::ranges::set_intersection(a, b, std::back_inserter(both));
    return both;
}

std::vector<int> in_either(std::vector<int> const& a, std::vector<int> const& b) {
    std::vector<int> either;
    std::ranges::set_union(a, b, std::back_inserter(either));
    return either;
}

/// All hardware threads of the core of `cpu`, itself at least.
std::vector<int> threads_of_core(fs::path const& topology, int cpu) {
    for (char const* const name :
         {"core_cpus_list", "thread_siblings_list"}) {  // the second: before Linux 5.x
        auto threads = to_cpus(first_line(topology / name));
        if (threads && std::ranges::binary_search(*threads, cpu)) return *threads;
    }
    return {cpu};
}

std::vector<int> cores_of_domains(Node const& node, fs::path const& folder) {
    std::vector<int> counts;
    std::error_code code;
    for (fs::directory_iterator entry(folder, code); !code && entry != fs::directory_iterator();
         entry.increment(code)) {
        auto const name = entry->path().filename().string();
        if (!name.starts_with("node") || !text::to_integer(std::string_view(name).substr(4))) continue;
        auto const cpus = to_cpus(first_line(entry->path() / "cpulist"));
        if (!cpus) continue;
        std::set<int> cores;
        for (std::size_t i = 0; i < node.cpus.size(); ++i)
            if (std::ranges::binary_search(*cpus, node.cpus[i])) cores.insert(node.core_of[i]);
        if (!cores.empty()) counts.push_back(static_cast<int>(cores.size()));
    }
    std::ranges::sort(counts);
    return counts;
}

/// The folder of this process's control group for `controller` and all above it, in version 1 or 2. A
/// container may see the group's path without its folders: those that exist are looked at.
std::vector<fs::path> control_groups(fs::path const& root, std::string_view controller) {
    std::ifstream in(root / "proc/self/cgroup");
    std::vector<fs::path> folders;
    for (std::string line; std::getline(in, line);) {
        auto fields = text::split(line, ':');  // 9:cpu,cpuacct:/path, or 0::/path, which may hold a ':'
        if (fields.size() < 3) continue;
        fields[2] = std::string_view(line).substr(static_cast<std::size_t>(fields[2].data() - line.data()));
        auto const names = text::split(fields[1], ',');
        auto mounts = std::vector<fs::path>{};
        if (fields[1].empty())
            mounts = {"sys/fs/cgroup", "sys/fs/cgroup/unified"};
        else if (std::ranges::find(names, controller) != names.end())
            mounts = {fs::path("sys/fs/cgroup") / controller,
                      fs::path("sys/fs/cgroup") / std::string(fields[1])};
        for (auto const& mount : mounts) {
            auto group = fs::path(std::string(fields[2])).relative_path();
            for (;; group = group.parent_path()) {
                folders.push_back(root / mount / group);
                if (group.empty()) break;
            }
        }
    }
    return folders;
}

double quota_cpus(fs::path const& root) {
    double least = 0;
    auto const take = [&](std::optional<double> quota_us, std::optional<double> period_us) {
        if (!quota_us || !period_us || *quota_us <= 0 || *period_us <= 0) return;
        auto const cpus = *quota_us / *period_us;
        least = least > 0 ? std::min(least, cpus) : cpus;
    };
    for (auto const& group : control_groups(root, "cpu")) {
        auto const both = first_line(group / "cpu.max");  // "max 100000": no limit
        auto const fields = text::split(both, ' ');
        if (fields.size() == 2) take(text::to_number(fields[0]), text::to_number(fields[1]));
        take(text::to_number(first_line(group / "cpu.cfs_quota_us")),
             text::to_number(first_line(group / "cpu.cfs_period_us")));
    }
    return least;
}

/// A file's lines "Name:   123 kB".
std::map<std::string, double> kib_of(fs::path const& file) {
    std::ifstream in(file);
    std::map<std::string, double> kib;
    for (std::string line; std::getline(in, line);) {
        auto const colon = line.find(':');
        if (colon == std::string::npos || !line.ends_with(" kB")) continue;
        auto const value = std::string_view(line).substr(colon + 1, line.size() - colon - 4);
        if (auto const number = text::to_number(text::trim(value))) kib[line.substr(0, colon)] = *number;
    }
    return kib;
}

std::uint64_t memory_bytes(fs::path const& root) {
    double least = 1024 * kib_of(root / "proc/meminfo")["MemTotal"];
    for (auto const& group : control_groups(root, "memory"))
        for (char const* const name : {"memory.max", "memory.limit_in_bytes"})
            if (auto const limit = text::to_number(first_line(group / name)); limit && *limit > 0)
                least = least > 0 ? std::min(least, *limit) : *limit;
    return static_cast<std::uint64_t>(least);
}

/// The CPUs that the kernel lets a process run on; nothing where it does not say.
std::vector<int> affinity_of(pid_t process) {
    // The kernel refuses a set that is smaller than its own, whose size it does not tell.
    for (int count = CPU_SETSIZE; count <= 1 << 20; count *= 2) {
        auto const set = std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)>(
            CPU_ALLOC(static_cast<std::size_t>(count)), [](cpu_set_t* made) { CPU_FREE(made); });
        auto const size = CPU_ALLOC_SIZE(static_cast<std::size_t>(count));
        if (!set) return {};
        if (::sched_getaffinity(process, size, set.get()) != 0) continue;
        std::vector<int> cpus;
        for (int cpu = 0; cpu < count; ++cpu)
            if (CPU_ISSET_S(static_cast<std::size_t>(cpu), size, set.get())) cpus.push_back(cpu);
        return cpus;
    }
    return {};
}

std::vector<int> cpus_of_this_process() {
    auto cpus = affinity_of(0);
    if (cpus.empty())
        for (unsigned cpu = 0; cpu < std::max(1U, std::thread::hardware_concurrency()); ++cpu)
            cpus.push_back(static_cast<int>(cpu));
    return cpus;
}

/// 0 where it is not told.
pid_t parent_of(pid_t process) {
    std::ifstream in(fmt::format("/proc/{}/status", process));
    for (std::string line; std::getline(in, line);)
        if (line.starts_with("PPid:"))
            return static_cast<pid_t>(
                text::to_integer(text::trim(std::string_view(line).substr(5))).value_or(0));
    return 0;
}

/// Under a launcher the mask is the launcher's binding, no limit of the job; the limit is what the launcher
/// itself may use: our parent, or above shells and containers that stand between. By hand the parent is a
/// shell, and a narrower mask is meant (taskset).
std::vector<int> cpus_of_launcher() {
    bool const launched = std::ranges::any_of(std::array{"PMIX_RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK"},
                                              [](char const* name) { return std::getenv(name) != nullptr; });
    if (!launched) return {};
    constexpr std::array kLaunchers{"orted",           "mpirun",     "mpiexec",   "orterun",
                                    "prted",           "prterun",    "prun",      "mpiexec.hydra",
                                    "hydra_pmi_proxy", "slurmstepd", "pmi_proxy", "srun"};
    for (auto process = ::getppid(); process > 1; process = parent_of(process)) {
        auto const name = first_line(fmt::format("/proc/{}/comm", process));
        if (std::ranges::find(kLaunchers, name) != kLaunchers.end()) return affinity_of(process);
    }
    return affinity_of(::getppid());
}

}  // namespace

int Node::usable_cores() const {
    constexpr double kAlmost = 1e-6;
    return quota_cpus > 0 ? std::clamp(static_cast<int>(std::min(quota_cpus + kAlmost, 1e6)), 1, cores)
                          : cores;
}

std::optional<std::vector<int>> to_cpus(std::string_view list) {
    constexpr std::int64_t kMost = 1 << 20;
    std::set<int> cpus;
    list = text::trim(list);
    if (list.empty()) return std::vector<int>();
    for (auto const part : text::split(list, ',')) {
        auto const dash = std::min(part.find('-'), part.size());
        auto const first = text::to_integer(part.substr(0, dash));
        auto const last = dash < part.size() ? text::to_integer(part.substr(dash + 1)) : first;
        if (!first || !last || *first < 0 || *last < *first || *last > kMost) return std::nullopt;
        for (auto cpu = *first; cpu <= *last; ++cpu) cpus.insert(static_cast<int>(cpu));
    }
    return std::vector<int>(cpus.begin(), cpus.end());
}

std::string to_cpu_list(std::vector<int> const& cpus) {
    std::string list;
    for (std::size_t i = 0; i < cpus.size();) {
        auto last = i;
        while (last + 1 < cpus.size() && cpus[last + 1] == cpus[last] + 1) ++last;
        list += fmt::format("{}{}", list.empty() ? "" : ",", cpus[i]);
        if (last > i) list += fmt::format("-{}", cpus[last]);
        i = last + 1;
    }
    return list;
}

Node read_node(std::vector<int> cpus, fs::path const& root) {
    Node node;
    auto const system = root / "sys/devices/system";
    if (auto const online = to_cpus(first_line(system / "cpu/online"));
        online && !in_both(cpus, *online).empty())
        cpus = in_both(cpus, *online);
    node.cpus = std::move(cpus);
    std::set<int> cores;
    std::set<std::int64_t> sockets;
    for (int const cpu : node.cpus) {
        auto const topology = system / fmt::format("cpu/cpu{}/topology", cpu);
        auto const threads = threads_of_core(topology, cpu);
        node.threads_a_core = std::max(node.threads_a_core, static_cast<int>(threads.size()));
        node.core_of.push_back(threads.front());
        cores.insert(threads.front());
        sockets.insert(text::to_integer(first_line(topology / "physical_package_id")).value_or(0));
    }
    node.cores = std::max(1, static_cast<int>(cores.size()));
    node.sockets = std::max(1, static_cast<int>(sockets.size()));
    node.domain_cores = cores_of_domains(node, system / "node");
    node.quota_cpus = quota_cpus(root);
    node.memory_bytes = memory_bytes(root);
    return node;
}

std::uint64_t own_memory_bytes() {
    auto kib = kib_of("/proc/self/status");
    return static_cast<std::uint64_t>(
        1024 * std::max(kib["RssAnon"], kib["VmHWM"] - kib["RssFile"] - kib["RssShmem"]));
}

NodeMasks gather_masks(CommView node) {
    NodeMasks masks;
    for (auto const& list : node.all_gather(to_cpu_list(cpus_of_this_process())))
        masks.of_ranks.push_back(to_cpus(list).value_or(std::vector<int>()));
    for (auto const& list : node.all_gather(to_cpu_list(cpus_of_launcher())))
        masks.of_job = in_either(masks.of_job, to_cpus(list).value_or(std::vector<int>()));
    for (auto const& mask : masks.of_ranks) masks.of_job = in_either(masks.of_job, mask);
    return masks;
}

}  // namespace mpira::comm
