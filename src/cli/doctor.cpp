// Can this place run mpira? Each check is a line: ok, or what to do.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <set>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mpira/base/draft_file.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"
#include "mpira/cli/commands.hpp"
#include "mpira/cli/read_settings.hpp"
#include "mpira/comm/devices.hpp"
#include "mpira/comm/node.hpp"
#include "mpira/comm/runtime.hpp"
#include "mpira/report/run_header.hpp"
#include "mpira/schedule/campaign.hpp"
#include "mpira/store/file_io.hpp"
#include "mpira/store/inspect.hpp"

#include "cli/campaign.hpp"
#include "cli/version.hpp"

namespace mpira::cli {
namespace {

namespace fs = std::filesystem;

using text::counted;

/// What is wrong with how the ranks lie on the cores of a node; empty: nothing.
std::string crowding(comm::Node const& node, comm::NodeMasks const& masks, int threads) {
    auto const ranks = static_cast<int>(masks.of_ranks.size());
    if (ranks * threads > node.usable_cores())
        return fmt::format(
            "{} of {} on {} slow each other down: fewer ranks on a node, a core for each thread",
            counted(ranks, "rank"), counted(threads, "thread"), counted(node.usable_cores(), "core"));
    if (auto const crowd = comm::find_crowd(node, masks.of_ranks, threads))
        return fmt::format(
            "{} of {} bound to {} slow each other down: bind as the lines of the proposal do, or not "
            "at all (mpirun --bind-to none, srun --cpu-bind=none)",
            counted(crowd->ranks, "rank"), counted(threads, "thread"), counted(crowd->cores, "core"));
    return {};
}

bool try_lock(store::Descriptor const& file) {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_len = 1;
    return ::fcntl(file.get(), F_OFD_SETLK, &lock) == 0;
}

class Doctor {
public:
    Doctor(comm::Communicator const& world, fs::path scratch, int threads)
        : world_(world), scratch_(std::move(scratch)), threads_(threads) {}

    /// Runs a check on all ranks; what `body` returns is the line's text. Whether all is well. [collective]
    bool check(std::string_view name, std::string_view advice, std::function<std::string()> const& body) {
        try {
            auto const text = comm::everywhere(world_, body);
            say("ok", name, text);
            return true;
        } catch (comm::CollectiveError const& error) {
            all_well_ = false;
            say("FAIL", name, fmt::format("{}\n{:18} {}", error.what(), "", advice));
            return false;
        }
    }

    void ranks() {
        check("ranks",
              "Start it by your real launcher: mpirun -n 4 mpira doctor, or srun --mpi=pmix mpira doctor.",
              [&] {
                  auto const hosts = world_.all_gather(comm::host_name());
                  return fmt::format("{} ({})", world_.size(), report::count_equal(hosts));
              });
    }

    void cores() {
        auto const ranks = world_.on_this_node();
        auto const masks = comm::gather_masks(ranks);
        node_ = comm::everywhere(world_, [&] { return comm::read_node(masks.of_job); });
        auto const domains = std::max(1, static_cast<int>(node_.domain_cores.size()));
        auto text = fmt::format(
            "{} on a node of {} ({}, {}, {} a core); rank 0 may use CPU {}", counted(ranks.size(), "rank"),
            counted(node_.cores, "core"), counted(node_.sockets, "socket"), counted(domains, "NUMA domain"),
            counted(node_.threads_a_core, "hardware thread"), comm::to_cpu_list(masks.of_ranks.front()));
        if (node_.usable_cores() < node_.cores)
            text += fmt::format(", together for the time of {:.3g}", node_.quota_cpus);
        // Each node's first rank tells of it; one warning is enough.
        auto const wrong = crowding(node_, masks, threads_);
        auto const warnings =
            world_.gather(ranks.is_root() && !wrong.empty() ? comm::host_name() + ": " + wrong : "");
        auto const first = std::ranges::find_if(warnings, [](auto const& one) { return !one.empty(); });
        if (first == warnings.end())
            say("ok", "cores", text);
        else
            say("warn", "cores", fmt::format("{}\n{:18} {}", text, "", *first));
    }

    /// How ranks are best started on this node, and on the others where those differ.
    void proposal() {
        check("proposal", "The driver does not answer: nvidia-smi says more.", [&] {
            auto const proposal =
                comm::propose(node_, comm::count_devices(world_), comm::kAssumedRankBytes, threads_);
            auto text = proposal.describe();
            if (!proposal.on_gpus && node_.memory_bytes > 0)
                text += fmt::format(" ({} a rank assumed, {} here; `mpira plan` measures it)",
                                    text::bytes(comm::kAssumedRankBytes), text::bytes(node_.memory_bytes));
            for (auto const launcher : {comm::built_launcher(), comm::Launcher::srun})
                text += fmt::format(
                    "\n{:18} {} mpira ...{}", "", comm::launch_line(launcher, proposal),
                    proposal.threads > 1 ? fmt::format(" --set threads={}", proposal.threads) : "");
            auto const ranks = world_.on_this_node();
            std::vector<std::string> nodes;
            auto const mine =
                fmt::format("{} of {}", counted(proposal.ranks, "rank"), counted(proposal.cores, "core"));
            for (auto& one : world_.all_gather(ranks.is_root() ? mine : ""))
                if (!one.empty()) nodes.push_back(std::move(one));
            if (std::set(nodes.begin(), nodes.end()).size() > 1)
                text += fmt::format("\n{:18} The nodes differ: {}", "", report::count_equal(nodes));
            return text;
        });
    }

    void devices() {
        check("devices", "One rank a GPU: --gpus-per-task=1, or as many ranks on a node as it has GPUs.",
              [&] {
                  device_ = comm::choose_device(world_, comm::DeviceWish::automatic);
                  return report::count_equal(world_.all_gather(device_.name));
              });
    }

    void nccl() {
        check("nccl",
              "MPI works and NCCL does not: NCCL_DEBUG=WARN says why; try NCCL_SOCKET_IFNAME, or "
              "NCCL_IB_DISABLE=1 "
              "to see whether the fast network is at fault.",
              [&] { return comm::try_device_sum(world_, device_); });
    }

    void all_reduce() {
        check("all-reduce",
              "MPI itself does not work between these ranks: try the network (--mca btl tcp,self).", [&] {
                  constexpr std::size_t kLength = 1U << 20U;
                  std::vector<float> values(kLength);
                  for (std::size_t i = 0; i < kLength; ++i)
                      values[i] = static_cast<float>(world_.rank() + static_cast<int>(i % 7));
                  world_.all_sum(std::span(values));
                  int const n = world_.size();
                  int const sum_of_ranks = n * (n - 1) / 2;
                  for (std::size_t i = 0; i < kLength; ++i) {
                      auto const expected = static_cast<float>(sum_of_ranks + n * static_cast<int>(i % 7));
                      require(values[i] == expected,
                              fmt::format("element {} is {}, expected {}", i, values[i], expected));
                  }
                  return fmt::format("{} floats over {} ranks, exact", kLength, n);
              });
    }

    /// A small campaign with one unit less than ranks (at least one), so that a rank stays idle.
    void parallel_write() {
        auto const& entry = jobs::find_job("synthetic");
        std::vector<std::string> const overrides{fmt::format("rows={}", 100 * std::max(1, world_.size() - 1)),
                                                 "rows_per_unit=100", "duration.mean_ms=5"};
        auto const settings =
            parse_settings(with_campaign_schema(entry.schema()), "", "mpira doctor", overrides);
        auto const job = entry.make(settings, {});
        schedule::CampaignOptions options;
        options.machine = comm::cpu_model();
        options.on_progress = [](schedule::ProgressReport const&) {};
        written_ = check(
            "write",
            "All ranks must see the same file system, with room for 1 MB: name a new file there with "
            "--output.",
            [&] {
                comm::everywhere(world_, [&] {
                    if (world_.is_root())
                        require(!fs::exists(scratch_) && fs::is_directory(folder_of(scratch_)),
                                fs::exists(scratch_)
                                    ? fmt::format("{} exists", scratch_.string())
                                    : fmt::format("{}: there is no folder {}", scratch_.string(),
                                                  folder_of(scratch_).string()));
                });
                scratch_is_mine_ = true;
                auto const outcome = schedule::run_campaign(world_, *job, scratch_, options);
                require(outcome.finished, fmt::format("{} of {} units done", outcome.done, outcome.units));
                auto const idle = std::count_if(outcome.shares.begin(), outcome.shares.end(),
                                                [](auto const& share) { return share.units == 0; });
                return fmt::format("{} units by {} ranks ({} idle) into {}", outcome.units, world_.size(),
                                   idle, scratch_.string());
            });
        if (!written_) return;  // of a file that isn't there nothing can be said
        check("read back", "The file system loses writes; don't trust it with results.", [&] {
            if (!world_.is_root()) return std::string();
            auto const verdict = store::verify(scratch_);
            require(verdict.good() && verdict.checked == job->layout().units(), "a checksum does not hold");
            return fmt::format("{} units, every checksum holds", verdict.checked);
        });
    }

    /// The owner record needs byte-range locks that other processes see.
    void locking() {
        if (!written_) return;
        check("locking",
              "File locks don't work here: two campaigns could write one file unnoticed. Mount with locks "
              "(Lustre: -o flock), or keep to one start at a time.",
              [&] {
                  auto const file = comm::everywhere(world_, [&] {
                      return std::make_unique<store::Descriptor>(store::open_existing(scratch_, true));
                  });
                  auto const other = comm::everywhere(world_, [&] {
                      return std::make_unique<store::Descriptor>(store::open_existing(scratch_, true));
                  });
                  bool const locked = !world_.is_root() || try_lock(*file);
                  world_.barrier();
                  bool const met = !try_lock(*other);  // even within a process: the lock is the descriptor's
                  world_.barrier();
                  comm::require_everywhere(world_, locked, "no lock can be taken on this file system");
                  comm::require_everywhere(world_, met, "a lock held by rank 0 is not seen");
                  return std::string("a lock held by rank 0 is seen by all");
              });
    }

    void clean_up() const {
        if (!world_.is_root() || !scratch_is_mine_) return;
        std::error_code code;
        fs::remove(scratch_, code);
    }

    [[nodiscard]] bool all_well() const { return all_well_; }

private:
    void say(std::string_view verdict, std::string_view name, std::string_view text) const {
        if (!world_.is_root()) return;
        fmt::print("{:<5} {:<12} {}\n", verdict, name, text);
        std::fflush(stdout);
    }

    comm::Communicator const& world_;
    fs::path scratch_;
    bool scratch_is_mine_ = false;
    bool written_ = false;
    bool all_well_ = true;
    int threads_;
    comm::Node node_;
    comm::Device device_;
};

}  // namespace

int doctor(CommandLine const& line, comm::Communicator const& world) {
    auto const scratch = line.output.empty() ? fs::path("mpira-doctor.h5ad") : line.output;
    if (world.is_root()) fmt::print("{}", versions());
    Doctor doctor(world, scratch, static_cast<int>(line.threads));
    doctor.ranks();
    doctor.cores();
    doctor.devices();
    doctor.proposal();
    doctor.all_reduce();
    doctor.nccl();
    doctor.parallel_write();
    doctor.locking();
    doctor.clean_up();
    if (world.is_root())
        fmt::print("{}\n", doctor.all_well() ? "this place can run mpira" : "something is wrong, see above");
    return doctor.all_well() ? 0 : 2;
}

}  // namespace mpira::cli
