#include "mpira/schedule/campaign.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/base/text.hpp"
#include "mpira/base/unwinding.hpp"
#include "mpira/comm/devices.hpp"
#include "mpira/comm/losses.hpp"
#include "mpira/comm/runtime.hpp"
#include "mpira/comm/stop.hpp"
#include "mpira/store/in_flight.hpp"
#include "mpira/store/inspect.hpp"
#include "mpira/store/owner.hpp"
#include "mpira/store/result_file.hpp"

#include "schedule/blame.hpp"
#include "schedule/committer.hpp"
#include "schedule/last_words.hpp"
#include "schedule/leader.hpp"
#include "schedule/worker.hpp"

namespace mpira::schedule {
namespace {

namespace fs = std::filesystem;
using store::ResultFile;
using store::UnitState;

constexpr int kAttempts = 2;

/// The launcher's name of this run, for the owner record.
std::string launcher_job() {
    for (auto const& [variable, name] : {std::pair{"SLURM_JOB_ID", "slurm"}, std::pair{"PBS_JOBID", "pbs"},
                                         std::pair{"LSB_JOBID", "lsf"}, std::pair{"JOB_ID", "sge"}})
        if (char const* id = std::getenv(variable)) return fmt::format("{} {}", name, id);
    return "";
}

store::CheckRows to_store(ResumeCheck check) {
    switch (check) {
        case ResumeCheck::none:
            return store::CheckRows::none;
        case ResumeCheck::sample:
            return store::CheckRows::sample;
        case ResumeCheck::all:
            return store::CheckRows::all;
    }
    return store::CheckRows::all;
}

store::WriteMode to_store(WritePath path) {
    return path == WritePath::direct ? store::WriteMode::direct : store::WriteMode::mpiio;
}

void check_options(CampaignOptions const& options) {
    require(options.commit_s > 0 && options.commit_units > 0 && options.commit_bytes > 0,
            "a campaign commits every so many seconds, units and bytes: all three above zero");
}

/// Bytes are promised for one build on one model of machine: refuses a second one unless that is allowed.
void refuse_mixed(comm::CommView world, fs::path const& file, bool is_finished, std::string const& machine,
                  CampaignOptions const& options) {
    auto const here = world.gather(machine);
    comm::everywhere(world, [&] {
        if (!world.is_root() || options.allow_mixed || is_finished) return;
        auto const begun = store::status(file);
        require(options.program.empty() || begun.version == options.program,
                fmt::format("{}: begun by mpira {}, this is {}; bytes are the same by one build only: go on "
                            "with that one, or use --allow-mixed to take the difference",
                            file.string(), begun.version, options.program));
        std::string first = here.front();
        std::string first_where = "rank 0";
        if (!begun.machines.empty()) {
            first = begun.machines.front().machine;
            first_where = "earlier runs";
        }
        for (std::size_t rank = 0; rank < here.size(); ++rank)
            require(
                store::same_model(here[rank], first),
                fmt::format("{}: {} computed on '{}', rank {} would on '{}'; bytes are the same on one model "
                            "only: use machines of that model, or --allow-mixed to take the difference",
                            file.string(), first_where, store::device_model(first), rank,
                            store::device_model(here[rank])));
    });
}

/// Rank 0's part: a file to work on, and the right to.
std::optional<store::Owner> create_and_claim(comm::CommView world, store::Job const& job,
                                             fs::path const& file, CampaignOptions const& options) {
    return comm::everywhere(world, [&]() -> std::optional<store::Owner> {
        check_options(options);
        if (!world.is_root()) return std::nullopt;
        bool const anew = options.fresh || !fs::exists(file);
        if (anew) {
            ResultFile::create(file, job.layout(), job.tables(),
                               {.reserve = options.reserve,
                                .stripes = options.stripes,
                                .overwrite = options.overwrite,
                                .owner_wait_s = options.owner_wait_s,
                                .program = options.program});
            store::remove_flight(file);  // of a file that was here before
        } else {
            ResultFile::require_same(file, job.layout());  // before waiting for an owner in vain
        }
        auto owner = store::Owner::claim(file, launcher_job(), options.owner_wait_s);
        if (anew && options.on_created) options.on_created();
        return owner;
    });
}

/// Reads finished rows back, each rank its share; what differs from its CRC will be run again.
void check_rows(comm::CommView world, ResultFile& file, ResumeCheck how) {
    auto const reopened = comm::everywhere(world, [&] {
        return file.check_rows(to_store(how), static_cast<std::uint64_t>(world.rank()),
                               static_cast<std::uint64_t>(world.size()));
    });
    for (auto const unit : reopened)
        log::warning("unit {}: its rows differ from their CRC, will be run again", unit);
    world.barrier();  // every rank has written what it reopened
    comm::everywhere(world, [&] { file.reload_states(); });
}

/// What the last run left is settled by rank 0 and known to all. Whether there is a record of this one.
bool settle(comm::CommView world, ResultFile& file, fs::path const& result, int attendants) {
    bool const recorded = comm::everywhere(
        world, [&] { return world.is_root() && settle_blame(file, result, world.size() + attendants); });
    comm::everywhere(world, [&] { file.reload_states(); });
    return world.bcast_value(recorded);
}

/// The leader's verdict on a rank that makes no progress.
std::string hung_text(fs::path const& result, store::FlightSlot& flight, std::string const& host,
                      Dispatcher::Running const& running, double seconds, double limit_s) {
    auto const report = store::read_flight(result);
    auto const at = static_cast<std::size_t>(running.rank);
    bool const in_unit = report && at < report->ranks.size() && report->ranks[at].unit == running.unit;
    // With the unit: a rank that heeds its stop token has left it before the job ends.
    flight.accuse(running.rank, running.unit, in_unit, in_unit && report->ranks[at].suspect);
    auto const where = in_unit ? fmt::format("at unit {}", running.unit)
                               : fmt::format("without a word, not computing, before unit {}", running.unit);
    return fmt::format(
        "rank {} on {} is {} for {:.3g} s, longer than watchdog.unit_timeout_s = {:g}: it hangs, and ends "
        "the job; "
        "the same command goes on from here",
        running.rank, host, where, seconds, limit_s);
}

/// A number for each of these names, the same for equal ones.
std::vector<int> numbered(std::vector<std::string> const& hosts) {
    std::map<std::string, int> number_of;
    std::vector<int> numbers;
    for (auto const& host : hosts)
        numbers.push_back(number_of.try_emplace(host, static_cast<int>(number_of.size())).first->second);
    return numbers;
}

Dispatcher make_dispatcher(store::Job const& job, Work const& work, std::vector<std::string> const& hosts) {
    std::vector<float> costs(job.layout().units(), 1);
    for (auto const unit : work.to_do) {
        auto const cost = job.relative_cost(unit);
        ensure(cost > 0 && std::isfinite(cost),
               fmt::format("job {}: unit {} has the relative cost {}", job.layout().job, unit, cost));
        costs[unit] = static_cast<float>(std::clamp(cost, 1e-30, 1e30));
    }
    return {std::move(costs),
            work.to_do,
            {.ranks = static_cast<int>(hosts.size()),
             .attempts = kAttempts,
             .suspects = work.suspects,
             .node_of = numbered(hosts)}};
}

std::vector<RankShare> gather_shares(comm::CommView team, int rank, Worker const& worker) {
    auto const texts =
        team.all_gather(fmt::format("{} {} {} {}", worker.units(), worker.busy_s(), comm::host_name(), rank));
    std::vector<RankShare> shares;
    for (auto const& text : texts) {
        auto const fields = text::split(text, ' ');
        shares.push_back({.rank = static_cast<int>(text::to_integer(fields.at(3)).value_or(0)),
                          .host = std::string(fields.at(2)),
                          .units = static_cast<std::uint64_t>(text::to_integer(fields.at(0)).value_or(0)),
                          .busy_s = text::to_number(fields.at(1)).value_or(0)});
    }
    return shares;
}

/// Notes in the rank's slot whether it leaves by an exception, which no unit is to blame for.
class EndNote {
public:
    explicit EndNote(store::FlightSlot& flight) : flight_(flight) {}
    EndNote(EndNote const&) = delete;
    EndNote& operator=(EndNote const&) = delete;
    ~EndNote() { flight_.note(probe_.unwinding() ? store::EndKind::threw : store::EndKind::left); }

private:
    store::FlightSlot& flight_;
    UnwindingProbe probe_;
};

/// This rank's slot; one that notes nothing where there is no record.
std::unique_ptr<store::FlightSlot> open_slot(comm::CommView world, fs::path const& result, bool recorded) {
    if (recorded) {
        try {
            return std::make_unique<store::FlightSlot>(result, world.rank(), comm::host_name());
        } catch (Error const& error) {
            log::warning("{}: should this rank die, nobody knows in which unit", error.what());
        }
    }
    return std::make_unique<store::FlightSlot>();
}

/// What a dead rank left in the record, for the leader.
Leader::Tasks::Lost lost_rank(fs::path const& result, int rank, std::string const& host) {
    auto const report = store::read_flight(result);
    auto const at = static_cast<std::size_t>(rank);
    if (!report || at >= report->ranks.size()) return {{}, fmt::format("rank {} on {} has died", rank, host)};
    return {report->ranks[at].unit, store::how_it_ended(at, report->ranks[at])};
}

/// Ranks can be lost only where all of the job are here: those outside would wait for the dead.
bool may_lose_ranks(comm::CommView world, CampaignOptions const& options) {
    int all = 0;
    comm::check(MPI_Comm_size(MPI_COMM_WORLD, &all), "MPI_Comm_size");
    return comm::survives_losses() && options.attendants == 0 && world.size() == all;
}

/// The part with threads: from the first claim until every rank has committed and left. Returns the ranks
/// that are there at the end, where some may have been lost.
std::optional<comm::Communicator> run_units(comm::Communicator const& world, store::Job& job,
                                            ResultFile& file, fs::path const& result, bool recorded,
                                            std::optional<store::Owner>& owner, comm::StopSignals& signals,
                                            std::string const& machine, CampaignOptions const& options,
                                            CampaignOutcome& outcome) {
    auto const channel = world.duplicate();
    auto const hosts = world.gather(comm::host_name());
    auto const host_of = [&](int rank) { return hosts.at(static_cast<std::size_t>(rank)); };
    std::uint64_t set_aside_before = 0;
    auto dispatcher = comm::everywhere(world, [&]() -> std::optional<Dispatcher> {
        if (!world.is_root()) return std::nullopt;
        auto const work = work_left(file);
        outcome.done_before = work.done;
        set_aside_before = work.set_aside;
        return make_dispatcher(job, work, hosts);
    });

    auto const flight = open_slot(world, result, recorded);
    LastWords const last_words(*flight);
    EndNote const end_note(*flight);
    Committer committer(channel, file, signals,
                        {.seconds = options.commit_s,
                         .units = options.commit_units,
                         .bytes = options.commit_bytes,
                         .gentle_s = options.finish_s,
                         .one_at_a_time = options.write != WritePath::direct});
    std::optional<Progress> progress;
    std::optional<Leader> leader;
    if (world.is_root()) {
        auto tell = options.on_progress;
        if (!tell) {
            progress.emplace();
            tell = [&](ProgressReport const& report) { progress->show(report); };
        }
        ProgressReport const start{
            .units = outcome.units, .done = outcome.done_before, .done_before = outcome.done_before};
        std::function<Leader::Tasks::Lost(int)> lost;
        if (may_lose_ranks(world, options))
            lost = [&](int rank) { return lost_rank(result, rank, host_of(rank)); };
        leader.emplace(
            channel, std::move(*dispatcher), start,
            Leader::Tasks{
                .heartbeat = [&] { owner->heartbeat(); },
                .progress = tell,
                .failed = [&] { committer.drop_unit(); },
                .unit_timeout_s = options.unit_timeout_s,
                .hung =
                    [&](Dispatcher::Running const& running, double seconds) {
                        return hung_text(result, *flight, host_of(running.rank), running, seconds,
                                         options.unit_timeout_s);
                    },
                .lost = std::move(lost),
                .on_disk = [&](std::uint64_t unit) { return file.journal(unit).state == UnitState::done; },
                .faulty =
                    [&](Failures::Faulty const& faulty) {
                        log::warning(
                            "rank {} on {} failed {} units that other ranks finish: is its device "
                            "gone, or a file system? It gets one at a time",
                            faulty.rank, host_of(faulty.rank), faulty.faults);
                    },
                .set_aside =
                    [&](std::uint64_t unit, std::string const& how) {
                        log::warning("unit {} is set aside: it ended its rank again", unit);
                        committer.add_deadly(
                            unit, fmt::format("ended its process {} times, last: {}", kAttempts, how));
                    }});
    }
    Worker worker(channel, job, committer, leader ? &*leader : nullptr, *flight, machine);
    worker.run();

    LeaderReport report;
    if (leader) report = leader->join();
    std::optional<comm::Communicator> left;
    if (may_lose_ranks(world, options)) left.emplace(comm::survivors(world));
    comm::CommView const team = left ? *left : world;
    report = team.bcast_value(report);
    outcome.done_before = team.bcast_value(outcome.done_before);
    outcome.set_aside = report.set_aside + team.bcast_value(set_aside_before);
    outcome.stopped = report.stopped != comm::StopKind::none;
    outcome.seconds = report.seconds;
    outcome.shares = gather_shares(team, world.rank(), worker);
    outcome.commit_s = team.all_sum(committer.commit_s()) / team.size();
    return left;
}

/// Counts what the file holds now; if that is everything, runs Job::finish on rank 0.
void conclude(comm::CommView world, store::Job& job, ResultFile& file, CampaignOutcome& outcome) {
    auto const [done, finished] = comm::everywhere(world, [&] {
        std::uint64_t count = 0;
        if (world.is_root()) {
            file.reload_states();
            count = work_left(file).done;
            if (count == outcome.units && !file.finished())
                file.finish([&](store::FinishedRows& rows) { job.finish(rows); });
        }
        return std::pair(count, count == outcome.units);
    });
    outcome.done = world.bcast_value(done);
    outcome.finished = world.bcast_value(finished);
}

}  // namespace

CampaignOutcome run_campaign(comm::Communicator const& world, store::Job& job, fs::path const& result,
                             CampaignOptions const& options) {
    auto const machine =
        store::machine_text(comm::host_name(), options.machine.empty() ? comm::cpu_model() : options.machine);
    comm::StopSignals signals;  // to the very end: a launcher may send its signal more than once
    CampaignOutcome outcome;
    outcome.units = job.layout().units();

    bool recorded = false;
    std::optional<comm::Communicator> left;
    auto owner = create_and_claim(world, job, result, options);
    try {
        auto file = comm::everywhere(
            world, [&] { return ResultFile::open(result, job.layout(), {.mode = to_store(options.write)}); });
        check_rows(world, file, options.check);
        refuse_mixed(world, result, file.finished(), machine,
                     options);  // what is finished is computed by none
        recorded = settle(world, file, result, options.attendants);
        left = run_units(world, job, file, result, recorded, owner, signals, machine, options, outcome);
        conclude(left ? *left : world, job, file, outcome);
    } catch (comm::CollectiveError const&) {
        // All ranks are leaving and none writes: the next start need not wait for our heartbeat to grow old.
        if (owner) owner->release();
        throw;
    }
    comm::CommView const team = left ? *left : world;
    comm::everywhere(team, [&] {
        if (!owner) return;
        if (recorded) store::remove_flight(result);  // all ranks are here
        owner->release();
    });
    if (left) team.barrier();  // nobody is gone before all are through (comm/losses.hpp)
    return outcome;
}

}  // namespace mpira::schedule
