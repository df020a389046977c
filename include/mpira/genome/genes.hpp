#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mpira/genome/windows.hpp"

/// Genes, where their transcription starts, and which regions hold their promoters. Values; threads: reading
/// is free for all.
namespace mpira::genome {

/// A transcription start site.
struct Tss {
    std::uint32_t gene = 0;     ///< index in Genes::ids
    std::int32_t chrom = 0;     ///< index in the chromosome names given to the reader
    std::int64_t position = 0;  ///< of the first transcribed base, 0-based
    char strand = '+';          ///< '+' or '-'

    friend bool operator==(Tss const&, Tss const&) = default;
};

/// What an annotation file held, for the log.
struct GeneReport {
    std::int64_t lines = 0;               ///< data lines read
    std::int64_t other_chromosome = 0;    ///< gene, transcript or BED lines on chromosomes not in the table
    std::int64_t without_strand = 0;      ///< gene and transcript lines with strand . or ? (trans-spliced)
    std::int64_t other_type = 0;          ///< genes left out by GeneFilter::types
    std::int64_t repeated = 0;            ///< transcripts whose start another one of the gene has too
    std::int64_t without_transcript = 0;  ///< genes whose own 5' end is their start
    [[nodiscard]] std::string describe() const;
};

struct Genes {
    std::vector<std::string> ids;    ///< unique: gene_id (GTF), ID (GFF3), name (BED)
    std::vector<std::string> names;  ///< gene_name, Name, or the id
    std::vector<std::string> types;  ///< gene_type or gene_biotype; "" where the file has none
    std::vector<Tss> tss;            ///< by (chromosome, position, strand, gene), each once
    GeneReport report;
};

struct GeneFilter {
    std::vector<std::string> types;  ///< only genes of these types ("protein_coding"); empty: all
};

/// Reads genes by the file's name: .gtf, .gff or .gff3, .bed, each plain or followed by .gz (gzip or bgzip).
///
/// GTF: a start is the 5' end of a transcript; a gene without one has that of its `gene` line. Transcripts
/// are `transcript` lines and, as FlyBase has them (mRNA, ncRNA, pseudogene, ...), all others with a
/// transcript_id but for exon, CDS, UTR, codon, intron and Selenocysteine lines. Genes are told apart by
/// gene_id. GFF3: genes are lines whose type ends in "gene", with an ID; transcripts are lines whose Parent
/// is a gene, in any order, but for the same parts; what follows ##FASTA is not read. BED: at least six
/// columns; the start is the first base of a '+' line, the last one of a '-' line; lines with one name are
/// one gene, a line named "." is a gene of its own, "chr2R:123:+".
///
/// Positions become 0-based (GTF and GFF3 count from 1, both ends inside). A gene may have starts on several
/// chromosomes or strands. Chromosomes that `chrom_names` lacks are skipped and counted. Refused,
/// Origin::usage, by file and line: too few columns, positions that are no integers, below the first or
/// reversed, a strand that isn't one, a BED line without strand, a line without its gene_id or ID; by file:
/// an unknown ending, no gene at all, or none on a chromosome of the table (with names of both).
Genes read_genes(std::filesystem::path const& file, std::span<std::string const> chrom_names,
                 GeneFilter const& filter = {});

/// A region that holds a promoter of a gene: what becomes a row of a gene-by-motif matrix.
struct Promoter {
    std::uint32_t gene = 0;
    std::uint32_t row = 0;  ///< of the table of regions
    char strand = '+';
    std::int64_t position = 0;  ///< of the start nearest to the region's centre; of two, the lower
    std::uint32_t starts = 0;   ///< how many starts of the gene have this region in their promoter

    friend bool operator==(Promoter const&, Promoter const&) = default;
};

/// Every (gene, region, strand) where the bases [start - flank_bp, start + flank_bp] of one of the gene's
/// starts share a base with the region. Nothing is chosen among several genes of a region or several regions
/// of a gene: all are kept (the published code keeps one gene a region, spec/get.md 2.2). Ordered by the
/// gene's first start, gene, row, strand: rows of one gene follow each other.
std::vector<Promoter> promoters_of(Genes const& genes, RegionColumns const& regions, std::int64_t flank_bp);

}  // namespace mpira::genome
