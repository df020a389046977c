#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "mpira/base/settings.hpp"
#include "mpira/store/job.hpp"

namespace mpira::jobs {

/// What the place where we run offers to a job: decided outside, the same on every rank but for the device.
struct Place {
    int device = -1;  ///< CUDA device ordinal, -1: CPU
    int threads = 1;  ///< threads of one model call
};

/// A row of the job table: what `mpira jobs` lists, `mpira config NAME` explains and `mpira NAME` runs.
struct JobEntry {
    std::string_view name;
    std::string_view summary;
    std::string_view example;
    std::vector<SettingSpec> (*schema)();
    /// Opens and checks all inputs; throws Origin::usage naming the culprit. Local, called on every rank.
    std::unique_ptr<store::Job> (*make)(Settings const& settings, Place const& place);
};

/// All jobs, in one visible table (jobs/table.cpp). Adding a job is adding a line there; nothing registers
/// itself.
std::span<JobEntry const> job_table();

/// The entry of that name; a usage error with the nearest name otherwise.
JobEntry const& find_job(std::string_view name);

}  // namespace mpira::jobs
