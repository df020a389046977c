#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mpira/comm/communicator.hpp"

/// What a node has, and how ranks are best started on it.
namespace mpira::comm {

/// What this job may use of a node. A CPU is what the kernel calls one: a hardware thread.
struct Node {
    std::vector<int> cpus;           ///< that may be used, ascending
    std::vector<int> core_of;        ///< of each CPU: the lowest CPU of its physical core, its core's name
    int cores = 1;                   ///< physical cores that these CPUs belong to
    int threads_a_core = 1;          ///< the most hardware threads that a core has, usable or not
    int sockets = 1;                 ///< that these cores belong to
    std::vector<int> domain_cores;   ///< cores in each NUMA domain that has some; empty: unknown
    double quota_cpus = 0;           ///< CPU time that the control group grants, in CPUs; 0: no limit
    std::uint64_t memory_bytes = 0;  ///< of the machine or the control group, what is less; 0: unknown

    /// Cores that can be busy at once: within the quota, at least one.
    [[nodiscard]] int usable_cores() const;
};

/// Reads what the kernel tells under `root`/sys and `root`/proc of these CPUs (not empty). What it does not
/// tell stays at its default, and a CPU whose core is unknown counts as a core. Throws nothing for files that
/// are missing or unreadable.
Node read_node(std::vector<int> cpus, std::filesystem::path const& root = "/");

/// Memory of this process's own, at its most so far: what each further rank costs. Files that are mapped, the
/// atlas and libraries, are a node's. 0 where the kernel won't say.
std::uint64_t own_memory_bytes();

/// "0-3,8" as 0, 1, 2, 3, 8; nothing where it is no such list. Empty text is an empty list.
std::optional<std::vector<int>> to_cpus(std::string_view list);
/// The other way; `cpus` ascending.
std::string to_cpu_list(std::vector<int> const& cpus);

/// The CPUs of the ranks of one node.
struct NodeMasks {
    std::vector<std::vector<int>> of_ranks;  ///< that each may run on, in rank order
    std::vector<int> of_job;  ///< those together and, where a launcher bound them, what it may use itself
};
/// [collective over `node`, the ranks of one node]
NodeMasks gather_masks(CommView node);

/// Ranks that can't each have cores of their own: `ranks` of them may run on no other than these `cores`.
struct Crowd {
    int ranks = 0;
    int cores = 0;
};
/// The worst one, if ranks of so many threads are crowded; masks of CPUs of `node`.
std::optional<Crowd> find_crowd(Node const& node, std::vector<std::vector<int>> const& masks, int threads);

/// How to start ranks on a node.
struct Proposal {
    int ranks = 1;           ///< on a node
    int cores = 1;           ///< a rank is bound to
    int threads = 1;         ///< the setting `threads`
    bool on_gpus = false;    ///< a rank a GPU
    bool smt = false;        ///< the cores have several hardware threads
    bool binds = true;       ///< false: there are more ranks than cores
    int ranks_a_domain = 0;  ///< above 0: so many in each NUMA domain, so that no rank spans two
    std::string reason;      ///< "a rank a core"

    [[nodiscard]] std::string describe() const;  ///< "8 ranks a node, each bound to 4 cores, 1 thread: ..."
};

/// What a rank takes where nobody measured it: a Jacobian of the published size (768x12) takes about 1 GB.
inline constexpr std::uint64_t kAssumedRankBytes = std::uint64_t{2} << 30U;
/// The share of a node's memory that ranks may fill; the rest is for one copy of the inputs and the system.
inline constexpr double kMemoryShare = 0.8;

/// With GPUs a rank a GPU and the cores shared among them; else a rank a core of one thread or, where the
/// memory does not suffice for that, fewer ranks of more threads, of which no rank spans NUMA domains where
/// that can be had. Ranks of more `threads` than one keep them, with a core each.
Proposal propose(Node const& node, int gpus, std::uint64_t rank_bytes = kAssumedRankBytes, int threads = 1);

enum class Launcher { open_mpi, hydra, srun };
/// The one that comes with the MPI this is built with.
Launcher built_launcher();
/// The launcher's words before "mpira": of so many ranks in all, or with 0 of a node's ranks without their
/// number.
std::string launch_line(Launcher launcher, Proposal const& proposal, std::int64_t ranks = 0);

}  // namespace mpira::comm
