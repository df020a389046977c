#include <utility>

#include <fmt/format.h>

#include "mpira/base/log.hpp"
#include "mpira/cli/commands.hpp"
#include "mpira/comm/runtime.hpp"
#include "mpira/report/run_header.hpp"
#include "mpira/schedule/campaign.hpp"

#include "cli/campaign.hpp"
#include "cli/login_node.hpp"
#include "cli/version.hpp"

namespace mpira::cli {
namespace {

schedule::CampaignOptions campaign_options(CommandLine const& line, Settings const& settings) {
    auto const& check = settings.text("resume.check");
    schedule::CampaignOptions options;
    options.fresh = line.fresh;
    options.overwrite = line.overwrite;
    options.allow_mixed = line.allow_mixed;
    options.program = build_name();
    options.reserve = settings.flag("store.reserve") && !line.no_reserve;
    options.stripes = static_cast<int>(settings.integer("store.stripe"));
    options.check = check == "none"     ? schedule::ResumeCheck::none
                    : check == "sample" ? schedule::ResumeCheck::sample
                                        : schedule::ResumeCheck::all;
    options.write =
        settings.text("store.write") == "direct" ? schedule::WritePath::direct : schedule::WritePath::mpiio;
    options.owner_wait_s = settings.number("store.owner_wait_s");
    options.commit_s = settings.number("commit.seconds");
    options.commit_units = settings.count("commit.units");
    options.finish_s = settings.number("stop.finish_s");
    options.unit_timeout_s = settings.number("watchdog.unit_timeout_s");
    return options;
}

void say(comm::Communicator const& world, std::vector<std::string> const& lines) {
    if (!world.is_root()) return;
    for (auto const& line : lines) log::info("{}", line);
}

}  // namespace

int run_job(CommandLine const& line, comm::Communicator const& world) {
    log::set_rank(world.rank(), line.verbose);
    auto const prepared = prepare_job(line, world);
    auto const output = comm::everywhere(world, [&] { return output_path(line.output, prepared.settings); });
    return run_prepared(line, world, prepared.settings, prepared.device, *prepared.job, output);
}

int run_prepared(CommandLine const& line, comm::Communicator const& world, Settings const& settings,
                 comm::Device const& device, store::Job& job, std::filesystem::path const& output,
                 Beside const& beside) {
    auto const& layout = job.layout();
    say(world, report::run_header({.job = layout.job,
                                   .description = job.describe(),
                                   .hosts = world.all_gather(comm::host_name()),
                                   .devices = world.all_gather(device.name),
                                   .threads = static_cast<int>(settings.integer("threads")),
                                   .rows = layout.rows,
                                   .units = layout.units(),
                                   .bytes = report::result_bytes(layout),
                                   .output = output,
                                   .program = program_name()}));

    auto options = campaign_options(line, settings);
    options.machine = device.name;
    options.attendants = beside.attendants;
    options.on_created = beside.on_created;
    schedule::Progress progress;
    bool told = false;
    constexpr double kLongRun_s = 600;
    auto hint = login_node_hint();
    options.on_progress = [&](schedule::ProgressReport const& report) {
        if (!told && report.done_before > 0)
            log::info("{}", report::resume_line(report.done_before, report.units));
        told = true;
        if (report.left_s > kLongRun_s && !hint.empty()) log::warning("{}", std::exchange(hint, {}));
        progress.show(report);
    };
    auto const outcome = schedule::run_campaign(world, job, output, options);
    // For perf/: the seconds people are told are rounded.
    if (world.is_root())
        log::debug("campaign: {:.4f} s from the first claim to the last commit, {:.4f} s in commits a rank",
                   outcome.seconds, outcome.commit_s);
    say(world, report::run_footer(outcome, output));
    return outcome.exit_code();
}

}  // namespace mpira::cli
