#include "mpira/schedule/campaign.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/base/text.hpp"
#include "mpira/comm/devices.hpp"
#include "mpira/comm/runtime.hpp"
#include "mpira/comm/stop.hpp"
#include "mpira/store/inspect.hpp"
#include "mpira/store/owner.hpp"
#include "mpira/store/result_file.hpp"

#include "schedule/committer.hpp"
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

/// "node17 Xeon 8480+" without the host.
std::string model_of(std::string const& machine) {
    auto const space = machine.find(' ');
    return space == std::string::npos ? machine : machine.substr(space + 1);
}

/// Both may have been cut to the journal's width.
bool same_model(std::string const& a, std::string const& b) {
    return a.starts_with(b) || b.starts_with(a);
}

/// Bytes are promised for one model of machine: refuses a second one unless that is allowed.
void refuse_mixed(comm::CommView world, fs::path const& file, std::string const& machine, bool allowed) {
    auto const here = world.gather(machine);
    comm::everywhere(world, [&] {
        if (!world.is_root() || allowed) return;
        std::string first = model_of(here.front());
        std::string first_where = "rank 0";
        if (auto const before = store::status(file).machines; !before.empty()) {
            first = model_of(before.front().machine);
            first_where = "earlier runs";
        }
        for (std::size_t rank = 0; rank < here.size(); ++rank)
            require(
                same_model(model_of(here[rank]), first),
                fmt::format("{}: {} computed on '{}', rank {} would on '{}'; bytes are the same on one model "
                            "only: use machines of that model, or --allow-mixed to take the difference",
                            file.string(), first_where, first, rank, model_of(here[rank])));
    });
}

/// Rank 0's part: a file to work on, and the right to.
std::optional<store::Owner> create_and_claim(comm::CommView world, store::Job const& job,
                                             fs::path const& file, CampaignOptions const& options) {
    return comm::everywhere(world, [&]() -> std::optional<store::Owner> {
        check_options(options);
        if (!world.is_root()) return std::nullopt;
        if (options.fresh || !fs::exists(file))
            ResultFile::create(file, job.layout(), job.tables(),
                               {.reserve = options.reserve, .overwrite = options.overwrite});
        return store::Owner::claim(file, launcher_job());
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

struct Work {
    std::vector<std::uint64_t> to_do;
    std::uint64_t done = 0;
};

Work work_left(ResultFile const& file) {
    Work work;
    auto const states = file.states();
    for (std::uint64_t unit = 0; unit < states.size(); ++unit) {
        if (states[unit] == UnitState::done) {
            ++work.done;
        } else {
            work.to_do.push_back(unit);  // those set aside too: a new start is a new chance
        }
    }
    return work;
}

Dispatcher make_dispatcher(store::Job const& job, Work const& work, int ranks) {
    std::vector<float> costs(job.layout().units(), 1);
    for (auto const unit : work.to_do) {
        auto const cost = job.relative_cost(unit);
        ensure(cost > 0 && std::isfinite(cost),
               fmt::format("job {}: unit {} has the relative cost {}", job.layout().job, unit, cost));
        costs[unit] = static_cast<float>(std::clamp(cost, 1e-30, 1e30));
    }
    return {std::move(costs), work.to_do, {.ranks = ranks, .attempts = kAttempts}};
}

std::vector<RankShare> gather_shares(comm::CommView world, Worker const& worker) {
    auto const texts =
        world.all_gather(fmt::format("{} {} {}", worker.units(), worker.busy_s(), comm::host_name()));
    std::vector<RankShare> shares;
    for (std::size_t rank = 0; rank < texts.size(); ++rank) {
        auto const fields = text::split(texts[rank], ' ');
        shares.push_back({.rank = static_cast<int>(rank),
                          .host = std::string(fields.at(2)),
                          .units = static_cast<std::uint64_t>(text::to_integer(fields.at(0)).value_or(0)),
                          .busy_s = text::to_number(fields.at(1)).value_or(0)});
    }
    return shares;
}

/// The part with threads: from the first claim until every rank has committed and left.
void run_units(comm::Communicator const& world, store::Job& job, ResultFile& file,
               std::optional<store::Owner>& owner, comm::StopSignals& signals, std::string const& machine,
               CampaignOptions const& options, CampaignOutcome& outcome) {
    auto const channel = world.duplicate();
    auto dispatcher = comm::everywhere(world, [&]() -> std::optional<Dispatcher> {
        if (!world.is_root()) return std::nullopt;
        auto const work = work_left(file);
        outcome.done_before = work.done;
        return make_dispatcher(job, work, world.size());
    });

    Committer committer(channel, file, signals,
                        {.seconds = options.commit_s,
                         .units = options.commit_units,
                         .bytes = options.commit_bytes,
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
        leader.emplace(channel, std::move(*dispatcher), start,
                       Leader::Tasks{.heartbeat = [&] { owner->heartbeat(); },
                                     .progress = tell,
                                     .failed = [&] { committer.drop_unit(); }});
    }
    Worker worker(channel, job, committer, leader ? &*leader : nullptr, machine, kAttempts);
    worker.run();

    LeaderReport report;
    if (leader) report = leader->join();
    report = world.bcast_value(report);
    outcome.done_before = world.bcast_value(outcome.done_before);
    outcome.set_aside = report.set_aside;
    outcome.stopped = report.stopped != comm::StopKind::none;
    outcome.seconds = report.seconds;
    outcome.shares = gather_shares(world, worker);
    outcome.commit_s = world.all_sum(committer.commit_s()) / world.size();
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

    auto owner = create_and_claim(world, job, result, options);
    try {
        auto file = comm::everywhere(
            world, [&] { return ResultFile::open(result, job.layout(), {.mode = to_store(options.write)}); });
        refuse_mixed(world, result, machine, options.allow_mixed);
        check_rows(world, file, options.check);
        run_units(world, job, file, owner, signals, machine, options, outcome);
        conclude(world, job, file, outcome);
    } catch (comm::CollectiveError const&) {
        // All ranks are leaving and none writes: the next start need not wait for our heartbeat to grow old.
        if (owner) owner->release();
        throw;
    }
    comm::everywhere(world, [&] {
        if (owner) owner->release();
    });
    return outcome;
}

}  // namespace mpira::schedule
