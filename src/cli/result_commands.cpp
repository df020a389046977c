// Options of the commands that read results.
#include "cli/command_options.hpp"

namespace mpira::cli {
namespace {

void add_export(CLI::App& app, CommandLine& line) {
    auto& sub =
        add_command(app, line, Command::export_result, "export", "a result in the format of another program",
                    "mpira export screen.h5ad --format tsv --output screen.tsv.gz");
    add_file(sub, line, "Result file");
    auto& options = line.exports;
    sub.add_option(
           "--format", options.format,
           "tsv: names, obs and a matrix (pandas, R; .gz compresses). bedgraph: one value a region "
           "(genome browsers; .gz compresses). bigwig: the same, indexed. enhancers: of perturb, a line "
           "a gene and region. gcell-zarr: whole Jacobians of genes, a folder. get-zarr: an atlas as a data "
           "set of GET, a folder")
        ->required()
        ->check(CLI::IsMember({"tsv", "enhancers", "bedgraph", "bigwig", "gcell-zarr", "get-zarr"}));
    add_output(sub, "--output", line.output, "File or folder to write")->required();
    sub.add_flag("--overwrite", line.overwrite, kOverwriteFile);
    sub.add_flag("--partial", line.partial, "Of an unfinished campaign, the rows that are done");
    sub.add_option("--rows", options.rows, "Only rows with this value in this column of obs; may be repeated")
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

void add_evaluate(CLI::App& app, CommandLine& line) {
    auto& sub = add_command(
        app, line, Command::evaluate, "evaluate",
        "a screen, or predictions of regions, beside what was measured",
        "mpira evaluate screen.h5ad --measured counts.tsv.gz --controls scrambled --output evaluation");
    add_file(sub, line, "Result of mpira lentimpra, or of mpira predict (regions)");
    auto& options = line.evaluate;
    sub.add_option(
           "--measured", options.measured,
           "Tables with a header: element (or chrom, start, end, strand), replicate, dna and rna counts "
           "and barcodes, or activity (log2 RNA/DNA); several files are a replicate each. For a screen; "
           "predictions have what was observed beside them")
        ->type_name("FILE");
    sub.add_option("--cell-type", options.cell_type, "predict: the cell type that is compared")
        ->type_name("NAME");
    sub.add_option("--chromosomes", options.chromosomes, "predict: only regions on these")
        ->delimiter(',')
        ->type_name("NAMES");
    sub.add_option(
           "--scores", options.scores,
           "predict: a table of other scores, chrom, start, end and columns, such as Enformer's tracks")
        ->type_name("FILE");
    sub.add_option("--score-columns", options.score_columns,
                   "Columns of --scores that are summed; log10(sum + 1) is compared")
        ->delimiter(',')
        ->type_name("NAMES");
    sub.add_option("--column", options.columns, "What a column is, over its name; may be repeated")
        ->type_name("WHAT=NAME")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    sub.add_option("--min-barcodes", options.least_barcodes,
                   "A replicate of an element with fewer barcodes is missing")
        ->check(number_in(0, 1e9))
        ->capture_default_str();
    sub.add_option("--controls", options.controls,
                   "Group of the assay's negative controls: active is what exceeds their 95th percentile")
        ->type_name("GROUP");
    sub.add_option("--states", options.states, "BED with a state in column 4 (ChromHMM): figures by state")
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
    add_output(sub, "--output", line.output, "Folder to write", "FOLDER")->required();
    sub.add_flag("--overwrite", line.overwrite, kOverwriteFolder);
    sub.add_flag("--partial", line.partial, "Of an unfinished campaign, the elements that are done");
}

void add_report(CLI::App& app, CommandLine& line) {
    auto& sub = add_command(app, line, Command::report, "report",
                            "results as one HTML page to show: figures, tables, provenance",
                            "mpira report screen.h5ad --output report.html --tables report.tables");
    auto& options = line.report;
    sub.add_option(
           "FILES", options.files,
           "Results of any job (unfinished ones, too), weights or metrics of mpira train, and folders "
           "of mpira evaluate: a section each. "
           "An atlas among them names regions")
        ->required();
    add_output(sub, "--output", line.output, "The page; it needs no other file and no network")->required();
    add_output(sub, "--tables", options.tables, "Also write every table as TSV, a folder", "FOLDER");
    sub.add_option("--title", options.title, "Heading of the page")->type_name("TEXT");
    sub.add_option("--gene", options.gene,
                   "jacobian, perturb: show the regions linked to this gene (default: that with the "
                   "highest prediction)")
        ->type_name("NAME");
    sub.add_flag("--overwrite", line.overwrite, kOverwriteFile);
}

}  // namespace

void add_result_commands(CLI::App& app, CommandLine& line) {
    add_export(app, line);
    add_evaluate(app, line);
    add_report(app, line);
}

}  // namespace mpira::cli
