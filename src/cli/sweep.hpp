#pragma once

#include <filesystem>
#include <memory>

#include "mpira/base/settings.hpp"
#include "mpira/cli/command_line.hpp"
#include "mpira/comm/communicator.hpp"
#include "mpira/comm/devices.hpp"
#include "mpira/train/sweep_job.hpp"

namespace mpira::cli {

/// A sweep with all its inputs open, ready to run or to be planned, on every rank.
struct PreparedSweep {
    Settings settings;
    comm::Device device;
    comm::Communicator group;      ///< the ranks that train a run together with this one
    std::filesystem::path output;  ///< empty: only planned
    std::unique_ptr<train::SweepJob> job;
};

/// As prepare_job (campaign.hpp), for `mpira folds`. Without `with_output` no result is asked for, and the
/// job may not run. [collective]
PreparedSweep prepare_sweep(CommandLine const& line, comm::Communicator const& world, bool with_output);

}  // namespace mpira::cli
