#include "mpira/cli/command_line.hpp"

#include <algorithm>
#include <functional>
#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"
#include "mpira/jobs/table.hpp"

#include "cli/completion.hpp"
#include "cli/man_page.hpp"
#include "cli/train_entry.hpp"
#include "cli/version.hpp"

namespace mpira::cli {
namespace {

/// The options shared by everything that makes a campaign from settings.
void add_settings_options(CLI::App& app, CommandLine& line) {
    app.add_option("--config", line.config, "Settings, a TOML file (mpira config JOB prints a complete one)")
        ->type_name("FILE");
    app.add_option("--set", line.overrides,
                   "One setting, over the file's; may be repeated. A list: KEY=a,b or 'KEY=[\"a\",\"b\"]'")
        ->type_name("KEY=VALUE")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    app.add_option("--output", line.output, "Result file (weights of train), over the setting 'output'")
        ->type_name("FILE");
}

void add_campaign_options(CLI::App& app, CommandLine& line) {
    add_settings_options(app, line);
    app.add_flag("--fresh", line.fresh,
                 "Start over instead of resuming (an existing file needs --overwrite)");
    app.add_flag("--overwrite", line.overwrite, "With --fresh: rename an existing result to FILE.old");
    app.add_flag("--allow-mixed", line.allow_mixed,
                 "Resume on another CPU or GPU model; results may then differ in the last bits");
    app.add_flag("--no-reserve", line.no_reserve, "Don't reserve disk space at the start");
}

/// Builds the whole description of the command line; parsing fills `line`.
class Description {
public:
    explicit Description(CommandLine& line) : app_("Genome-wide regulatory genomics under MPI", "mpira") {
        app_.require_subcommand(1);
        app_.fallthrough();
        app_.set_version_flag("--version", versions);
        app_.add_flag("-v,--verbose", line.verbose, "More log lines, from every rank");
        app_.footer(
            "Started by mpirun, srun or nothing (one rank). Running the same command again resumes.\n"
            "Exit codes: 0 done, 2 the input is wrong, 3 partly done (run again), 1 our fault.\n"
            "mpira COMMAND --help has options and an example.");

        for (auto const& entry : jobs::job_table()) {
            auto& job = add(line, Command::run, std::string(entry.name), std::string(entry.summary),
                            std::string(entry.example));
            job.parse_complete_callback([&line, name = std::string(entry.name)] {
                line.command = Command::run;
                line.job = name;
            });
            job.group("Jobs");
            add_campaign_options(job, line);
        }

        auto& train =
            add(line, Command::train, "train", std::string(kTrainSummary), std::string(kTrainExample));
        train.group("Jobs");
        add_settings_options(train, line);
        train.add_flag("--fresh", line.fresh,
                       "Start over instead of resuming (finished weights need --overwrite)");
        train.add_flag("--overwrite", line.overwrite, "With --fresh: rename finished weights to FILE.old");

        auto& folds =
            add(line, Command::folds, "folds", std::string(kFoldsSummary), std::string(kFoldsExample));
        folds.group("Jobs");
        add_campaign_options(folds, line);

        auto& status =
            add(line, Command::status, "status", "how far a campaign or a training is, also while it runs",
                "mpira status screen.h5ad");
        add_file(status, line, "Result file, or weights of mpira train (there or not yet)");
        status.add_flag("--json", line.json, "For programs");
        auto& verify = add(line, Command::verify, "verify", "re-check every checksum of a result",
                           "mpira verify screen.h5ad");
        add_file(verify, line, "Result file");
        auto& seal = add(line, Command::seal, "seal", "write a compressed copy, every checksum verified",
                         "mpira seal screen.h5ad --output screen.sealed.h5ad");
        add_file(seal, line, "Result file");
        seal.add_option("--output", line.output, "The copy (default: FILE.sealed.h5ad)")->type_name("FILE");
        seal.add_flag("--overwrite", line.overwrite, "Replace an existing copy");
        seal.add_flag("--partial", line.partial, "Also when the campaign is not finished");

        add_regions(line);
        add_export(line);
        add_evaluate(line);
        add_report(line);
        add_split(line);

        auto& weights = add(line, Command::weights, "weights", "what a weights file says about itself",
                            "mpira weights runs/quickstart/folds.h5ad.weights/1.GET.seed0.safetensors");
        add_file(weights, line, "Weights or adaptor");
        weights.add_flag("--json", line.json, "The whole card, for programs");
        auto& merge = add(line, Command::merge, "merge", "a base and its LoRA adaptor become one model",
                          "mpira merge runs/quickstart/folds.h5ad.weights/1.GET.seed0.safetensors "
                          "adaptor.safetensors --output "
                          "adapted.safetensors");
        merge.add_option("BASE", line.file, "The weights that the adaptor was trained on")->required();
        merge.add_option("ADAPTOR", line.adaptor, "Adaptor file")->required();
        merge.add_option("--output", line.output, "The merged weights")->type_name("FILE")->required();
        merge.add_flag("--overwrite", line.overwrite, "Replace an existing file");

        auto& plan = add(line, Command::plan, "plan", "what a campaign will cost, from a short calibration",
                         "mpira plan synthetic --set rows=1000000 --ranks 512 --ranks-per-node 64");
        add_job_name(plan, line);
        add_settings_options(plan, line);
        plan.add_option("--ranks", line.plan.ranks, "Ranks the campaign will have")
            ->check(CLI::Range(1, 1 << 24))
            ->capture_default_str();
        plan.add_option("--ranks-per-node", line.plan.ranks_per_node, "Ranks on a node")
            ->check(CLI::Range(1, 1 << 16))
            ->capture_default_str();
        plan.add_option("--units", line.plan.sample_units, "Units to run here as a sample")
            ->check(CLI::Range(1, 1 << 16))
            ->capture_default_str();

        add_simulate(line);
        add_bench(line);

        add(line, Command::jobs, "jobs", "what can be run", "mpira jobs");
        auto& config =
            add(line, Command::config, "config", "a job's complete settings with defaults, as TOML",
                "mpira config synthetic > synthetic.toml");
        add_job_name(config, line);
        auto& doctor = add(line, Command::doctor, "doctor", "can this place run mpira? use the real launcher",
                           "srun mpira doctor --output /scratch/me/doctor.h5ad");
        doctor
            .add_option("--output", line.output, "Scratch file for the write test, on the file system to use")
            ->type_name("FILE");
        auto& completion = add(line, Command::completion, "completion", "a completion script for your shell",
                               "source <(mpira completion bash)");
        completion.add_option("SHELL", line.shell, "bash or zsh")
            ->required()
            ->check(CLI::IsMember({"bash", "zsh"}));
        auto& man = add(line, Command::man, "man", "the manual page, of mpira or of a command",
                        "mpira man lentimpra > mpira-lentimpra.1; man ./mpira-lentimpra.1");
        man.add_option("COMMAND", line.page, "Its page (default: of mpira itself)");
    }

    CLI::App& app() { return app_; }

private:
    CLI::App& add(CommandLine& line, Command command, std::string const& name, std::string const& summary,
                  std::string const& example) {
        auto* const sub = app_.add_subcommand(name, summary);
        sub->footer("Example:\n  " + example);
        sub->group("Commands");
        sub->parse_complete_callback([&line, command] { line.command = command; });
        return *sub;
    }

    static void add_file(CLI::App& sub, CommandLine& line, std::string const& what) {
        sub.add_option("FILE", line.file, what)->required();
    }

    static void add_job_name(CLI::App& sub, CommandLine& line) {
        sub.add_option("JOB", line.job, "Name of a job (mpira jobs lists them)")->required();
    }

    void add_regions(CommandLine& line) {
        auto& sub =
            add(line, Command::regions, "regions", "peak sets of several cell types to one set of regions",
                "mpira regions Kc.narrowPeak.gz Mbn2.bed --chrom-sizes genome.fa.fai --output regions.bed");
        auto& options = line.regions;
        sub.add_option("PEAKS", options.peaks, "BED or narrowPeak files, one a cell type or sample")
            ->required();
        sub.add_option("--chrom-sizes", options.chrom_sizes,
                       "Chromosomes and their lengths, in the order the regions shall have; a .fai will do")
            ->type_name("FILE")
            ->required();
        sub.add_option(
               "--onto", options.onto,
               "Regions that a model was trained on: they keep their coordinates, peaks that overlap none of "
               "them are appended")
            ->type_name("BED");
        sub.add_option(
               "--width", options.width_bp,
               "Regions of this width around each summit or centre, the strongest first and none overlapping "
               "(default: overlapping peaks are merged)")
            ->type_name("BP")
            ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 30));
        auto* const genome =
            sub.add_option("--genome", options.genome,
                           "FASTA: new regions with unknown bases (N or ambiguous) there are left out")
                ->type_name("FILE");
        sub.add_option("--max-unknown-bp", options.max_unknown_bp,
                       "With --genome: how many unknown bases a region may have")
            ->type_name("BP")
            ->capture_default_str()
            ->needs(genome)
            ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 30));
        sub.add_option("--output", line.output, "BED with each region's origins in column 4; .gz compresses")
            ->type_name("FILE")
            ->required();
        sub.add_flag("--overwrite", line.overwrite, "Rename an existing output to FILE.old");
    }

    void add_export(CommandLine& line) {
        auto& sub = add(line, Command::export_result, "export", "a result in the format of another program",
                        "mpira export screen.h5ad --format tsv --output screen.tsv.gz");
        add_file(sub, line, "Result file");
        auto& options = line.exports;
        sub.add_option(
               "--format", options.format,
               "tsv: names, obs and a matrix (pandas, R; .gz compresses). bedgraph: one value a region "
               "(genome browsers; .gz compresses). bigwig: the same, indexed. enhancers: of perturb, a line "
               "a gene "
               "and region. "
               "gcell-zarr: "
               "whole Jacobians of genes, a folder")
            ->required()
            ->check(CLI::IsMember({"tsv", "enhancers", "bedgraph", "bigwig", "gcell-zarr"}));
        sub.add_option("--output", line.output, "File or folder to write")->type_name("FILE")->required();
        sub.add_flag("--overwrite", line.overwrite, "Rename an existing output to FILE.old");
        sub.add_flag("--partial", line.partial, "Of an unfinished campaign, the rows that are done");
        sub.add_option("--rows", options.rows,
                       "Only rows with this value in this column of obs; may be repeated")
            ->type_name("COLUMN=VALUE")
            ->expected(1)
            ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
        sub.add_option("--values", options.values, "The matrix: X or layers/NAME")->capture_default_str();
        sub.add_option("--column", options.column,
                       "bedgraph, bigwig: the variable, or numeric column of obs; not needed where there is "
                       "one variable")
            ->type_name("NAME");
        sub.add_option(
               "--overlaps", options.overlaps,
               "bedgraph, bigwig: where rows overlap, refuse, or take the mean of those that cover a base")
            ->check(CLI::IsMember({"refuse", "mean"}))
            ->capture_default_str();
        sub.add_option("--chrom-sizes", options.chrom_sizes,
                       "bigwig: names and lengths of chromosomes (a .fai will do)")
            ->type_name("FILE");
        sub.add_option("--atlas", options.atlas, "gcell-zarr: the atlas that the campaign read")
            ->type_name("FILE");
    }

    void add_evaluate(CommandLine& line) {
        auto& sub = add(
            line, Command::evaluate, "evaluate", "a screen beside what the assay measured",
            "mpira evaluate screen.h5ad --measured counts.tsv.gz --controls scrambled --output evaluation");
        add_file(sub, line, "Result of mpira lentimpra");
        auto& options = line.evaluate;
        sub.add_option(
               "--measured", options.measured,
               "Tables with a header: element (or chrom, start, end, strand), replicate, dna and rna counts "
               "and barcodes, or activity (log2 RNA/DNA); several files are a replicate each")
            ->type_name("FILE")
            ->required();
        sub.add_option("--column", options.columns, "What a column is, over its name; may be repeated")
            ->type_name("WHAT=NAME")
            ->expected(1)
            ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
        sub.add_option("--min-barcodes", options.least_barcodes,
                       "A replicate of an element with fewer barcodes is missing")
            ->check(CLI::Range(0.0, 1e9))
            ->capture_default_str();
        sub.add_option("--controls", options.controls,
                       "Group of the assay's negative controls: active is what exceeds their 95th percentile")
            ->type_name("GROUP");
        sub.add_option("--states", options.states,
                       "BED with a state in column 4 (ChromHMM): figures by state")
            ->type_name("BED");
        sub.add_option("--orientations", options.orientations,
                       "Ends of names that tell the orientations of a sequence apart (default: the same "
                       "place on both "
                       "strands)")
            ->delimiter(',')
            ->type_name("_F,_R");
        sub.add_option(
               "--quantity", options.quantities,
               "Quantities of the screen (default: max, accessibility and their product where the model has "
               "two strands, else all)")
            ->delimiter(',')
            ->type_name("NAMES");
        sub.add_option("--resamples", options.resamples, "Of 1 Mb loci, for the intervals; 0: no intervals")
            ->check(CLI::Range(0, 1'000'000))
            ->capture_default_str();
        sub.add_option("--seed", options.seed, "Of the resamples")->capture_default_str();
        sub.add_option("--output", line.output, "Folder to write")->type_name("FOLDER")->required();
        sub.add_flag("--overwrite", line.overwrite, "Rename an existing output to FOLDER.old");
        sub.add_flag("--partial", line.partial, "Of an unfinished campaign, the elements that are done");
    }

    void add_report(CommandLine& line) {
        auto& sub = add(line, Command::report, "report",
                        "results as one HTML page to show: figures, tables, provenance",
                        "mpira report screen.h5ad --output report.html --tables report.tables");
        auto& options = line.report;
        sub.add_option("FILES", options.files,
                       "Results of any job (unfinished ones, too), and weights or metrics of mpira train: a "
                       "section each. "
                       "An atlas among them names regions")
            ->required();
        sub.add_option("--output", line.output, "The page; it needs no other file and no network")
            ->type_name("FILE")
            ->required();
        sub.add_option("--tables", options.tables, "Also write every table as TSV, a folder")
            ->type_name("FOLDER");
        sub.add_option("--title", options.title, "Heading of the page")->type_name("TEXT");
        sub.add_option("--gene", options.gene,
                       "jacobian, perturb: show the regions linked to this gene (default: that with the "
                       "highest prediction)")
            ->type_name("NAME");
        sub.add_flag("--overwrite", line.overwrite, "Rename an existing output to FILE.old");
    }

    void add_split(CommandLine& line) {
        auto& sub = add(line, Command::split, "split",
                        "what is tested, what validates, what is trained on: fold files, ChromBPNet's JSON",
                        "mpira split --by block --atlas runs/quickstart/atlas.h5ad --folds 5 --margin-bp 500 "
                        "--output splits\n"
                        "  mpira split --by homology --alignment self.chain.gz --chrom-sizes dm3.chrom.sizes "
                        "--folds 10 --output splits");
        auto& options = line.split;
        auto const file = [&](char const* name, std::filesystem::path& value, char const* what) {
            sub.add_option(name, value, what)->type_name("FILE");
        };
        auto const number = [&](char const* name, std::int64_t& value, char const* what, double least) {
            sub.add_option(name, value, what)->check(CLI::Range(least, 1e9))->capture_default_str();
        };
        sub.add_option("--by", options.by,
                       "What is held out together: a chromosome, a block, the blocks that an alignment joins "
                       "(homology), or a cell type")
            ->required()
            ->check(CLI::IsMember({"chromosome", "block", "homology", "cell_type"}));
        file("--atlas", options.atlas, "Regions (and cell types): folds are made even in their number");
        file("--regions", options.regions, "The same from a BED file, with --chrom-sizes");
        file("--chrom-sizes", options.chrom_sizes,
             "Names and lengths; without regions, folds are even in bases");
        number("--folds", options.folds,
               "Chromosomes, blocks or cell types are dealt over so many; 0: a fold each", 0);
        number("--block-bp", options.block_bp, "Length of a block", 1000);
        number("--margin-bp", options.margin_bp, "What is nearer to a test or validation block is in no set",
               0);
        sub.add_flag("--no-valid", options.no_valid, "No validation; otherwise the next fold validates");
        file("--alignment", options.alignment, "homology: chain or net file of the genome with itself");
        number("--min-aligned-bp", options.min_aligned_bp,
               "homology: bases of one alignment that join the two blocks they are in", 1);
        file("--query-chrom-sizes", options.query_chrom_sizes,
             "homology: the alignment's query is another genome, of this size; both are split alike");
        sub.add_option("--query-output", options.query_output, "Folder for the fold files of that genome")
            ->type_name("FOLDER");
        sub.add_option("--cell-types", options.cell_types, "cell_type: those to split (default: the atlas's)")
            ->delimiter(',')
            ->type_name("NAMES");
        sub.add_option("--output", line.output, "Folder to write, a file a fold")
            ->type_name("FOLDER")
            ->required();
        sub.add_flag("--overwrite", line.overwrite, "Rename an existing output to FOLDER.old");
    }

    void add_bench(CommandLine& line) {
        auto& sub =
            add(line, Command::bench, "bench", "this installation measured, each part beside its limit",
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
            ->check(CLI::Range(0.1, 1e5))
            ->capture_default_str();
        sub.add_option("--output", line.output, "Also write the figures as JSON")->type_name("FILE");
        sub.add_flag("--json", line.json, "JSON instead of the table");
    }

    void add_simulate(CommandLine& line) {
        auto& sub = add(line, Command::simulate, "simulate", "the scheduler on virtual ranks",
                        "mpira simulate --ranks 64,512 --units 20000 --sigma 1.5 --straggler-share 0.02");
        auto& options = line.simulate;
        sub.add_option("--ranks", options.ranks, "Numbers of ranks, comma separated")
            ->delimiter(',')
            ->check(CLI::Range(1, 1 << 20))
            ->capture_default_str();
        auto const add_one = [&](char const* name, auto& value, char const* what, double least, double most) {
            sub.add_option(name, value, what)->check(CLI::Range(least, most))->capture_default_str();
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
        add_one("--estimate-error", options.estimate_error, "Sigma of the error of predicted durations", 0,
                5);
        add_one("--seed", options.seed, "Seed of the durations", 0, 1e15);
        sub.add_flag("--json", line.json, "For programs");
    }

    CLI::App app_;
};

std::vector<std::string> command_names(CLI::App& app) {
    std::vector<std::string> names;
    for (auto const* sub : app.get_subcommands(nullptr)) names.push_back(sub->get_name());
    return names;
}

/// The message about the first word when it is no command's name.
std::optional<std::string> unknown_command(CLI::App& app, int argc, char const* const* argv) {
    auto const names = command_names(app);
    for (int i = 1; i < argc; ++i) {
        std::string const word = argv[i];
        if (word.starts_with("-")) continue;
        if (std::find(names.begin(), names.end(), word) != names.end()) return std::nullopt;
        return fmt::format("mpira: there is no command '{}'{} (mpira --help lists them)", word,
                           text::did_you_mean(word, names));
    }
    return std::nullopt;
}

/// CLI11's message, with a hint where we have one.
std::string explain(CLI::ParseError const& error, CLI::App& app, int argc, char const* const* argv) {
    auto message = std::string(error.what());
    if (auto const unknown = unknown_command(app, argc, argv)) return *unknown;
    if (app.get_subcommands().empty() && argc > 1) return fmt::format("mpira: {}", message);
    if (app.get_subcommands().empty()) return "mpira: which command? mpira --help lists them";
    auto& sub = *app.get_subcommands().front();
    std::vector<std::string> known;
    for (auto const* option : sub.get_options())
        for (auto const& name : option->get_lnames()) known.push_back("--" + name);
    for (auto const& extra : app.remaining(true)) {
        if (!extra.starts_with("-")) continue;
        return fmt::format("mpira {}: there is no option {}{} (mpira {} --help lists them)", sub.get_name(),
                           extra, text::did_you_mean(extra, known), sub.get_name());
    }
    return fmt::format("mpira {}: {}", sub.get_name(), message);
}

}  // namespace

Parsed parse_command_line(int argc, char const* const* argv) {
    CommandLine line;
    Description description(line);
    auto& app = description.app();
    try {
        app.parse(argc, argv);
    } catch (CLI::CallForHelp const&) {
        auto const chosen = app.get_subcommands();
        auto const unknown = chosen.empty() ? unknown_command(app, argc, argv) : std::nullopt;
        if (unknown) return {std::nullopt, *unknown + "\n", 2};
        return {std::nullopt, chosen.empty() ? app.help() : chosen.front()->help("mpira"), 0};
    } catch (CLI::CallForVersion const&) {
        return {std::nullopt, versions(), 0};
    } catch (CLI::ParseError const& error) {
        return {std::nullopt, explain(error, app, argc, argv) + "\n", 2};
    }
    bool const is_run =
        line.command == Command::run || line.command == Command::train || line.command == Command::folds;
    if (line.overwrite && !line.fresh && is_run) {
        auto const name = line.command == Command::train   ? "train"
                          : line.command == Command::folds ? "folds"
                                                           : line.job;
        return {std::nullopt, fmt::format("mpira {}: --overwrite goes with --fresh\n", name), 2};
    }
    return {std::move(line), {}, 0};
}

std::string completion_script(std::string const& shell) {
    CommandLine line;
    Description description(line);
    return shell == "zsh" ? zsh_completion(description.app()) : bash_completion(description.app());
}

std::string man_page(std::string const& command) {
    CommandLine line;
    Description description(line);
    auto& app = description.app();
    if (command.empty()) return program_man_page(app);
    auto const names = command_names(app);
    if (std::find(names.begin(), names.end(), command) == names.end()) {
        fail_usage(fmt::format("there is no command '{}'{} (mpira --help lists them)", command,
                               text::did_you_mean(command, names)));
    }
    return command_man_page(*app.get_subcommand(command));
}

}  // namespace mpira::cli
