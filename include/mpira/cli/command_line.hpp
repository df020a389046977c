#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace mpira::cli {

/// What the user asked for. `run` is any job of jobs::job_table(); the job's name is in CommandLine::job.
enum class Command { run, train, status, verify, seal, plan, simulate, jobs, config, doctor, completion };

/// Options of `mpira plan`.
struct PlanOptions {
    std::int64_t ranks = 64;
    std::int64_t ranks_per_node = 8;
    std::int64_t sample_units = 2;  ///< units run here to measure seconds a unit
};

/// Options of `mpira simulate`. Durations are lognormal with this mean and sigma.
struct SimulateOptions {
    std::vector<std::int64_t> ranks{4, 64, 512};
    std::int64_t units = 20000;
    double mean_s = 1.0;
    double sigma = 1.5;
    bool clustered = false;         ///< neighbouring units cost alike
    double straggler_share = 0.0;   ///< share of ranks that are slow
    double straggler_factor = 4.0;  ///< how much slower
    double latency_us = 20.0;       ///< one message
    std::int64_t deaths = 0;        ///< ranks that die during the campaign
    double estimate_error = 0.0;    ///< sigma of the lognormal error of predicted costs
    std::int64_t seed = 1;
};

/// The parsed command line, typed. Options that a command does not have keep their defaults.
struct CommandLine {
    Command command = Command::jobs;
    std::string job;                     ///< run, plan, config: a job's name
    std::filesystem::path config;        ///< empty: no file, everything by --set
    std::vector<std::string> overrides;  ///< "key.path=value", in order
    std::filesystem::path output;        ///< --output, empty: the config's
    std::filesystem::path file;          ///< status, verify, seal: the result file
    std::string shell;                   ///< completion: "bash" or "zsh"
    bool fresh = false;
    bool overwrite = false;
    bool allow_mixed = false;
    bool no_reserve = false;
    bool verbose = false;
    bool partial = false;  ///< seal: also an unfinished file
    bool json = false;     ///< status: for programs
    PlanOptions plan;
    SimulateOptions simulate;
};

/// What parsing ended in: a command to run, or a text to print and an exit code.
struct Parsed {
    std::optional<CommandLine> line;
    std::string text;   ///< help, version or the error
    int exit_code = 0;  ///< 0 for help and version, 2 for a wrong command line
};

/// Parses argv. Pure: prints nothing, knows no MPI, so that a wrong command line ends before any rank waits.
Parsed parse_command_line(int argc, char const* const* argv);

/// A completion script for the shell, made from the same description as --help.
std::string completion_script(std::string const& shell);

}  // namespace mpira::cli
