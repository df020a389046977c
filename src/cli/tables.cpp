// Commands that print tables of the program itself, and how commands without MPI run.
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/file_errors.hpp"
#include "mpira/base/settings.hpp"
#include "mpira/base/text.hpp"
#include "mpira/cli/commands.hpp"
#include "mpira/jobs/table.hpp"

#include "cli/schemas.hpp"
#include "cli/train_entry.hpp"

namespace mpira::cli {
namespace {

/// Whether this is the process that speaks, when a launcher started several of a program that hasn't started
/// MPI: their numbers are in the environment.
bool speaks_for_all() {
    for (char const* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"})
        if (char const* rank = std::getenv(name); rank != nullptr) return std::string_view(rank) == "0";
    return true;
}

}  // namespace

int show(Parsed const& parsed) {
    // A silent process that failed would make the launcher end the one that speaks, before it has spoken.
    if (!speaks_for_all()) return 0;
    fmt::print(parsed.exit_code == 0 ? stdout : stderr, "{}", parsed.text);
    return parsed.exit_code;
}

int run_alone(int (*command)(CommandLine const&), CommandLine const& line) {
    if (!speaks_for_all()) return 0;
    try {
        return command(line);
    } catch (Error const& error) {
        fmt::print(stderr, "mpira: {}\n", error.what());
        return error.exit_code();
    } catch (std::filesystem::filesystem_error const& error) {
        auto const refusal = refusal_of(error);
        fmt::print(stderr, "mpira: {}\n", refusal.what());
        return refusal.exit_code();
    } catch (std::exception const& error) {
        fmt::print(stderr, "mpira: {}\n", error.what());
        return 1;
    }
}

int end_output(int code) {
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
    auto const why = errno;
    fmt::print(stderr, "mpira: the output can't be written: {}\n", std::strerror(why));
    return code == 0 ? 1 : code;
}

int list_jobs(CommandLine const& /*line*/) {
    for (auto const& entry : jobs::job_table())
        fmt::print("{:<12} {}\n{:<12} {}\n", entry.name, entry.summary, "", entry.example);
    fmt::print("{:<12} {}\n{:<12} {}\n", "train", kTrainSummary, "", kTrainExample);
    fmt::print("{:<12} {}\n{:<12} {}\n", "folds", kFoldsSummary, "", kFoldsExample);
    fmt::print("\nmpira config JOB prints a job's settings; mpira JOB --help its options.\n");
    return 0;
}

int print_config(CommandLine const& line) {
    std::vector<std::string> names;
    for (auto const& [name, summary, schema] : all_schemas()) {
        names.push_back(name);
        if (name != line.job) continue;
        fmt::print("{}", commented_toml(schema, fmt::format("mpira {}: {}", name, summary)));
        return 0;
    }
    fail_usage(fmt::format("there is no job '{}'{} (mpira jobs lists them)", line.job,
                           text::did_you_mean(line.job, names)));
}

int print_completion(CommandLine const& line) {
    fmt::print("{}", completion_script(line.shell));
    return 0;
}

int print_man_page(CommandLine const& line) {
    fmt::print("{}", man_page(line.page));
    return 0;
}

}  // namespace mpira::cli
