// export: results in the formats of other programs.
#include "mpira/report/export.hpp"

#include <array>
#include <cstdio>

#include <fmt/format.h>

#include "mpira/base/draft_file.hpp"
#include "mpira/base/error.hpp"
#include "mpira/cli/commands.hpp"

namespace mpira::cli {
namespace {

report::ExportChoice choice_of(CommandLine const& line) {
    report::ExportChoice choice;
    for (auto const& text : line.exports.rows) {
        auto const cut = text.find('=');
        require(cut != std::string::npos && cut > 0,
                fmt::format("--rows {}: expected COLUMN=VALUE, as in --rows cell_type=Kc", text));
        choice.rows.emplace_back(text.substr(0, cut), text.substr(cut + 1));
    }
    choice.values = line.exports.values;
    choice.partial = line.partial;
    choice.overwrite = line.overwrite;
    return choice;
}

/// Options of one format are an error with another: they would do nothing.
void refuse_others(CommandLine const& line) {
    auto const& options = line.exports;
    auto const only = [&](bool given, char const* option, std::string_view formats) {
        require(
            !given || formats.find(options.format) != std::string_view::npos,
            fmt::format("{} does nothing with --format {}; it is of {}", option, options.format, formats));
    };
    only(!options.column.empty(), "--column", "bedgraph and bigwig");
    only(options.overlaps != "refuse", "--overlaps", "bedgraph and bigwig");
    only(!options.rows.empty(), "--rows", "tsv, enhancers, bedgraph and bigwig");
    only(options.values != "X", "--values", "tsv, bedgraph and bigwig");
    only(line.partial, "--partial", "tsv, enhancers, bedgraph and bigwig");
    only(!options.chrom_sizes.empty(), "--chrom-sizes", "bigwig");
    only(!options.atlas.empty(), "--atlas", "gcell-zarr");
}

}  // namespace

int export_result(CommandLine const& line) {
    auto const& options = line.exports;
    refuse_others(line);
    refuse_input_as_output(line.output, std::array{line.file, options.atlas, options.chrom_sizes});
    auto const ending = line.output.extension();
    bool const is_text =
        options.format == "tsv" || options.format == "bedgraph" || options.format == "enhancers";
    require(!is_text || (ending != ".h5ad" && ending != ".bz2" && ending != ".xz" && ending != ".zst"),
            fmt::format("--output {}: {} is text, or gzip where the name ends in .gz; no {}",
                        line.output.string(), options.format, ending.string()));
    if (options.format == "gcell-zarr") {
        require(!options.atlas.empty(),
                "gcell-zarr holds the inputs of every window, too: --atlas FILE names the atlas that the "
                "campaign read");
        auto const stores = report::export_gcell(line.file, options.atlas, line.output, line.overwrite);
        for (auto const& store : stores) fmt::print("{}\n", (line.output / store).string());
        return 0;
    }
    if (options.format == "get-zarr") {
        auto const regions = report::export_get(line.file, line.output, line.overwrite);
        fmt::print("{}: {} regions\n", line.output.string(), regions);
        return 0;
    }
    if (options.format == "tsv") {
        auto const lines = report::export_table(line.file, line.output, choice_of(line));
        fmt::print("{}: {} rows\n", line.output.string(), lines);
        return 0;
    }
    if (options.format == "enhancers") {
        auto const lines = report::export_enhancers(line.file, line.output, choice_of(line));
        fmt::print("{}: {} rows\n", line.output.string(), lines);
        return 0;
    }
    auto const overlaps = options.overlaps == "mean" ? report::Overlaps::mean : report::Overlaps::refuse;
    bool const is_bigwig = options.format == "bigwig";
    require(!is_bigwig || !options.chrom_sizes.empty(),
            "bigwig holds the lengths of chromosomes: --chrom-sizes FILE names them (a .fai will do)");
    auto const count = is_bigwig ? report::export_bigwig(line.file, line.output, options.chrom_sizes,
                                                         options.column, overlaps, choice_of(line))
                                 : report::export_bedgraph(line.file, line.output, options.column, overlaps,
                                                           choice_of(line));
    fmt::print("{}: {} intervals\n", line.output.string(), count);
    return 0;
}

}  // namespace mpira::cli
