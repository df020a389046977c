#include "cli/command_options.hpp"

#include <algorithm>
#include <cstddef>

#include <fmt/format.h>

#include "mpira/base/text.hpp"
#include "mpira/jobs/table.hpp"

#include "cli/train_entry.hpp"
#include "cli/version.hpp"

namespace mpira::cli {
namespace {

std::string as_output(std::string& name) {
    if (name.empty()) return {};  // refuse_empty's
    name.erase(std::max(name.find_last_not_of('/') + 1, std::size_t{1}));
    auto const last = std::filesystem::path(name).filename();
    if (name != "/" && last != "." && last != "..") return {};
    return fmt::format("{} is a folder that other files are in; name a new file or folder", name);
}

/// What an unset variable of a script leaves; it must not pass for an option that isn't given.
std::string refuse_empty(std::string const& name) {
    return name.empty() ? "the name is empty (a variable that is not set?)" : "";
}

void refuse_empty_names(CLI::App& app) {
    for (auto* const sub : app.get_subcommands(nullptr)) {
        for (auto* const option : sub->get_options()) {
            auto const type = option->get_type_name();
            if (type == "FILE" || type == "FOLDER" || type == "BED")
                option->check(CLI::Validator(refuse_empty, ""));
        }
    }
}

/// The options shared by everything that makes a campaign from settings.
void add_settings_options(CLI::App& app, CommandLine& line) {
    app.add_option("--config", line.config, "Settings, a TOML file (mpira config JOB prints a complete one)")
        ->type_name("FILE");
    app.add_option("--set", line.overrides,
                   "One setting, over the file's; may be repeated. A list: KEY=a,b or 'KEY=[\"a\",\"b\"]'")
        ->type_name("KEY=VALUE")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    add_output(app, "--output", line.output, "Result file (weights of train), over the setting 'output'");
}

void add_campaign_options(CLI::App& app, CommandLine& line) {
    add_settings_options(app, line);
    app.add_flag("--fresh", line.fresh,
                 "Start over instead of resuming (an existing file needs --overwrite)");
    app.add_flag("--overwrite", line.overwrite,
                 "With --fresh: rename an existing result to FILE.old (or .old.2, ...: no copy is lost)");
    app.add_flag(
        "--allow-mixed", line.allow_mixed,
        "Resume on another CPU or GPU model, or by another build; results may then differ in the last "
        "bits");
    app.add_flag("--no-reserve", line.no_reserve, "Don't reserve disk space at the start");
}

void add_job_name(CLI::App& sub, CommandLine& line) {
    sub.add_option("JOB", line.job, "Name of a job (mpira jobs lists them)")->required();
}

}  // namespace

CLI::App& add_command(CLI::App& app, CommandLine& line, Command command, std::string const& name,
                      std::string const& summary, std::string const& example) {
    auto* const sub = app.add_subcommand(name, summary);
    sub->footer("Example:\n  " + example);
    sub->group("Commands");
    sub->parse_complete_callback([&line, command] { line.command = command; });
    return *sub;
}

CLI::Option* add_output(CLI::App& app, std::string const& option, std::filesystem::path& value,
                        std::string const& what, std::string const& type) {
    return app.add_option(option, value, what)->type_name(type)->transform(CLI::Validator(as_output, ""));
}

CLI::Validator number_in(double least, double most) {
    auto const range = fmt::format("[{:g} - {:g}]", least, most);
    return {[=](std::string const& word) {
                auto const number = text::to_number(word);
                bool const fits = number && *number >= least && *number <= most;
                return fits ? std::string() : fmt::format("'{}' is no number in {}", word, range);
            },
            "NUMBER in " + range};
}

void add_file(CLI::App& sub, CommandLine& line, std::string const& what) {
    sub.add_option("FILE", line.file, what)->required();
}

void describe_program(CLI::App& app, CommandLine& line) {
    app.require_subcommand(1);
    app.fallthrough();
    app.set_version_flag("--version", versions);
    app.add_flag("-v,--verbose", line.verbose, "More log lines, from every rank");
    app.footer(
        "Started by mpirun, srun or nothing (one rank). Running the same command again resumes.\n"
        "Exit codes: 0 done, 2 the input is wrong, 3 partly done (run again), 1 our fault.\n"
        "mpira COMMAND --help has options and an example.");

    for (auto const& entry : jobs::job_table()) {
        auto& job = add_command(app, line, Command::run, std::string(entry.name), std::string(entry.summary),
                                std::string(entry.example));
        job.parse_complete_callback([&line, name = std::string(entry.name)] {
            line.command = Command::run;
            line.job = name;
        });
        job.group("Jobs");
        add_campaign_options(job, line);
    }

    auto& train = add_command(app, line, Command::train, "train", std::string(kTrainSummary),
                              std::string(kTrainExample));
    train.group("Jobs");
    add_settings_options(train, line);
    train.add_flag("--fresh", line.fresh,
                   "Start over instead of resuming (finished weights need --overwrite)");
    train.add_flag(
        "--overwrite", line.overwrite,
        "With --fresh: rename finished weights, their metrics and predictions to FILE.old (or .old.2, ...)");

    auto& folds = add_command(app, line, Command::folds, "folds", std::string(kFoldsSummary),
                              std::string(kFoldsExample));
    folds.group("Jobs");
    add_campaign_options(folds, line);

    auto& status =
        add_command(app, line, Command::status, "status",
                    "how far a campaign or a training is, also while it runs", "mpira status screen.h5ad");
    add_file(status, line, "Result file, or weights of mpira train (there or not yet)");
    status.add_flag("--json", line.json, "For programs");
    auto& verify = add_command(app, line, Command::verify, "verify", "re-check every checksum of a result",
                               "mpira verify screen.h5ad");
    add_file(verify, line, "Result file");
    auto& seal =
        add_command(app, line, Command::seal, "seal", "write a compressed copy, every checksum verified",
                    "mpira seal screen.h5ad --output screen.sealed.h5ad");
    add_file(seal, line, "Result file");
    add_output(seal, "--output", line.output, "The copy (default: FILE.sealed.h5ad)");
    seal.add_flag("--overwrite", line.overwrite, kOverwriteFile);
    seal.add_flag("--partial", line.partial, "Also when the campaign is not finished");

    add_input_commands(app, line);
    add_result_commands(app, line);

    auto& weights =
        add_command(app, line, Command::weights, "weights", "what a weights file says about itself",
                    "mpira weights runs/quickstart/folds.h5ad.weights/1.GET.seed0.safetensors");
    add_file(weights, line, "Weights or adaptor");
    weights.add_flag("--json", line.json, "The whole card, for programs");
    auto& merge =
        add_command(app, line, Command::merge, "merge", "a base and its LoRA adaptor become one model",
                    "mpira merge runs/quickstart/folds.h5ad.weights/1.GET.seed0.safetensors "
                    "adaptor.safetensors --output "
                    "adapted.safetensors");
    merge.add_option("BASE", line.file, "The weights that the adaptor was trained on")->required();
    merge.add_option("ADAPTOR", line.adaptor, "Adaptor file")->required();
    add_output(merge, "--output", line.output, "The merged weights")->required();
    merge.add_flag("--overwrite", line.overwrite, kOverwriteFile);

    auto& plan =
        add_command(app, line, Command::plan, "plan",
                    "what a campaign will cost, from a short calibration on this machine's device: start it "
                    "under the launcher on a compute node, a rank a core or GPU",
                    "mpirun -n 2 mpira plan synthetic --set rows=1000000 --ranks 512 --ranks-per-node 64");
    add_job_name(plan, line);
    add_settings_options(plan, line);
    plan.add_option("--ranks", line.plan.ranks, "Ranks the campaign will have")
        ->check(CLI::Range(1, 1 << 24))
        ->capture_default_str();
    plan.add_option("--ranks-per-node", line.plan.ranks_per_node,
                    "Ranks on a node (default: as proposed for this one, a core or GPU each)")
        ->check(CLI::Range(1, 1 << 16));
    plan.add_option("--units", line.plan.sample_units, "Units to run here as a sample")
        ->check(CLI::Range(1, 1 << 16))
        ->capture_default_str();

    plan.add_option("--rate", line.plan.rate,
                    "Rows a second a rank, of an earlier campaign on that device (its log's rows/s by its "
                    "ranks), instead "
                    "of measuring here")
        ->check(number_in(1e-9, 1e15));

    add_estimate_commands(app, line);

    add_command(app, line, Command::jobs, "jobs", "what can be run", "mpira jobs");
    auto& config =
        add_command(app, line, Command::config, "config", "a job's complete settings with defaults, as TOML",
                    "mpira config synthetic > synthetic.toml");
    add_job_name(config, line);
    auto& doctor =
        add_command(app, line, Command::doctor, "doctor", "can this place run mpira? use the real launcher",
                    "srun mpira doctor --output /scratch/me/doctor.h5ad");
    add_output(doctor, "--output", line.output, "Scratch file for the write test, on the file system to use");
    doctor.add_option("--threads", line.threads, "Threads that a rank will have (the setting threads)")
        ->check(CLI::Range(1, 1024))
        ->capture_default_str();
    auto& completion = add_command(app, line, Command::completion, "completion",
                                   "a completion script for your shell", "source <(mpira completion bash)");
    completion.add_option("SHELL", line.shell, "bash or zsh")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh"}));
    auto& man = add_command(app, line, Command::man, "man", "the manual page, of mpira or of a command",
                            "mpira man lentimpra > mpira-lentimpra.1; man ./mpira-lentimpra.1");
    man.add_option("COMMAND", line.page, "Its page (default: of mpira itself)");
    refuse_empty_names(app);
}

}  // namespace mpira::cli
