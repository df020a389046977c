#include "mpira/base/log.hpp"
#include "mpira/base/text.hpp"
#include "mpira/cli/commands.hpp"
#include "mpira/cli/read_settings.hpp"
#include "mpira/comm/devices.hpp"
#include "mpira/comm/runtime.hpp"
#include "mpira/comm/stop.hpp"
#include "mpira/report/run_header.hpp"
#include "mpira/train/run.hpp"
#include "mpira/train/schema.hpp"

#include "cli/campaign.hpp"
#include "cli/version.hpp"

namespace mpira::cli {

int train(CommandLine const& line, comm::Communicator const& world) {
    log::set_rank(world.rank(), line.verbose);
    auto const text = read_on_root(line.config, world);
    auto const source = line.config.empty() ? std::string("command line") : line.config.string();
    auto const settings = comm::everywhere(
        world, [&] { return parse_settings(train::train_schema(), text, source, line.overrides); });
    auto const device = comm::choose_device(world, comm::to_device_wish(settings.text("device")));

    auto const hosts = world.all_gather(comm::host_name());
    auto const devices = world.all_gather(device.name);
    if (world.is_root()) {
        log::info("{}: train", program_name());
        log::info("{} on {}; {}; {} a rank", text::counted(world.size(), "rank"), report::count_equal(hosts),
                  report::count_equal(devices), text::counted(settings.integer("threads"), "thread"));
    }
    auto const output = line.output.empty() ? settings.path("output") : line.output;
    comm::everywhere(world, [&] { refuse_inputs_as_output(output, settings); });
    comm::StopSignals const signals;
    return train::run_train(world, settings,
                            {.output = output,
                             .fresh = line.fresh,
                             .overwrite = line.overwrite,
                             .device = device.ordinal,
                             .stop_requested = [&] { return signals.requested() != comm::StopKind::none; }});
}

}  // namespace mpira::cli
