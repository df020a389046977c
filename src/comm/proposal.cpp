#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "mpira/base/text.hpp"
#include "mpira/comm/node.hpp"

namespace mpira::comm {
namespace {

std::set<int> cores_of(Node const& node, std::vector<int> const& mask) {
    std::set<int> cores;
    for (std::size_t i = 0; i < node.cpus.size(); ++i)
        if (std::ranges::binary_search(mask, node.cpus[i])) cores.insert(node.core_of[i]);
    return cores;
}

bool is_even(std::vector<int> const& counts) {
    return std::ranges::all_of(counts, [&](int count) { return count == counts.front(); });
}

/// Where ranks of several cores, packed one after another, would lie across NUMA domains, gives each domain
/// the same number of them; with fewer ranks than domains nothing helps.
void keep_within_domains(Proposal& proposal, Node const& node) {
    auto const domains = static_cast<int>(node.domain_cores.size());
    if (domains < 2 || !is_even(node.domain_cores) || node.usable_cores() < node.cores ||
        proposal.cores == 1 || proposal.ranks < domains ||
        (proposal.on_gpus && proposal.ranks % domains != 0))
        return;
    proposal.ranks_a_domain = proposal.ranks / domains;
    proposal.ranks = proposal.ranks_a_domain * domains;
    proposal.cores = std::max(1, node.domain_cores.front() / proposal.ranks_a_domain);
}

}  // namespace

std::optional<Crowd> find_crowd(Node const& node, std::vector<std::vector<int>> const& masks, int threads) {
    std::vector<std::set<int>> cores;
    for (auto const& mask : masks) cores.push_back(cores_of(node, mask));
    std::optional<Crowd> worst;
    for (auto const& among : std::set(cores.begin(), cores.end())) {
        if (among.empty()) continue;
        Crowd crowd{0, static_cast<int>(among.size())};
        for (auto const& of_rank : cores)
            if (std::ranges::includes(among, of_rank)) ++crowd.ranks;
        if (crowd.ranks * threads <= crowd.cores) continue;
        if (!worst || crowd.ranks * worst->cores > worst->ranks * crowd.cores) worst = crowd;
    }
    return worst;
}

Proposal propose(Node const& node, int gpus, std::uint64_t rank_bytes, int threads) {
    Proposal proposal;
    proposal.smt = node.threads_a_core > 1;
    proposal.threads = threads;
    auto const cores = node.usable_cores();
    if (gpus > 0) {
        proposal.on_gpus = true;
        proposal.ranks = gpus;
        proposal.cores = std::max(1, cores / gpus);
        proposal.binds = gpus <= cores;
        keep_within_domains(proposal, node);
        proposal.reason = "a rank a GPU";
        return proposal;
    }
    proposal.cores = std::min(threads, cores);
    proposal.reason = threads == 1 ? "a rank a core" : fmt::format("a rank for {} cores", proposal.cores);
    if (cores < node.cores)
        proposal.reason +=
            fmt::format(" that the control group pays for ({:.3g} of {})", node.quota_cpus, node.cores);
    if (node.memory_bytes > 0 && rank_bytes > 0) {
        auto const room = std::max(
            1.0, kMemoryShare * static_cast<double>(node.memory_bytes) / static_cast<double>(rank_bytes));
        // Rounded up: no core stays idle for it.
        auto const least = static_cast<int>(std::ceil(cores / room));
        if (least > proposal.cores) {
            proposal.cores = least;
            proposal.reason =
                fmt::format("{} with {} a rank do not suffice for {}", text::bytes(node.memory_bytes),
                            text::bytes(rank_bytes), proposal.reason);
        }
    }
    proposal.ranks = std::max(1, cores / proposal.cores);
    keep_within_domains(proposal, node);
    if (threads == 1) proposal.threads = proposal.cores;
    return proposal;
}

std::string Proposal::describe() const {
    return fmt::format("{} a node, {}, {}: {}", text::counted(ranks, "rank"),
                       binds ? "each bound to " + text::counted(cores, "core") : "more than cores, not bound",
                       threads == 1 ? std::string("1 thread") : fmt::format("threads = {}", threads), reason);
}

Launcher built_launcher() {
#ifdef OPEN_MPI
    return Launcher::open_mpi;
#else
    return Launcher::hydra;
#endif
}

std::string launch_line(Launcher launcher, Proposal const& proposal, std::int64_t ranks) {
    auto const nodes = (ranks + proposal.ranks - 1) / proposal.ranks;
    auto const a_node = ranks > 0 ? std::min<std::int64_t>(ranks, proposal.ranks) : proposal.ranks;
    auto const of_all = [&](std::string_view option) {
        return ranks > 0 ? fmt::format("{}{} ", option, ranks) : std::string();
    };
    // Ranks a domain would put a few of them into the first one.
    bool const by_domain = proposal.ranks_a_domain > 0 && (ranks == 0 || ranks >= proposal.ranks);
    switch (launcher) {
        case Launcher::open_mpi:
            if (!proposal.binds)
                return fmt::format("mpirun {}--map-by ppr:{}:node:OVERSUBSCRIBE --bind-to none",
                                   of_all("-n "), a_node);
            return fmt::format(
                "mpirun {}--map-by ppr:{}:PE={} --bind-to core", of_all("-n "),
                by_domain ? fmt::format("{}:numa", proposal.ranks_a_domain) : fmt::format("{}:node", a_node),
                proposal.cores);
        case Launcher::hydra:
            return fmt::format("mpiexec {}-ppn {} -bind-to {}", of_all("-n "), a_node,
                               proposal.binds ? fmt::format("core:{}", proposal.cores) : "none");
        case Launcher::srun:
            break;
    }
    auto tasks = fmt::format("--ntasks-per-node={}", a_node);
    if (ranks > 0)  // a last node with fewer: Slurm would warn of a number a node
        tasks = fmt::format("--nodes={} {}", nodes,
                            nodes * a_node == ranks ? tasks : fmt::format("--ntasks={}", ranks));
    // A core's second hardware thread counts as a CPU under Slurm unless told otherwise.
    return fmt::format("srun {} --cpus-per-task={}{} {}{}", tasks, proposal.cores,
                       proposal.smt ? " --threads-per-core=1" : "",
                       proposal.binds ? "--cpu-bind=cores" : "--overcommit --cpu-bind=none",
                       proposal.on_gpus ? " --gpus-per-task=1" : "");
}

}  // namespace mpira::comm
