// Options of the commands that make inputs.
#include "cli/command_options.hpp"

namespace mpira::cli {
namespace {

void add_regions(CLI::App& app, CommandLine& line) {
    auto& sub = add_command(
        app, line, Command::regions, "regions", "peak sets of several cell types to one set of regions",
        "mpira regions Kc.narrowPeak.gz Mbn2.bed --chrom-sizes genome.fa.fai --output regions.bed");
    auto& options = line.regions;
    sub.add_option("PEAKS", options.peaks, "BED or narrowPeak files, one a cell type or sample")->required();
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
    add_output(sub, "--output", line.output, "BED with each region's origins in column 4; .gz compresses")
        ->required();
    sub.add_flag("--overwrite", line.overwrite, kOverwriteFile);
}

void add_split(CLI::App& app, CommandLine& line) {
    auto& sub =
        add_command(app, line, Command::split, "split",
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
        sub.add_option(name, value, what)->check(number_in(least, 1e9))->capture_default_str();
    };
    sub.add_option("--by", options.by,
                   "What is held out together: a chromosome, a block, the blocks that an alignment joins "
                   "(homology), or a cell type")
        ->required()
        ->check(CLI::IsMember({"chromosome", "block", "homology", "cell_type"}));
    file("--atlas", options.atlas, "Regions (and cell types): folds are made even in their number");
    file("--regions", options.regions, "The same from a BED file, with --chrom-sizes");
    file("--chrom-sizes", options.chrom_sizes, "Names and lengths; without regions, folds are even in bases");
    number("--folds", options.folds,
           "Chromosomes, blocks or cell types are dealt over so many; 0: a fold each", 0);
    number("--block-bp", options.block_bp, "Length of a block", 1000);
    number("--margin-bp", options.margin_bp, "What is nearer to a test or validation block is in no set", 0);
    sub.add_flag("--no-valid", options.no_valid, "No validation; otherwise the next fold validates");
    file("--alignment", options.alignment, "homology: chain or net file of the genome with itself");
    number("--min-aligned-bp", options.min_aligned_bp,
           "homology: bases of one alignment that join the two blocks they are in", 1);
    file("--query-chrom-sizes", options.query_chrom_sizes,
         "homology: the alignment's query is another genome, of this size; both are split alike");
    add_output(sub, "--query-output", options.query_output, "Folder for the fold files of that genome",
               "FOLDER");
    sub.add_option("--cell-types", options.cell_types, "cell_type: those to split (default: the atlas's)")
        ->delimiter(',')
        ->type_name("NAMES");
    add_output(sub, "--output", line.output, "Folder to write, a file a fold", "FOLDER")->required();
    sub.add_flag("--overwrite", line.overwrite, kOverwriteFolder);
}

}  // namespace

void add_input_commands(CLI::App& app, CommandLine& line) {
    add_regions(app, line);
    add_split(app, line);
}

}  // namespace mpira::cli
