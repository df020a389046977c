#pragma once

#include "mpira/cli/command_line.hpp"
#include "mpira/comm/communicator.hpp"

/// The commands of the program, one function each; src/cli/main.cpp calls them. Each returns its exit code
/// and throws mpira::Error otherwise.
namespace mpira::cli {

// Without MPI: these read a file or the program's own tables, and work on a login node.
int list_jobs(CommandLine const& line);
int print_config(CommandLine const& line);
int print_completion(CommandLine const& line);
int print_man_page(CommandLine const& line);
int show_status(CommandLine const& line);
int verify(CommandLine const& line);
int seal(CommandLine const& line);
int export_result(CommandLine const& line);
int evaluate(CommandLine const& line);
int write_report(CommandLine const& line);
int join_regions(CommandLine const& line);
int split(CommandLine const& line);
int show_weights(CommandLine const& line);
int merge(CommandLine const& line);
int simulate(CommandLine const& line);

// On all ranks. [collective]
int run_job(CommandLine const& line, comm::Communicator const& world);
int train(CommandLine const& line, comm::Communicator const& world);
int folds(CommandLine const& line, comm::Communicator const& world);
int plan(CommandLine const& line, comm::Communicator const& world);
int doctor(CommandLine const& line, comm::Communicator const& world);
int bench(CommandLine const& line, comm::Communicator const& world);

/// Runs a command that needs no MPI; a thrown error is printed once (by the first process, if a launcher
/// started several) and becomes the exit code.
int run_alone(int (*command)(CommandLine const&), CommandLine const& line);
/// Prints what parsing ended in (help, version, a wrong command line) and gives its exit code; of several
/// processes that a launcher started, the first does, and the others end with 0.
int show(Parsed const& parsed);
/// Writes what stdout still holds; the exit code of a command that ended with `code`: another where that
/// failed (a full disk), so that no cut output passes for a whole one.
int end_output(int code);

}  // namespace mpira::cli
