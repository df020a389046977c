#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "mpira/base/log.hpp"
#include "mpira/base/text.hpp"
#include "mpira/cli/commands.hpp"
#include "mpira/cli/read_settings.hpp"
#include "mpira/comm/devices.hpp"
#include "mpira/schedule/attendant.hpp"
#include "mpira/train/schema.hpp"
#include "mpira/train/sweep.hpp"
#include "mpira/train/sweep_job.hpp"

#include "cli/campaign.hpp"
#include "cli/sweep.hpp"

namespace mpira::cli {
namespace {

/// This rank's group: the ranks that train a run together.
comm::Communicator group_of(comm::Communicator const& world, Settings const& settings) {
    auto const each = static_cast<int>(settings.integer("folds.ranks_per_fold"));
    comm::everywhere(world, [&] {
        if (world.size() % each == 0) return;
        auto const fewer = world.size() / each * each;
        settings.refuse("folds.ranks_per_fold",
                        fmt::format("{} ranks can't be cut into groups of {}; start {}{}", world.size(), each,
                                    fewer > 0 ? fmt::format("{} or ", fewer) : "", fewer + each));
    });
    auto const node = world.on_this_node();
    auto const mine = node.bcast_value(static_cast<std::int64_t>(world.rank()));
    std::vector<std::int64_t> nodes;
    for (auto const& text : world.all_gather(std::to_string(mine)))
        nodes.push_back(text::to_integer(text).value_or(0));
    return world.split(train::cut_into_groups(nodes, each)[static_cast<std::size_t>(world.rank())],
                       world.rank());
}

}  // namespace

PreparedSweep prepare_sweep(CommandLine const& line, comm::Communicator const& world, bool with_output) {
    auto const text = read_on_root(line.config, world);
    auto const source = line.config.empty() ? std::string("command line") : line.config.string();
    auto settings = comm::everywhere(world, [&] {
        return parse_settings(with_campaign_schema(train::folds_schema()), text, source, line.overrides);
    });
    std::filesystem::path output;
    if (with_output) output = comm::everywhere(world, [&] { return output_path(line.output, settings); });
    auto device = comm::choose_device(world, comm::to_device_wish(settings.text("device")));
    auto group = group_of(world, settings);
    auto job = comm::everywhere(
        world, [&] { return std::make_unique<train::SweepJob>(settings, group, device.ordinal, output); });
    return {std::move(settings), std::move(device), std::move(group), std::move(output), std::move(job)};
}

int folds(CommandLine const& line, comm::Communicator const& world) {
    log::set_rank(world.rank(), line.verbose);
    auto const sweep = prepare_sweep(line, world, /*with_output=*/true);
    auto const& group = sweep.group;
    auto const leaders = world.split(group.is_root() ? 0 : 1, world.rank());
    auto& job = *sweep.job;
    int code = 0;
    std::optional<comm::Failure> failure;
    if (group.is_root()) {
        try {
            code = run_prepared(line, leaders, sweep.settings, sweep.device, job, sweep.output,
                                {.attendants = world.size() - leaders.size(),
                                 .on_created = [&] { train::SweepJob::begin_anew(sweep.output); }});
            comm::everywhere(leaders, [&] {
                if (leaders.is_root() && code == 0) job.restore_weights();
            });
        } catch (comm::CollectiveError const&) {  // of all leaders alike; the others must hear of it
            failure = comm::failure_of_current_exception();
        }
        job.dismiss();
    } else {
        schedule::Attendant attendant(sweep.output, world.size() - leaders.size(), leaders.rank());
        job.follow({.begin = [&](std::uint64_t unit) { attendant.begin(unit); },
                    .end = [&] { attendant.end(); },
                    .leave = [&] { attendant.leave(); }});
    }
    comm::agree_on(world, failure);
    return world.bcast_value(code);
}

}  // namespace mpira::cli
