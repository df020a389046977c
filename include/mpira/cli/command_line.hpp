#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace mpira::cli {

/// What the user asked for. `run` is any job of jobs::job_table(); the job's name is in CommandLine::job.
enum class Command {
    run,
    train,
    folds,
    status,
    verify,
    seal,
    export_result,
    evaluate,
    report,
    regions,
    split,
    weights,
    merge,
    plan,
    simulate,
    jobs,
    config,
    doctor,
    bench,
    completion,
    man
};

/// Options of `mpira plan`.
struct PlanOptions {
    std::int64_t ranks = 64;
    std::int64_t ranks_per_node = 0;  ///< 0: as proposed for this node
    std::int64_t sample_units = 2;    ///< units run here to measure seconds a unit
    double rate = 0;                  ///< rows a second a rank instead of measuring; 0: measure
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
    double start_s = 0.0;           ///< until a rank asks for its first unit
    double latency_us = 20.0;       ///< one message
    double service_us = 2.0;        ///< the leader's time for one message
    double commit_every_s = 5.0;
    std::int64_t commit_units = 64;
    double commit_s = 0.0;             ///< a commit's syncs
    double unit_kb = 0.0;              ///< rows a unit
    double file_system_mb_s = 0.0;     ///< of all ranks together; 0: no limit
    double file_system_commits = 0.0;  ///< a second, of all ranks together; 0: no limit
    std::int64_t deaths = 0;           ///< ranks that die during the campaign
    double restart_s = 60.0;           ///< a death ends the run; the next one starts so much later
    bool survivors_go_on = false;      ///< a death ends its rank only
    double estimate_error = 0.0;       ///< sigma of the lognormal error of predicted costs
    std::int64_t seed = 1;
};

/// Options of `mpira bench`.
struct BenchOptions {
    std::filesystem::path folder = ".";  ///< where some files are written; on the results' file system
    std::filesystem::path weights;       ///< empty: random ones
    bool small = false;                  ///< of the quickstart's size instead of the published one
    double seconds = 5;                  ///< of each part, about
};

/// Options of `mpira export`.
struct ExportOptions {
    std::string format;                 ///< "tsv", "enhancers", "bedgraph", "bigwig", "gcell-zarr"
    std::filesystem::path atlas;        ///< gcell-zarr
    std::filesystem::path chrom_sizes;  ///< bigwig
    std::vector<std::string> rows;      ///< "column=value"
    std::string values = "X";           ///< or "layers/<name>"
    std::string column;                 ///< bedgraph
    std::string overlaps = "refuse";    ///< bedgraph: or "mean"
};

/// Options of `mpira evaluate`.
struct EvaluateOptions {
    std::vector<std::filesystem::path> measured;
    std::string cell_type;
    std::vector<std::string> chromosomes;
    std::filesystem::path scores;
    std::vector<std::string> score_columns;
    std::vector<std::string> columns;  ///< "what=name"
    double least_barcodes = 10;
    std::string controls;
    std::filesystem::path states;
    std::vector<std::string> orientations;
    std::vector<std::string> quantities;
    std::uint64_t resamples = 1000;
    std::uint64_t seed = 0;
};

/// Options of `mpira report`.
struct ReportOptions {
    std::vector<std::filesystem::path> files;
    std::filesystem::path tables;  ///< empty: none
    std::string title;
    std::string gene;
};

/// Options of `mpira regions`.
struct RegionsOptions {
    std::vector<std::filesystem::path> peaks;
    std::filesystem::path chrom_sizes;
    std::filesystem::path onto;    ///< empty: no training set
    std::int64_t width_bp = 0;     ///< 0: as wide as they are
    std::filesystem::path genome;  ///< empty: gaps are not looked for
    std::int64_t max_unknown_bp = 0;
};

/// Options of `mpira split`.
struct SplitOptions {
    std::string by;  ///< "chromosome", "block", "homology", "cell_type"
    std::filesystem::path atlas;
    std::filesystem::path regions;
    std::filesystem::path chrom_sizes;
    std::int64_t folds = 0;  ///< 0: a fold each
    std::int64_t block_bp = 1'000'000;
    std::int64_t margin_bp = 0;
    bool no_valid = false;
    std::filesystem::path alignment;          ///< homology
    std::int64_t min_aligned_bp = 100'000;    ///< homology
    std::filesystem::path query_chrom_sizes;  ///< homology: of a second genome
    std::filesystem::path query_output;       ///< its fold files
    std::vector<std::string> cell_types;      ///< cell_type; empty: the atlas's
};

/// The parsed command line, typed. Options that a command does not have keep their defaults.
struct CommandLine {
    Command command = Command::jobs;
    std::string job;                     ///< run, plan, config: a job's name
    std::filesystem::path config;        ///< empty: no file, everything by --set
    std::vector<std::string> overrides;  ///< "key.path=value", in order
    std::filesystem::path output;        ///< --output, empty: the config's
    std::filesystem::path file;  ///< status, verify, seal, export: the result file; weights; merge: the base
    std::filesystem::path adaptor;  ///< merge: the adaptor file
    std::string shell;              ///< completion: "bash" or "zsh"
    std::string page;               ///< man: a command; empty: the program
    bool fresh = false;
    bool overwrite = false;
    bool allow_mixed = false;
    bool no_reserve = false;
    bool verbose = false;
    bool partial = false;      ///< seal, export: also an unfinished file
    bool json = false;         ///< status, weights, simulate, bench: for programs
    std::int64_t threads = 1;  ///< doctor: that a rank will have
    PlanOptions plan;
    ExportOptions exports;
    EvaluateOptions evaluate;
    ReportOptions report;
    RegionsOptions regions;
    SplitOptions split;
    SimulateOptions simulate;
    BenchOptions bench;
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

/// The manual page (roff) of the program, or of a command, made from the same description. Throws
/// Origin::usage for a command that there isn't.
std::string man_page(std::string const& command);

}  // namespace mpira::cli
