#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "mpira/schedule/campaign.hpp"

namespace mpira::report {

/// What a run found when it started.
struct RunFacts {
    std::string job;
    std::string description;           ///< Job::describe()
    std::vector<std::string> hosts;    ///< one a rank
    std::vector<std::string> devices;  ///< one a rank: the GPU's or CPU's name
    int threads = 1;                   ///< of one model call
    std::uint64_t rows = 0;
    std::uint64_t units = 0;
    std::uint64_t bytes = 0;  ///< of the finished numeric arrays
    std::filesystem::path output;
    std::string program;  ///< "mpira 0.1.0 (git ...)"
};

/// The lines a run starts with.
std::vector<std::string> run_header(RunFacts const& facts);

/// "resuming: 120 of 500 units are in the file already", told once the file was read.
std::string resume_line(std::uint64_t units_before, std::uint64_t units);

/// The lines a run ends with: how far it came, where the result lies and how to open it.
std::vector<std::string> run_footer(schedule::CampaignOutcome const& outcome,
                                    std::filesystem::path const& output);

/// "4 x AMD EPYC 9654, 2 x ..." of equal names in order of first appearance.
std::string count_equal(std::vector<std::string> const& names);

/// Bytes of a layout's row and fixed arrays.
std::uint64_t result_bytes(store::ResultLayout const& layout);

}  // namespace mpira::report
