// mpira: one program, many commands. This file is its table of contents.
#include "mpira/base/heap.hpp"
#include "mpira/cli/command_line.hpp"
#include "mpira/cli/commands.hpp"
#include "mpira/comm/communicator.hpp"
#include "mpira/comm/runtime.hpp"
#include "mpira/model/tensor_memory.hpp"

namespace {

namespace cli = mpira::cli;
using cli::Command;

int run_command(int argc, char** argv) {
    auto const parsed = cli::parse_command_line(argc, argv);
    if (!parsed.line) return cli::show(parsed);
    auto const& line = *parsed.line;

    switch (line.command) {  // without MPI, also on a login node
        case Command::jobs:
            return cli::run_alone(cli::list_jobs, line);  // what can be run
        case Command::config:
            return cli::run_alone(cli::print_config, line);  // a job's complete settings as TOML
        case Command::completion:
            return cli::run_alone(cli::print_completion, line);  // for bash and zsh
        case Command::man:
            return cli::run_alone(cli::print_man_page, line);  // of the program or a command, for man
        case Command::status:
            return cli::run_alone(cli::show_status, line);  // how far a campaign is, also while it runs
        case Command::verify:
            return cli::run_alone(cli::verify, line);  // every checksum of a result
        case Command::seal:
            return cli::run_alone(cli::seal, line);  // a compressed, verified copy
        case Command::export_result:
            return cli::run_alone(cli::export_result, line);  // a result in another program's format
        case Command::evaluate:
            return cli::run_alone(cli::evaluate, line);  // a screen beside what the assay measured
        case Command::report:
            return cli::run_alone(cli::write_report, line);  // results as a page for people
        case Command::regions:
            return cli::run_alone(cli::join_regions, line);  // peak sets to one set of regions
        case Command::split:
            return cli::run_alone(cli::split, line);  // what is held out, as fold files
        case Command::weights:
            return cli::run_alone(cli::show_weights, line);  // what a weights file says about itself
        case Command::merge:
            return cli::run_alone(cli::merge, line);  // a base and its adaptor become one model
        case Command::simulate:
            return cli::run_alone(cli::simulate, line);  // the scheduler on virtual ranks
        default:
            break;
    }
    mpira::keep_freed_memory();
    mpira::model::keep_freed_tensors();
    return mpira::comm::run_main(argc, argv, [&] {
        auto const world = mpira::comm::Communicator::world();
        switch (line.command) {
            case Command::run:
                return cli::run_job(line, world);  // a job of jobs/table.cpp, as a campaign
            case Command::train:
                return cli::train(line, world);  // a GET, data-parallel over all ranks
            case Command::folds:
                return cli::folds(line, world);  // many of them: a sweep, by groups of ranks
            case Command::plan:
                return cli::plan(line, world);  // what a campaign will cost, from a few units
            case Command::doctor:
                return cli::doctor(line, world);  // can this place run us?
            case Command::bench:
                return cli::bench(line, world);  // how fast are we here, and how near to its limits?
            default:
                return 2;
        }
    });
}

}  // namespace

int main(int argc, char** argv) {
    return cli::end_output(run_command(argc, argv));
}
