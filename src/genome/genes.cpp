#include "mpira/genome/genes.hpp"

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

#include "genome/fields.hpp"
#include "genome/gene_collector.hpp"

namespace mpira::genome {
namespace {

constexpr std::size_t kBedColumns = 6;

Genes read_bed_starts(std::filesystem::path const& file, std::span<std::string const> chrom_names,
                      GeneFilter const& filter) {
    require(filter.types.empty(), fmt::format("{}: a BED file knows no gene types; leave the restriction to "
                                              "types out or give a GTF or GFF3",
                                              file.string()));
    Lines lines(file);
    GeneCollector genes(chrom_names);
    while (lines.next()) {
        auto const line = lines.line();
        if (is_bed_remark(line)) continue;
        auto const fields = text::split(line, '\t');
        if (fields.size() < kBedColumns)
            lines.refuse(
                fmt::format("starts of transcription need {} tab-separated columns (name and "
                            "strand), {} found",
                            kBedColumns, fields.size()));
        ++genes.report.lines;
        auto const first = parse_position(lines, fields[1], "start", 0);
        auto const end = parse_position(lines, fields[2], "end", 0);
        if (end <= first) lines.refuse(fmt::format("the end ({}) is not after the start ({})", end, first));
        if (fields[5] != "+" && fields[5] != "-")
            lines.refuse(
                fmt::format("the strand '{}' is neither + nor -: which way is transcribed?", fields[5]));
        auto const chrom = genes.chrom(fields[0]);
        if (!chrom) continue;
        Tss start{0, *chrom, fields[5] == "+" ? first : end - 1, fields[5][0]};
        auto id = fields[3] == "." || fields[3].empty()
                      ? fmt::format("{}:{}:{}", fields[0], start.position, start.strand)
                      : std::string(fields[3]);
        start.gene = genes.gene(std::move(id), {}, {});
        genes.add_start(start);
    }
    return genes.finish(file, chrom_names, filter, "no BED line");
}

}  // namespace

std::string GeneReport::describe() const {
    return fmt::format(
        "{} lines read, {} on other chromosomes, {} without strand, {} genes of other types, {} repeated "
        "starts merged, {} genes without transcripts",
        lines, other_chromosome, without_strand, other_type, repeated, without_transcript);
}

Genes read_genes(std::filesystem::path const& file, std::span<std::string const> chrom_names,
                 GeneFilter const& filter) {
    auto const name = file.extension() == ".gz" ? file.stem() : file.filename();
    auto const ending = name.extension();
    if (ending == ".gtf") return read_gtf(file, chrom_names, filter);
    if (ending == ".gff" || ending == ".gff3") return read_gff3(file, chrom_names, filter);
    if (ending == ".bed") return read_bed_starts(file, chrom_names, filter);
    fail_usage(fmt::format("{}: genes are read from .gtf, .gff, .gff3 or .bed, each also .gz, not '{}'",
                           file.string(), ending.string()));
}

}  // namespace mpira::genome
