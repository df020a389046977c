"""CAGE: 5' ends of start sites (CTSS) and of BAMs, counted by region and strand (`mpira counts` with cage), become log10(CPM + 1)
of each strand and of both (`mpira features` with expression.cage), as plain loops over the same files have it."""
import tempfile
from pathlib import Path

import numpy as np
import pysam

import toy
from mpira_test import assert_equal_results, mpira, read_anndata

LENGTHS = {"chr1": 9000, "chr2": 7000, "chr3": 600, "chrM": 500}


def write_ctss(path, rng, count, chroms=tuple(LENGTHS)):
    sites = {}
    for _ in range(count):
        chrom = chroms[int(rng.integers(len(chroms)))]
        sites[chrom, int(rng.integers(0, LENGTHS[chrom])), "+-"[int(rng.integers(2))]] = int(rng.integers(1, 60))
    plain = path.with_suffix("")
    plain.write_text("".join(f"{c}\t{at}\t{at + 1}\t{c}:{at},{strand}\t{reads}\t{strand}\n"
                             for (c, at, strand), reads in sorted(sites.items())))
    pysam.tabix_index(str(plain), preset="bed", force=True)
    return sites


def write_bam(path, rng, count):
    """Reads of several lengths, spliced and clipped, some left out: second reads, secondary ones, of low quality."""
    header = pysam.AlignmentHeader.from_dict({"HD": {"VN": "1.6", "SO": "coordinate"},
                                              "SQ": [{"SN": name, "LN": length} for name, length in LENGTHS.items()]})
    sites, reads = {}, []
    for number in range(count):
        chrom = list(LENGTHS)[int(rng.integers(3))]
        start, size, gap = int(rng.integers(0, LENGTHS[chrom] - 150)), int(rng.integers(20, 60)), int(rng.integers(0, 50))
        read = pysam.AlignedSegment(header)
        read.query_name, read.reference_id, read.reference_start = f"r{number}", list(LENGTHS).index(chrom), start
        read.cigartuples = [(4, 3), (0, size - 10), *([(3, gap)] if gap else []), (0, 10)]  # clip, match, skip, match
        read.query_sequence = "A" * (size + 3)
        read.mapping_quality = 60
        kind, strand = int(rng.integers(10)), "+-"[int(rng.integers(2))]
        read.flag = 16 if strand == "-" else 0
        kept = True
        if kind == 0:
            read.flag |= 0x100 if number % 2 else 0x800
            kept = False
        elif kind == 1:
            read.mapping_quality, kept = 29, False
        elif kind == 2:
            read.flag |= 0x1 | (0x40 if number % 2 else 0x80)
            kept = bool(number % 2)
        elif kind == 3:
            read.flag |= 0x400  # marked as a duplicate: a read like the others
        elif kind == 4:
            read.flag, kept = read.flag | 0x200, False
        if kept:
            at = start if strand == "+" else start + size + gap - 1
            sites[chrom, at, strand] = sites.get((chrom, at, strand), 0) + 1
        reads.append(read)
    reads.sort(key=lambda read: (read.reference_id, read.reference_start))
    with pysam.AlignmentFile(str(path), "wb", header=header) as out:
        for read in reads:
            out.write(read)
    pysam.index(str(path))
    return sites


def expected(sites, regions):
    counts = np.zeros((len(regions), 2), int)
    for (chrom, at, strand), reads in sites.items():
        for row, (on, start, end) in enumerate(regions):
            if on == chrom and start <= at < end:
                counts[row, "+-".index(strand)] += reads
    return counts, [sum(reads for (_, _, s), reads in sites.items() if s == strand) for strand in "+-"]


def main():
    with tempfile.TemporaryDirectory() as name:
        folder, rng = Path(name), np.random.default_rng(8)
        toy.make_inputs(folder)
        bed = [line.split("\t")[:3] for line in (folder / "regions.bed").read_text().splitlines() if not line.startswith("chr3")]
        bed += [("chr1", "100", "4000"), ("chr1", "150", "160")]
        regions = sorted((c, int(s), int(e)) for c, s, e in bed)
        (folder / "some.bed").write_text("".join(f"{c}\t{s}\t{e}\n" for c, s, e in regions))
        (folder / "sizes").write_text("".join(f"{name}\t{length}\n" for name, length in LENGTHS.items()))
        one, two = write_ctss(folder / "one.bed.gz", rng, 2000), write_ctss(folder / "two.bed.gz", rng, 500, ("chr1",))
        bam = write_bam(folder / "reads.bam", rng, 3000)

        def counts(output, *more, ranks=0, code=0):
            return mpira("counts", "--set", f"genome.chrom_sizes={folder}/sizes", "--set", "genome.assembly=toy",
                         "--set", f"regions.bed={folder}/some.bed", "--set", "unit.regions=7", *more,
                         "--output", output, ranks=ranks, code=code)

        both = {site: one.get(site, 0) + two.get(site, 0) for site in one | two}
        files = ("--set", f"cage=K562={folder}/one.bed.gz,other={folder}/reads.bam,K562={folder}/two.bed.gz")
        counts(folder / "cage.h5ad", *files)
        for ranks in (1, 2, 3, 4):
            counts(folder / f"cage{ranks}.h5ad", *files, ranks=ranks)
            assert_equal_results(folder / "cage.h5ad", folder / f"cage{ranks}.h5ad")
        found = read_anndata(folder / "cage.h5ad")
        assert list(found.var_names) == ["K562.plus", "K562.minus", "other.plus", "other.minus"]
        columns = {}
        for number, (cell_type, sites) in enumerate((("K562", both), ("other", bam))):
            wanted, totals = expected(sites, regions)
            np.testing.assert_array_equal(found.X[:, 2 * number:2 * number + 2], wanted)
            np.testing.assert_array_equal(found.uns["total"][2 * number:2 * number + 2], totals)
            cpm = 1e6 * wanted / sum(totals)
            columns |= {f"{cell_type}.plus": cpm[:, 0], f"{cell_type}.minus": cpm[:, 1], f"{cell_type}.sum": cpm.sum(axis=1)}
            assert (wanted > 0).sum() > 30

        features = ("features", "--config", folder / "features.toml", "--set", f"regions.bed={folder}/some.bed",
                    "--set", f"genome.chrom_sizes={folder}/sizes")
        (folder / "genome.fa").write_text((folder / "genome.fa").read_text() + ">chrM\n" + "A" * 500 + "\n")
        mpira(*features, "--set", f"expression.cage={folder}/cage.h5ad", "--output", folder / "of_cage.h5ad", ranks=2, code=0)
        log = mpira(*features, "--set", f"expression.cage={folder}/cage.h5ad", "--output", folder / "told.h5ad", code=0).text
        assert "'K562' is no cell type of the accessibility" in log and "'other' is no cell type" in log, log
        atlas = read_anndata(folder / "of_cage.h5ad")
        assert list(atlas.uns["expression"]) == list(columns)
        for number, cpm in enumerate(columns.values()):
            np.testing.assert_allclose(atlas.obsm["expression"][:, number], np.log10(cpm + 1), rtol=1e-6)

        def refused(message, command):
            log = mpira(*command, "--output", folder / "wrong.h5ad", code=2).text
            assert message in log and not (folder / "wrong.h5ad").exists(), (message, log)

        counted = ("counts", "--set", f"genome.chrom_sizes={folder}/sizes", "--set", "genome.assembly=toy",
                   "--set", f"regions.bed={folder}/some.bed")
        cage = (*counted, "--set", f"cage=K562={folder}/one.bed.gz")
        refused("barcodes: is of cells", (*cage, "--set", "barcodes=x.tsv"))
        refused("counted: is of fragments", (*cage, "--set", "counted=insertions"))
        refused("bam.max_fragment_bp", (*cage, "--set", "bam.max_fragment_bp=99"))
        refused("name=path", (*counted, "--set", f"cage={folder}/one.bed.gz"))
        refused("name files of fragments here", (*cage, "--set", f"fragments=x={folder}/one.bed.gz"))
        for line, message in (("chr1\t5\t9\tx\t3\t+", "a start site is one base"), ("chr1\t5\t6\tx\t3\t.", "'.' is no strand"),
                              ("chr1\t5\t6\tx\t0.5\t+", "'0.5' is no number of reads"), ("chr1\t5\t6\tx\t3", "number of reads and strand")):
            (folder / "bad.bed").write_text(line + "\n")
            pysam.tabix_index(str(folder / "bad.bed"), preset="bed", force=True)
            refused(message, (*counted, "--set", f"cage=x={folder}/bad.bed.gz"))
        (folder / "bad.bed").write_text("chr1\t5\t6\tx\t3\t+\nchr1\t700\t701\tx\t3\t?\n")
        pysam.tabix_index(str(folder / "bad.bed"), preset="bed", force=True)
        log = counts(folder / "late.h5ad", "--set", f"cage=x={folder}/bad.bed.gz", code=3).text
        assert "'?' is no strand" in log, log
        refused("a file that `mpira counts` wrote", (*features, "--set", f"expression.cage={folder}/atlas.h5ad"))
        toy.write_tabix(folder / "fragments.tsv.gz", [("chr1", 500, 900, "cell", 1)])
        counts(folder / "fragments.h5ad", "--set", f"fragments=x={folder}/fragments.tsv.gz")
        for counts_of in (("expression.cage", "cage"), ("accessibility.counts", "fragments")):
            refused("was counted on 'toy'", (*features, "--set", "genome.assembly=toy2", "--set", "accessibility.beds=", "--set",
                                             f"{counts_of[0]}={folder}/{counts_of[1]}.h5ad"))
        refused("genome.assembly: must be given", (*features, "--set", "genome.assembly="))
        refused("not of cage", (*features, "--set", f"expression.cage={folder}/fragments.h5ad"))
        refused("counts of 5' ends (cage) are no accessibility",
                (*features, "--set", "accessibility.beds=", "--set", f"accessibility.counts={folder}/cage.h5ad"))
        refused("one of these", (*features, "--set", f"expression.cage={folder}/cage.h5ad", "--set", "expression.table=x.tsv"))
        (folder / "other.bed").write_text("chr1\t0\t10\n")
        refused("count them anew", (*features, "--set", f"regions.bed={folder}/other.bed", "--set", "accessibility.beds=", "--set", f"expression.cage={folder}/cage.h5ad"))

        # As a data set of GET, which has no column of both strands.
        mpira("export", folder / "of_cage.h5ad", "--format", "get-zarr", "--output", folder / "cage.zarr", code=0)
        import zarr
        group = zarr.open_group(folder / "cage.zarr", mode="r")
        np.testing.assert_array_equal(group["expression_negative/K562"][:], atlas.obsm["expression"][:, 1])
        assert sorted(group["expression_positive"]) == ["K562", "other"]


if __name__ == "__main__":
    main()
