// What a campaign will cost, from a few of its units run here.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/base/text.hpp"
#include "mpira/cli/commands.hpp"
#include "mpira/comm/node.hpp"
#include "mpira/report/run_header.hpp"
#include "mpira/store/job.hpp"

#include "cli/campaign.hpp"
#include "cli/sweep.hpp"

namespace mpira::cli {
namespace {

/// Unit numbers at evenly spaced quantiles of the predicted cost.
std::vector<std::uint64_t> spread_sample(std::vector<double> const& costs, std::size_t count) {
    std::vector<std::uint64_t> order(costs.size());
    std::iota(order.begin(), order.end(), std::uint64_t{0});
    std::sort(order.begin(), order.end(), [&](auto a, auto b) { return costs[a] < costs[b]; });
    count = std::min(count, order.size());
    std::vector<std::uint64_t> chosen;
    for (std::size_t i = 0; i < count; ++i) chosen.push_back(order[(2 * i + 1) * order.size() / (2 * count)]);
    return chosen;
}

struct Sample {
    double seconds = 0;
    double cost = 0;
    std::size_t units = 0;  ///< 0: a piece of one
};

Sample measure(store::Job& job, std::vector<std::uint64_t> const& units, std::vector<double> const& costs) {
    if (auto const seconds = job.measured_seconds_per_cost())
        return {.seconds = *seconds, .cost = 1, .units = 0};
    using Clock = std::chrono::steady_clock;
    auto const run = [&](std::uint64_t unit) {
        store::UnitRows rows(job.layout(), unit);
        auto const begin = Clock::now();
        job.run(unit, rows, {});
        return std::chrono::duration<double>(Clock::now() - begin).count();
    };
    // The first unit also pays for reading pages and warming up; it is not counted.
    run(*std::min_element(units.begin(), units.end(), [&](auto a, auto b) { return costs[a] < costs[b]; }));
    Sample sample;
    for (auto const unit : units) {
        sample.seconds += run(unit);
        sample.cost += costs[unit];
        ++sample.units;
    }
    return sample;
}

/// "14,520", "12.3", "below 0.01": hours that people compare.
std::string hours(double seconds) {
    auto const value = seconds / 3600;
    if (value < 0.01) return "below 0.01";
    if (value < 100) return fmt::format("{:.3g}", value);
    return text::with_commas(static_cast<std::uint64_t>(std::llround(value)));
}

/// How a campaign's ranks are to lie on nodes. Asked for a number, that many, and no more is known of those
/// nodes; else nodes like this one, with the memory that a rank took here. [collective]
comm::Proposal lay_out(CommandLine const& line, comm::Communicator const& world, comm::Device const& device,
                       int threads, std::uint64_t rank_bytes) {
    auto const masks = comm::gather_masks(world.on_this_node());
    auto const gpus = device.ordinal >= 0 ? comm::count_devices(world) : 0;
    if (line.plan.rate > 0) rank_bytes = std::max(rank_bytes, comm::kAssumedRankBytes);  // nothing ran here
    auto proposal = comm::propose(comm::read_node(masks.of_job), gpus, rank_bytes, threads);
    auto const asked = static_cast<int>(line.plan.ranks_per_node);
    if (asked == 0 || asked == proposal.ranks) return proposal;
    proposal.ranks = asked;
    proposal.cores = proposal.threads = threads;
    proposal.ranks_a_domain = 0;
    proposal.binds = true;
    proposal.reason = "as asked";
    return proposal;
}

/// The words that start it, for both kinds of launcher.
void tell_start(CommandLine const& line, comm::Proposal const& proposal, int threads) {
    auto words = fmt::format("mpira {}", line.job);
    if (!line.config.empty()) words += " --config " + text::shell_word(line.config.string());
    if (proposal.threads != threads) words += fmt::format(" --set threads={}", proposal.threads);
    fmt::print("start          {} {} ...\n",
               comm::launch_line(comm::built_launcher(), proposal, line.plan.ranks), words);
    fmt::print("               {} {} ...\n",
               comm::launch_line(comm::Launcher::srun, proposal, line.plan.ranks), words);
}

int tell_cost(CommandLine const& line, comm::Communicator const& world, store::Job& job,
              comm::Device const& device, int threads, int ranks_per_unit) {
    auto const& layout = job.layout();
    std::vector<double> costs(layout.units());
    for (std::uint64_t unit = 0; unit < costs.size(); ++unit) costs[unit] = job.relative_cost(unit);
    auto const total_cost = std::accumulate(costs.begin(), costs.end(), 0.0);
    auto const most_cost = *std::max_element(costs.begin(), costs.end());

    // Every rank runs the same units at once, so that shared memory and caches are as busy as they will be.
    auto const units = spread_sample(costs, static_cast<std::size_t>(line.plan.sample_units));
    bool const told = line.plan.rate > 0;
    auto const sample =
        told ? Sample{.seconds = static_cast<double>(layout.rows) / line.plan.rate / ranks_per_unit,
                      .cost = total_cost}
             : comm::everywhere(world, [&] { return measure(job, units, costs); });
    auto const ratio = world.all_sum(sample.seconds / sample.cost) / world.size();
    auto const memory = world.all_max(static_cast<std::int64_t>(comm::own_memory_bytes()));
    auto const layout_of_ranks = lay_out(line, world, device, threads, static_cast<std::uint64_t>(memory));
    if (!world.is_root()) return 0;

    // A unit is worked on by ranks_per_unit ranks at a time.
    auto const at_once = std::max<std::int64_t>(1, line.plan.ranks / ranks_per_unit);
    std::int64_t const ranks_per_node = layout_of_ranks.ranks;
    auto const nodes = (line.plan.ranks + ranks_per_node - 1) / ranks_per_node;
    auto const work_s = ratio * total_cost;
    auto const longest_s = ratio * most_cost;
    auto const span_s = std::max(work_s / static_cast<double>(at_once), longest_s);
    fmt::print("job {}: {}\n", layout.job, job.describe());
    auto const unit_s = work_s / static_cast<double>(layout.units());
    if (told)
        fmt::print("as told: {:g} rows/s a rank, {:.4g} s a unit\n", line.plan.rate, unit_s);
    else
        fmt::print("measured here: {} of {} units on {} rank(s), {}, {:.4g} s a unit\n",
                   sample.units > 0 ? std::to_string(sample.units) : std::string("a piece of one"),
                   layout.units(), world.size(), device.name, unit_s);
    fmt::print("work           {} core-hours in {} units, mean {:.4g} s, longest {:.4g} s\n",
               hours(work_s * ranks_per_unit), layout.units(), unit_s, longest_s);
    fmt::print("time           {} on {} ranks ({} node(s) of {}), {} node-hours\n", text::duration(span_s),
               line.plan.ranks, nodes, ranks_per_node, hours(span_s * static_cast<double>(nodes)));
    fmt::print("memory         {} of its own a rank, {} a node, and one copy of the inputs a node\n",
               text::bytes(static_cast<std::uint64_t>(memory)),
               text::bytes(static_cast<std::uint64_t>(memory * ranks_per_node)));
    fmt::print("output         {} and names of {} rows\n", text::bytes(report::result_bytes(layout)),
               layout.rows);
    bool const proposed = line.plan.ranks_per_node == 0;
    if (!told || !proposed)
        tell_start(line, layout_of_ranks, threads);  // else for nodes that aren't this one
    if (proposed)
        fmt::print("note           {}, where nodes are like this one; --ranks-per-node for others\n",
                   layout_of_ranks.describe());
    if (proposed && layout_of_ranks.ranks == 1 && layout_of_ranks.cores == 1 && world.size() == 1)
        fmt::print(
            "note           this start may use one core: where nodes have more, plan from one that holds a "
            "whole node\n");
    if (layout_of_ranks.threads != threads)
        fmt::print(
            "note           the times are those of threads = {0}; threads = {1} was not measured: plan it "
            "with "
            "--set threads={1}\n",
            threads, layout_of_ranks.threads);
    if (!told && device.ordinal < 0)
        fmt::print(
            "note           the rate is that of a CPU{}; for GPUs start this where one is, or give --rate\n",
            world.size() < ranks_per_node
                ? fmt::format(" whose other cores may idle: start it on {} ranks of a compute node for that "
                              "of a full one",
                              ranks_per_node)
                : "");
    if (longest_s > work_s / static_cast<double>(at_once))
        fmt::print(
            "note           the longest unit decides: more than {:.0f} ranks bring nothing, smaller units "
            "would\n",
            work_s / longest_s * ranks_per_unit);
    return 0;
}

}  // namespace

int plan(CommandLine const& line, comm::Communicator const& world) {
    log::set_rank(world.rank(), line.verbose);
    if (line.job == "folds") {
        auto const sweep = prepare_sweep(line, world, /*with_output=*/false);
        return tell_cost(line, world, *sweep.job, sweep.device,
                         static_cast<int>(sweep.settings.integer("threads")), sweep.group.size());
    }
    auto const prepared = prepare_job(line, world);
    return tell_cost(line, world, *prepared.job, prepared.device,
                     static_cast<int>(prepared.settings.integer("threads")), 1);
}

}  // namespace mpira::cli
