// Options of the commands that say how long something takes.
#include <cmath>
#include <string>
#include <type_traits>

#include <fmt/format.h>

#include "mpira/base/text.hpp"

#include "cli/command_options.hpp"

namespace mpira::cli {
namespace {

/// "1e6" as 1000000; what is no whole number stays, for CLI11 to refuse.
std::string as_integer(std::string const& text) {
    auto const number = text::to_number(text);
    constexpr double kMost = 1e15;
    return number && *number == std::floor(*number) && std::abs(*number) <= kMost
               ? fmt::format("{:.0f}", *number)
               : text;
}

void add_simulate(CLI::App& app, CommandLine& line) {
    auto& sub = add_command(app, line, Command::simulate, "simulate", "the scheduler on virtual ranks",
                            "mpira simulate --ranks 64,512 --units 20000 --sigma 1.5 --straggler-share 0.02");
    auto& options = line.simulate;
    sub.add_option("--ranks", options.ranks, "Numbers of ranks, comma separated")
        ->delimiter(',')
        ->check(CLI::Range(1, 1 << 20))
        ->capture_default_str();
    auto const add_one = [&](char const* name, auto& value, char const* what, double least, double most) {
        auto* const option =
            sub.add_option(name, value, what)->check(number_in(least, most))->capture_default_str();
        if constexpr (std::is_integral_v<std::remove_reference_t<decltype(value)>>)
            option->transform(as_integer);
    };
    add_one("--units", options.units, "Units of work", 1, 1e8);
    add_one("--mean-s", options.mean_s, "Mean seconds of a unit (lognormal)", 1e-6, 1e6);
    add_one("--sigma", options.sigma, "Spread of the durations", 0, 5);
    sub.add_flag("--clustered", options.clustered, "Neighbouring units cost alike");
    add_one("--straggler-share", options.straggler_share, "Share of ranks that are slow", 0, 1);
    add_one("--straggler-factor", options.straggler_factor, "How much slower they are", 1, 1000);
    add_one("--start-s", options.start_s, "Seconds until a rank asks for its first unit", 0, 1e6);
    add_one("--latency-us", options.latency_us, "Microseconds a message takes", 0, 1e6);
    add_one("--service-us", options.service_us, "Microseconds the leader takes for a message", 0, 1e6);
    add_one("--commit-every-s", options.commit_every_s, "A rank commits after so many seconds", 0, 1e6);
    add_one("--commit-units", options.commit_units, "Or after so many units", 1, 1e9);
    add_one("--commit-s", options.commit_s, "Seconds a commit's syncs take", 0, 1e6);
    add_one("--unit-kb", options.unit_kb, "Kilobytes a unit writes", 0, 1e9);
    add_one("--file-system-mb-s", options.file_system_mb_s,
            "What the file system takes of all ranks together, MB a second; 0: no limit", 0, 1e9);
    add_one("--file-system-commits", options.file_system_commits,
            "And commits a second, of all ranks together; 0: no limit", 0, 1e9);
    add_one("--deaths", options.deaths, "Ranks that die on the way", 0, 1e6);
    add_one("--restart-s", options.restart_s,
            "A death ends the run of all ranks; seconds until the next one starts", 0, 1e7);
    sub.add_flag("--survivors-go-on", options.survivors_go_on,
                 "Instead, a death ends its rank only (not under today's MPI libraries)");
    add_one("--estimate-error", options.estimate_error, "Sigma of the error of predicted durations", 0, 5);
    add_one("--seed", options.seed, "Seed of the durations", 0, 1e15);
    sub.add_flag("--json", line.json, "For programs");
}

void add_bench(CLI::App& app, CommandLine& line) {
    auto& sub = add_command(
        app, line, Command::bench, "bench", "this installation measured, each part beside its limit",
        "mpirun -n 4 mpira bench --small --seconds 1 --folder /scratch/me --output bench.json");
    auto& options = line.bench;
    sub.add_option(
           "--folder", options.folder,
           "Where some files are written (up to 0.4 GB, and 128 MB a rank): the file system of results")
        ->type_name("FOLDER")
        ->capture_default_str();
    sub.add_option("--weights", options.weights,
                   "Weights of the model; else random ones of the published size")
        ->type_name("FILE");
    sub.add_flag("--small", options.small, "Random ones of the quickstart's size");
    sub.add_option("--seconds", options.seconds, "Seconds of each part, about")
        ->check(number_in(0.1, 1e5))
        ->capture_default_str();
    add_output(sub, "--output", line.output, "Also write the figures as JSON");
    sub.add_flag("--overwrite", line.overwrite, kOverwriteFile);
    sub.add_flag("--json", line.json, "JSON instead of the table");
}

}  // namespace

void add_estimate_commands(CLI::App& app, CommandLine& line) {
    add_simulate(app, line);
    add_bench(app, line);
}

}  // namespace mpira::cli
