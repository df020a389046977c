#!/usr/bin/env python3
"""Human data for docs/human-chr22.md: chromosome 22 (hg19) as far as a package carries its sequence.

    launch/human_chr22_data.py OUTPUT_FOLDER [--data .deps/data]

Real files of packages, no download (launch/setup --human unpacks them). Deterministic; every count is compared with the
one the recipe was tried with, and a difference ends in exit code 1.
    sequence       human lines of a Compara EPO alignment of apes (Debian maffilter-examples); N where no block lies
    genes          RefSeq transcripts with symbols (PyPI beta-binding-analysis)
    CTCF sites     hg19, of the same package
    CpG islands    Debian chromhmm-example
    expression     FPKM of 271 single myoblasts at 0, 24, 48, 72 h (Debian r-bioc-hsmmsinglecell)
    motifs         JASPAR 2024 (PyPI pyjaspar)

Written to OUTPUT_FOLDER (coordinates 0-based, half-open):
    genome.fa          chr22, upper case, 50 bases a line
    chrom.sizes
    promoters.bed      TSS +-250 bp; a score of 1, which the other two lack: `mpira regions --width` keeps the stronger
    CpG_islands.bed
    CTCF.bed
    genes.bed          transcripts: symbol, strand
    tpm.tsv            gene x time point: FPKM of a cell / its sum over all genes x 1e6, mean over the cells
    motifs.sqlite      link to the JASPAR 2024 release
"""

import gzip

from quickstart_data import bed, check, conclude, fasta, find, folders, link_to, write

CHROM = "chr22"
LENGTH = 51_304_566
TSS_FLANK = 250
TIMES = {"0": "T0", "24": "T24", "48": "T48", "72": "T72"}  # hours in the sample sheet; names in the atlas
CELLS = (69, 74, 79, 49)


def read_alignment(path):
    """The human sequence of a MAF file, N between its blocks; how many blocks, how many bases in two of them."""
    sequence, blocks, twice = bytearray(b"N" * LENGTH), 0, 0
    with gzip.open(path, "rt") as lines:
        for number, line in enumerate(lines, 1):
            if not line.startswith("s Hsap."):
                continue
            _, source, start, size, strand, length, aligned = line.split()
            bases = aligned.replace("-", "").upper().encode()
            start, end = int(start), int(start) + int(size)
            # Coordinates of a - strand would count from the chromosome's other end.
            good = (source, strand, int(length), len(bases)) == ("Hsap.22", "+", LENGTH, end - start) and end <= LENGTH
            assert good, f"{path} line {number}: not a piece of chromosome 22's + strand, GRCh37"
            twice += end - start - sequence.count(b"N", start, end)
            sequence[start:end] = bases
            blocks += 1
    return sequence.decode(), blocks, twice


def read_columns(path):
    opened = gzip.open(path, "rt") if path.suffix == ".gz" else open(path)
    with opened as lines:
        return [fields for fields in map(str.split, lines) if CHROM in fields[:2]]


def read_expression(folder):
    """{symbol: TPM at each time point}, and how many cells each has."""
    import numpy as np
    import rdata

    (fpkm,) = rdata.read_rda(folder / "HSMM_expr_matrix.rda").values()
    (genes,) = rdata.read_rda(folder / "HSMM_gene_annotation.rda").values()
    (cells,) = rdata.read_rda(folder / "HSMM_sample_sheet.rda").values()
    values = fpkm.values
    assert list(fpkm.coords["dim_0"].values) == list(genes.index), "genes and their annotation differ"
    assert list(fpkm.coords["dim_1"].values) == list(cells.index), "cells and their sample sheet differ"
    check("genes with expression", values.shape[0], 47_192)
    tpm = values / values.sum(axis=0) * 1e6
    hours = cells["Hours"].astype(str).to_numpy()
    means = np.stack([tpm[:, hours == time].mean(axis=1) for time in TIMES], axis=1)
    for time, expected in zip(TIMES, CELLS):
        check(f"cells at {time} h", int((hours == time).sum()), expected)
    by_symbol = {}
    for symbol, row in zip(genes["gene_short_name"], means):  # some symbols stand for several Ensembl genes
        by_symbol[str(symbol)] = by_symbol.get(str(symbol), 0) + row
    return by_symbol


def main():
    data, output = folders(__doc__)
    output.mkdir(parents=True, exist_ok=True)

    def part(pattern, package):
        return find(data, pattern, package, "launch/setup --human")

    print("sequence")
    sequence, blocks, twice = read_alignment(
        part("debian/**/Gorilla/Compara.epo_5_catarrhini*chr22*.maf.gz", "Debian's maffilter-examples"))
    check("chr22, bp", len(sequence), LENGTH)
    check("blocks of the alignment", blocks, 9_627)
    check("bases in two blocks", twice, 0)
    check("known bases", LENGTH - sequence.count("N"), 21_629_084)

    print("genes, CpG islands, CTCF sites")
    references = part("python/beta/references/hg19.refseq", "PyPI's beta-binding-analysis").parent
    genes = sorted({(int(start), int(end), symbol, strand)
                    for _, _, strand, start, end, symbol in read_columns(references / "hg19.refseq")})
    symbols = {symbol for _, _, symbol, _ in genes}
    check("RefSeq genes", len(symbols), 591)
    tss = sorted({start if strand == "+" else end - 1 for start, end, _, strand in genes})
    check("TSS", len(tss), 728)
    coordinates = part("debian/**/COORDS/hg19/CpGIsland.hg19.bed.gz", "Debian's chromhmm-example").parent
    islands = sorted((int(start), int(end)) for _, start, end, *_ in read_columns(coordinates / "CpGIsland.hg19.bed.gz"))
    check("CpG islands", len(islands), 719)
    sites = sorted((int(start), int(end)) for _, start, end, *_ in read_columns(references / "hg19_CTCF_bound.bed"))
    check("CTCF sites", len(sites), 226)
    # Were sequence and annotation not of one assembly, strand and origin, this would be about an eighth.
    exons = {int(fields[2]) for fields in read_columns(coordinates / "RefSeqExon.hg19.bed.gz")}
    behind = [sequence[end:end + 2] for end in exons]
    check("exon ends with both bases behind them known", sum("N" not in two for two in behind), 3_542)
    check("of these GT, or CT (from the - strand)", sum(two in ("GT", "CT") for two in behind), 3_190)

    print("expression")
    expression = read_expression(
        part("debian/**/HSMMSingleCell/data/HSMM_expr_matrix.rda", "Debian's r-bioc-hsmmsinglecell").parent)
    measured = sorted(symbols & expression.keys())
    check("RefSeq genes with expression", len(measured), 468)

    write(output / "genome.fa", fasta(CHROM, sequence))
    write(output / "chrom.sizes", f"{CHROM}\t{LENGTH}\n")
    promoters = [(position - TSS_FLANK, position + TSS_FLANK) for position in tss]
    write(output / "promoters.bed", bed(promoters, ["TSS"] * len(tss), [1] * len(tss), chrom=CHROM))
    write(output / "CpG_islands.bed", bed(islands, chrom=CHROM))
    write(output / "CTCF.bed", bed(sites, chrom=CHROM))
    write(output / "genes.bed", bed([gene[:2] for gene in genes], [gene[2] for gene in genes], [0] * len(genes),
                                    [gene[3] for gene in genes], chrom=CHROM))
    write(output / "tpm.tsv", "\t".join(("gene", *TIMES.values())) + "\n" + "".join(
        "\t".join((symbol, *(f"{value:.6g}" for value in expression[symbol]))) + "\n" for symbol in measured))
    link_to(output / "motifs.sqlite", part("python/pyjaspar/data/JASPAR2024.sqlite", "PyPI's pyjaspar"))
    conclude(output)


if __name__ == "__main__":
    main()
