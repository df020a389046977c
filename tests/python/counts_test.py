"""`mpira counts` against pysam, and what `mpira features` makes of it against NumPy: fragments and insertions, cell types by
file and by barcode, overlapping and nested regions, fragments far from any region; BAMs; the same bytes on any number of ranks."""
import tempfile
from pathlib import Path

import numpy as np
import pysam

import toy
from mpira_test import assert_equal_results, mpira, read_anndata


def write_fragments(path, rng, lengths, count):
    fragments = []
    for _ in range(count):
        chrom = list(lengths)[int(rng.integers(len(lengths)))]
        start = int(rng.integers(0, lengths[chrom] - 20))
        fragments.append((chrom, start, min(lengths[chrom], start + int(rng.integers(1, 900))), f"cell{rng.integers(40)}-1"))
    fragments.sort()
    toy.write_tabix(path, ((*fragment, rng.integers(1, 5)) for fragment in fragments))
    return path


def write_bam(path, rng, lengths, count):
    """Pairs of reads whose fragments a tabix file beside it holds, as Tn5 cut, and reads that are none."""
    header = pysam.AlignmentHeader.from_dict({"HD": {"VN": "1.6", "SO": "coordinate"},
                                              "SQ": [{"SN": name, "LN": length} for name, length in lengths.items()]})
    records, fragments = [], []

    def pair(chrom, start, end, barcode, *, flags=0, mapq=60, mate_mapq=None, other=None):
        size, tid = min(50, end - start), list(lengths).index(chrom)
        for left in (True, False):
            read = pysam.AlignedSegment(header)
            read.query_name = f"pair{len(records) // 2}"
            read.query_sequence, read.cigartuples = "A" * size, [(0, size)]
            read.reference_id = read.next_reference_id = tid
            if other is not None:
                read.next_reference_id = other
            read.reference_start, read.next_reference_start = (start, end - size) if left else (end - size, start)
            read.template_length = end - start if left else start - end
            read.flag = 0x1 | (0 if flags & 0x1000 else 0x2) | flags | (0x40 | 0x20 if left else 0x80 | 0x10)
            read.flag &= 0xFFF
            read.mapping_quality = mapq
            if barcode:
                read.set_tag("CB", barcode)
            if mate_mapq is not None:
                read.set_tag("MQ", mate_mapq if left else mapq)
            records.append(read)

    for _ in range(count):
        chrom = list(lengths)[int(rng.integers(len(lengths)))]
        start = int(rng.integers(0, lengths[chrom] - 60))
        end = min(lengths[chrom], start + int(rng.integers(12, 900)))
        barcode = f"cell{rng.integers(40)}-1"
        kind = int(rng.integers(12))
        if kind < 6:
            pair(chrom, start, end, barcode, mate_mapq=60 if kind == 0 else None)
            fragments.append((chrom, start + 4, end - 5, barcode))
        elif kind == 6:
            pair(chrom, start, end, barcode, flags=0x400)  # a duplicate
        elif kind == 7:
            pair(chrom, start, end, barcode, mapq=29)
        elif kind == 8:
            pair(chrom, start, end, barcode, mate_mapq=3)
        elif kind == 9:
            pair(chrom, start, end, barcode, flags=0x1000)  # no proper pair
        elif kind == 10:
            pair(chrom, start, end, barcode, flags=0x100 if start % 2 else 0x800)  # not the primary alignments
        elif lengths[chrom] > 2100:
            pair(chrom, 10, 2011 + start % 50, barcode)  # too long
    pair("chr1", 40, 49, "cell1-1")  # nothing is left between its cuts
    pair("chr1", 20, 2020, "cell1-1")  # just short enough
    fragments.append(("chr1", 24, 2015, "cell1-1"))
    records.sort(key=lambda read: (read.reference_id, read.reference_start))
    with pysam.AlignmentFile(str(path), "wb", header=header) as out:
        for read in records:
            out.write(read)
    pysam.index(str(path))
    truth = path.with_suffix(".tsv.gz")
    plain = truth.with_suffix("")
    plain.write_text("".join(f"{c}\t{s}\t{e}\t{b}\t1\n" for c, s, e, b in sorted(fragments)))
    pysam.tabix_compress(str(plain), str(truth), force=True)
    pysam.tabix_index(str(truth), preset="bed", force=True)
    return truth


def pysam_counts(path, regions, insertions, cell_type_of):
    """{cell type: (counts, total)}; `cell_type_of` barcode."""
    with pysam.TabixFile(str(path)) as file:
        counts, totals = {}, {}
        for row in (line.split("\t") for chrom in file.contigs for line in file.fetch(chrom)):
            name = cell_type_of(row[3])
            totals[name] = totals.get(name, 0) + (2 if insertions else 1)
        for i, (chrom, start, end) in enumerate(regions):
            for line in file.fetch(chrom, start, end) if chrom in file.contigs else ():
                _, first, last, barcode, _ = line.split("\t")
                sites = [int(first), int(last) - 1]
                found = sum(start <= site < end for site in sites) if insertions else 1
                counts.setdefault(cell_type_of(barcode), np.zeros(len(regions), int))[i] += found
    return {name: (counts.get(name, np.zeros(len(regions), int)), totals[name]) for name in totals if name is not None}


def main():
    scratch = tempfile.TemporaryDirectory(prefix="mpira-counts-")
    folder = Path(scratch.name)
    toy.make_inputs(folder)
    rng = np.random.default_rng(17)
    # Regions that overlap and contain each other, beside the toy's; chr3 keeps none.
    bed = [line.split("\t")[:3] for line in (folder / "regions.bed").read_text().splitlines() if not line.startswith("chr3")]
    bed += [("chr1", "100", "4000"), ("chr1", "150", "160"), ("chr2", "0", "7000")]
    regions = sorted((c, int(s), int(e)) for c, s, e in bed)
    (folder / "some.bed").write_text("".join(f"{c}\t{s}\t{e}\n" for c, s, e in regions))
    lengths = {"chr1": 9000, "chr2": 7000, "chr3": 600}
    (folder / "chrom.sizes").write_text("".join(f"{name}\t{length}\n" for name, length in lengths.items()))
    a = write_fragments(folder / "a.tsv.gz", rng, lengths | {"chrM": 500}, 3000)
    b = write_fragments(folder / "b.tsv.gz", rng, {"chr1": 9000}, 700)
    (folder / "cells.tsv").write_text("Barcode\tcluster\n" + "".join(f"cell{n}-1\t{'toy cell' if n % 3 else 'other'}\n" for n in range(30)))

    words = ["counts", "--set", f"genome.chrom_sizes={folder / 'chrom.sizes'}", "--set", "genome.assembly=toy",
             "--set", f"regions.bed={folder / 'some.bed'}", "--set", "unit.regions=7"]
    by_file = [*words, "--set", f"fragments=toy_cell={a},other={b},toy_cell={b}"]
    by_barcode = [*words, "--set", f"fragments={a},{b}", "--set", f"barcodes={folder / 'cells.tsv'}"]
    known = dict(line.split("\t") for line in (folder / "cells.tsv").read_text().splitlines()[1:])
    for insertions in (False, True):
        counted = ["--set", f"counted={'insertions' if insertions else 'fragments'}"]
        of = lambda path, cell_type_of: pysam_counts(path, regions, insertions, cell_type_of)
        whole = {p: of(p, lambda _: "all")["all"] for p in (a, b)}
        parts = {p: of(p, known.get) for p in (a, b)}
        add = lambda *pairs: tuple(map(sum, zip(*pairs)))
        expected = {"file": {"toy_cell": add(whole[a], whole[b]), "other": whole[b]},
                    "barcode": {name: add(parts[a][name], parts[b][name]) for name in ("other", "toy cell")}}
        for kind, command in (("file", by_file), ("barcode", by_barcode)):
            out = folder / f"{kind}{insertions:d}.h5ad"
            output = mpira(*command, *counted, "--output", out, code=0)
            counts = read_anndata(out)
            assert list(counts.var_names) == list(expected[kind]), counts.var_names
            for i, (name, (column, total)) in enumerate(expected[kind].items()):
                np.testing.assert_array_equal(np.asarray(counts.X)[:, i], column)
                assert counts.uns["total"][i] == total and counts.uns["largest"][i] == column.max()
            for ranks in (1, 3):
                mpira(*command, *counted, "--output", folder / "other.h5ad", "--fresh", "--overwrite", ranks=ranks, code=0)
                assert_equal_results(out, folder / "other.h5ad")
    print(output.stderr.splitlines()[-3:])

    # A BAM tells the same as the fragments it was made of, cut where Tn5 cut.
    truth = write_bam(folder / "reads.bam", rng, lengths, 4000)
    for insertions in (False, True):
        counted = ["--set", f"counted={'insertions' if insertions else 'fragments'}"]
        for kind, sources, cell_type_of in (("file", "toy_cell={}", lambda _: "toy_cell"), ("barcode", "{}", known.get)):
            named = ["--set", f"barcodes={folder / 'cells.tsv'}"] if kind == "barcode" else []
            mpira(*words, *named, *counted, "--set", "fragments=" + sources.format(folder / "reads.bam"),
                  "--output", folder / "bam.h5ad", "--fresh", "--overwrite", ranks=2, code=0)
            counts = read_anndata(folder / "bam.h5ad")
            expected = pysam_counts(truth, regions, insertions, cell_type_of)
            assert set(counts.var_names) == set(expected)
            for i, name in enumerate(counts.var_names):
                np.testing.assert_array_equal(np.asarray(counts.X)[:, i], expected[name][0])
                assert counts.uns["total"][i] == expected[name][1]

    # Into an atlas, as log10(1e5 c / total + 1) divided by its largest.
    features = ["features", "--config", folder / "features.toml", "--set", f"regions.bed={folder / 'some.bed'}",
                "--set", "accessibility.beds=", "--set", f"accessibility.counts={folder / 'file0.h5ad'}"]
    counts = read_anndata(folder / "file0.h5ad")
    for extra, per in (([], 1e5), (["--set", "accessibility.per=1e6"], 1e6)):
        mpira(*features, *extra, "--output", folder / "counted.h5ad", "--fresh", "--overwrite", ranks=2, code=0)
        atlas = read_anndata(folder / "counted.h5ad")
        assert list(atlas.uns["cell_types"]) == ["toy_cell", "other"]
        signal = np.log10(per * np.asarray(counts.X) / np.asarray(counts.uns["total"]) + 1)
        np.testing.assert_allclose(np.asarray(atlas.obsm["accessibility"]), signal / signal.max(axis=0), rtol=1e-6)

    # What lies below a floor is not accessible, on whichever scale that is said.
    total = np.asarray(counts.uns["total"])
    scales = {"cpm": 1e6 * np.asarray(counts.X) / total, "log": np.log10(1e5 * np.asarray(counts.X) / total + 1)}
    scales["value"] = (scales["log"] / scales["log"].max(axis=0)).astype(np.float32)
    for scale, values in scales.items():
        least = float(np.quantile(values, 0.6)) * 1.0001  # between two counts
        mpira(*features, "--set", f"accessibility.floor={least!r}", "--set", f"accessibility.floor_scale={scale}",
              "--output", folder / "cut.h5ad", "--fresh", "--overwrite", ranks=2, code=0)
        cut = np.asarray(read_anndata(folder / "cut.h5ad").obsm["accessibility"])
        np.testing.assert_allclose(cut, np.where(values >= least, scales["value"], 0), rtol=1e-6)
        assert 0 < (cut > 0).sum() < (values > 0).sum()

    (folder / "signal.tsv").write_text("chrom\tstart\tend\tKc\n" + "".join(f"{c}\t{s}\t{e}\t{i % 5}\n" for i, (c, s, e) in enumerate(regions)))
    mpira(*features, "--set", "accessibility.counts=", "--set", f"accessibility.table={folder / 'signal.tsv'}",
          "--set", "accessibility.floor=2", "--output", folder / "cut.h5ad", "--fresh", "--overwrite", code=0)
    cut = np.asarray(read_anndata(folder / "cut.h5ad").obsm["accessibility"])[:, 0]
    np.testing.assert_array_equal(cut, [i % 5 if i % 5 >= 2 else 0 for i in range(len(regions))])

    def refuses(command, fragments):
        failed = mpira(*command, "--output", folder / "wrong.h5ad", code=2)
        assert all(fragment in failed.stderr for fragment in fragments), (fragments, failed.stderr)
        assert not (folder / "wrong.h5ad").exists()

    refuses([*features, "--set", "accessibility.floor=2"], ["accessibility.floor", "'toy_cell' reaches 2"])
    refuses([*features, "--set", "accessibility.counts=", "--set", f"accessibility.table={folder / 'signal.tsv'}",
             "--set", "accessibility.floor=2", "--set", "accessibility.floor_scale=cpm"], ["accessibility.floor", "scale"])
    (folder / "twice.tsv").write_text("cell1-1\tx\ncell1-1\ty\n")
    (folder / "alone.tsv").write_text("cell1-1\n")
    elsewhere = write_fragments(folder / "elsewhere.tsv.gz", rng, {"1": 500}, 5)
    refuses([*features, "--set", "accessibility.floor_scale=cpm"], ["accessibility.floor_scale", "not given"])
    refuses([*features, "--set", "accessibility.counts=", "--set", "accessibility.floor=2"],
            ["accessibility.floor", "no accessibility"])
    refuses([*features, "--set", "accessibility.counts=", "--set", "accessibility.per=1e6"],
            ["accessibility.per", "not given"])
    refuses([*features, "--set", "accessibility.counts=", "--set", f"accessibility.table={folder / 'signal.tsv'}",
             "--set", "accessibility.floor=9"], ["accessibility.floor", "'Kc' reaches 9", "the largest is 4"])
    refuses([*words, "--set", f"fragments={a}"], ["fragments", "name=path"])
    refuses([*words, "--set", f"fragments=x={a}", "--set", "matrix.values=raw/X"], ["matrix.values", "of matrices"])
    refuses([*words, "--set", f"fragments=x={a}", "--set", "bam.min_mapq=10"], ["bam.min_mapq", "BAMs, and none are given"])
    header = "@SQ\tSN:chr1\tLN:9000\n"
    (folder / "text.sam").write_text(header)
    refuses([*words, "--set", f"fragments=x={folder / 'text.sam'}"], ["text.sam", "samtools sort"])
    (folder / "bare.bam").write_bytes((folder / "reads.bam").read_bytes())
    refuses([*words, "--set", f"fragments=x={folder / 'bare.bam'}"], ["bare.bam", "samtools index"])
    single = pysam.AlignmentHeader.from_text(header)
    with pysam.AlignmentFile(str(folder / "single.bam"), "wb", header=single) as out:
        out.write(pysam.AlignedSegment.fromstring("lone\t0\tchr1\t101\t60\t4M\t*\t0\t0\tACGT\tIIII", single))
    pysam.index(str(folder / "single.bam"))
    refuses([*words, "--set", f"fragments=x={folder / 'single.bam'}"], ["single.bam", "'lone'", "not paired"])
    refuses([*words, "--set", f"fragments=x={a}", "--set", "bam.barcode_tag=CELL"], ["bam.barcode_tag", "two characters"])
    refuses([*words, "--set", f"fragments=x={folder / 'none.tsv.gz'}"], ["none.tsv.gz"])
    refuses([*words, "--set", f"fragments=x={elsewhere}"], ["elsewhere.tsv.gz", "'1'", "'chr1'"])
    refuses([*words, "--set", f"fragments={a}", "--set", f"barcodes={folder / 'twice.tsv'}"], ["twice.tsv", "line 2", "twice"])
    refuses([*words, "--set", f"fragments={a}", "--set", f"barcodes={folder / 'alone.tsv'}"], ["alone.tsv", "line 1"])
    # Barcodes of another kind are refused before anything is counted.
    (folder / "bare.tsv").write_text("cell1\tx\ncell2\ty\n")
    failed = mpira(*words, "--set", f"fragments={a}", "--set", f"barcodes={folder / 'bare.tsv'}",
                   "--output", folder / "zeros.h5ad", ranks=2, code=2)
    assert "fragments looked at has a barcode" in failed.stderr and "'cell1'" in failed.stderr, failed
    assert not (folder / "zeros.h5ad").exists()
    # What can't end (no read is good enough) is not finished, and so not exported as if it were.
    mpira(*words, "--set", f"fragments=x={folder / 'reads.bam'}", "--set", "bam.min_mapq=255", "--output", folder / "none.h5ad", code=2)
    tsv = ["export", folder / "none.h5ad", "--format", "tsv", "--output", folder / "none.tsv"]
    assert "--partial" in mpira(*tsv, code=2).text
    mpira(*tsv, "--partial", code=0)
    # A genome with shorter chromosomes.
    (folder / "short.sizes").write_text("chr1\t9000\nchr2\t7000\nchr3\t40\n")
    failed = mpira(*words, "--set", f"genome.chrom_sizes={folder / 'short.sizes'}", "--set", f"fragments=x={a}",
                   "--output", folder / "short.h5ad", code=2)
    assert "a.tsv.gz: a fragment at chr3:" in failed.stderr and "chr3 has 40 bp" in failed.stderr, failed

    refuses([*features, "--set", f"accessibility.table={folder / 'x.tsv'}"], ["accessibility.counts", "one of"])
    refuses([*features, "--set", f"accessibility.counts={folder / 'atlas.h5ad'}"], ["atlas.h5ad", "mpira counts"])
    refuses([*features, "--set", f"regions.bed={folder / 'regions.bed'}"], ["file0.h5ad", "count them anew"])


main()
