#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "mpira/base/settings.hpp"
#include "mpira/cli/command_line.hpp"
#include "mpira/comm/communicator.hpp"
#include "mpira/comm/devices.hpp"
#include "mpira/jobs/table.hpp"

namespace mpira::cli {

/// A job with all its inputs open, ready to run.
struct PreparedJob {
    Settings settings;
    comm::Device device;
    std::unique_ptr<store::Job> job;
};

/// Rank 0 reads the file, all get its text, or all throw alike. [collective]
std::string read_on_root(std::filesystem::path const& file, comm::Communicator const& world);

/// Reads the settings (rank 0 reads the file, the others get its text), chooses devices and opens the job's
/// inputs. What is wrong on any rank is an error on all. [collective]
PreparedJob prepare_job(CommandLine const& line, comm::Communicator const& world);

/// What there is beside a campaign, as schedule::CampaignOptions has it.
struct Beside {
    int attendants = 0;  ///< processes that are none of its ranks (schedule/attendant.hpp)
    std::function<void()> on_created = {};
};

/// Runs an open job as a campaign of all ranks of `world` and tells of it; returns the exit code.
/// [collective]
int run_prepared(CommandLine const& line, comm::Communicator const& world, Settings const& settings,
                 comm::Device const& device, store::Job& job, std::filesystem::path const& output,
                 Beside const& beside = {});

/// A usage error where a setting names the output, which would then take an input's place.
void refuse_inputs_as_output(std::filesystem::path const& output, Settings const& settings);

/// Where the result goes: --output, or the setting. Refuses an empty one, a folder, a name without .h5ad, a
/// file in a folder that does not exist or can't be written, and an input.
std::filesystem::path output_path(std::filesystem::path const& from_command_line, Settings const& settings);

}  // namespace mpira::cli
