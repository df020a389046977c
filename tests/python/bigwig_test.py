"""bigWig in and out, beside pyBigWig: `mpira counts` of coverage, the accessibility that `mpira features` makes of it, and
`mpira export --format bigwig` of tracks."""
import sys
from pathlib import Path

import numpy as np
import pyBigWig

sys.path.insert(0, str(Path(__file__).parent))
import toy
from mpira_test import assert_equal_results, mpira, read_anndata, run_cases

LENGTHS = {"chr1": 9000, "chr2": 7000, "chr3": 600}


def write_coverage(path, rng, lengths, scale=1.0):
    """Steps of random length and height, with gaps; bases without a value at the ends."""
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader(sorted(lengths.items()))
        for chrom, length in sorted(lengths.items()):
            cuts = np.unique(rng.integers(10, length - 10, size=length // 12))
            keep = rng.random(len(cuts) - 1) < 0.8
            values = np.round(rng.gamma(1.5, 4, size=keep.sum()) * scale, 3)
            file.addEntries([chrom] * int(keep.sum()), [int(at) for at in cuts[:-1][keep]],
                            ends=[int(at) for at in cuts[1:][keep]], values=[float(value) for value in values])
    return path


def sums_of(path, regions):
    with pyBigWig.open(str(path)) as file:
        values = [np.nan_to_num(file.values(c, s, min(e, file.chroms(c)), numpy=True).astype(float)).sum() for c, s, e in regions]
        whole = sum(np.nan_to_num(file.values(c, 0, n, numpy=True).astype(float)).sum() for c, n in file.chroms().items())
    return np.array(values), whole


def prepare(folder):
    toy.make_inputs(folder)
    (folder / "sizes").write_text("".join(f"{name}\t{length}\n" for name, length in LENGTHS.items()))
    regions = [line.split("\t")[:3] for line in (folder / "regions.bed").read_text().splitlines()]
    return sorted((c, int(s), int(e)) for c, s, e in regions)


def words(folder):
    return ["counts", "--set", f"genome.chrom_sizes={folder / 'sizes'}", "--set", "genome.assembly=toy", "--set",
            f"regions.bed={folder / 'regions.bed'}", "--set", "unit.regions=7"]


def coverage_becomes_accessibility(folder):
    regions = prepare(folder)
    rng = np.random.default_rng(23)
    a = write_coverage(folder / "a.bw", rng, LENGTHS | {"chrM": 500})
    b = write_coverage(folder / "b.bw", rng, {name: LENGTHS[name] for name in ("chr1", "chr2", "chr3")}, 1e-3)
    command = [*words(folder), "--set", f"bigwigs=Kc={a},low={b},Kc={b}", "--set", "signal=true"]
    told = mpira(*command, "--output", folder / "one.h5ad", code=0)
    assert "Kc: signal" in told.stderr, told
    mpira(*command, "--output", folder / "three.h5ad", ranks=3, code=0)
    assert_equal_results(folder / "one.h5ad", folder / "three.h5ad")
    found = read_anndata(folder / "one.h5ad")
    (in_a, all_a), (in_b, all_b) = sums_of(a, regions), sums_of(b, regions)
    assert list(found.var_names) == ["Kc", "low"]
    np.testing.assert_allclose(np.asarray(found.X), np.column_stack([in_a + in_b, in_b]), rtol=1e-6)
    np.testing.assert_allclose(found.uns["total"], [all_a + all_b, all_b], rtol=1e-6)
    np.testing.assert_allclose(found.uns["largest"], np.asarray(found.X).max(axis=0), rtol=0)

    mpira("features", "--config", folder / "features.toml", "--set", "accessibility.beds=", "--set",
          f"accessibility.counts={folder / 'one.h5ad'}", "--output", folder / "signal.h5ad", ranks=2, code=0)
    signal = np.log10(1e5 * np.asarray(found.X, dtype=float) / np.asarray(found.uns["total"]) + 1)
    atlas = read_anndata(folder / "signal.h5ad")
    np.testing.assert_allclose(np.asarray(atlas.obsm["accessibility"]), signal / signal.max(axis=0), rtol=1e-6)


def tracks_go_out_as_bigwig(folder):
    prepare(folder)
    mpira("features", "--config", folder / "features.toml", "--output", folder / "atlas.h5ad", code=0)
    feature = read_anndata(folder / "atlas.h5ad").var_names[0]
    export = ["export", folder / "atlas.h5ad", "--column", feature, "--overlaps", "mean"]
    mpira(*export, "--format", "bedgraph", "--output", folder / "track.bedgraph", code=0)
    mpira(*export, "--format", "bigwig", "--chrom-sizes", folder / "sizes", "--output", folder / "track.bw", code=0)
    expected = [line.split("\t") for line in (folder / "track.bedgraph").read_text().splitlines()]
    with pyBigWig.open(str(folder / "track.bw")) as file:
        assert file.isBigWig() and file.chroms() == LENGTHS
        found = [(chrom, *one) for chrom in sorted(LENGTHS) for one in file.intervals(chrom) or ()]
        assert file.header()["nLevels"] > 0
    assert [(c, int(s), int(e)) for c, s, e, _ in expected] == [one[:3] for one in found]
    np.testing.assert_allclose([float(value) for *_, value in expected], [one[3] for one in found], rtol=1e-6)

    def refused(says, *more, output="no.bw"):
        told = mpira(*export, "--format", "bigwig", "--output", folder / output, *more, code=2)
        assert all(word in told.stderr for word in says), told
        assert output == "track.bw" or not (folder / output).exists()

    refused(["--chrom-sizes"])
    (folder / "short").write_text("chr1\t9000\nchr2\t200\n")
    refused(["atlas.h5ad", "short", "one assembly"], "--chrom-sizes", folder / "short")
    refused(["track.bw", "--overwrite"], "--chrom-sizes", folder / "sizes", output="track.bw")


def wrong_inputs_are_named(folder):
    prepare(folder)
    rng = np.random.default_rng(5)
    good = write_coverage(folder / "good.bw", rng, LENGTHS)

    def refused(item, says, *more):
        told = mpira(*words(folder), "--set", f"bigwigs={item}", *more, "--output", folder / "no.h5ad", code=2)
        assert all(word in told.stderr for word in says), told
        assert not (folder / "no.h5ad").exists()

    signal = ["--set", "signal=true"]
    refused(f"Kc={good}", ["signal", "not counts"])
    refused(good, ["bigwigs", "name=path"], *signal)
    refused(f"Kc={good}", ["fragments", "bigwigs"], *signal, "--set", f"matrices=Kc={good}")
    refused(f"Kc={good}", ["counted"], *signal, "--set", "counted=insertions")
    refused(f"Kc={good}", ["barcodes", "cells"], *signal, "--set", f"barcodes={good}")
    refused(f"Kc={folder / 'none.bw'}", ["none.bw", "No such file"], *signal)
    refused(f"Kc={folder / 'sizes'}", ["sizes", "no bigWig"], *signal)
    refused(f"Kc={folder}", ["is a folder"], *signal)
    other = write_coverage(folder / "other.bw", rng, LENGTHS | {"chr1": 8999})
    refused(f"Kc={other}", ["other.bw", "chr1 has 8999 bp", "9000"], *signal)
    plain = write_coverage(folder / "plain.bw", rng, {"1": 900})
    refused(f"Kc={plain}", ["plain.bw", "'1'", "'chr1'"], *signal)
    minus = write_coverage(folder / "minus.bw", rng, LENGTHS, -1)
    refused(f"Kc={minus}", ["minus.bw", "sums to -"], *signal)
    for cut in (40, 200):
        (folder / "cut.bw").write_bytes(good.read_bytes()[:cut])
        refused(f"Kc={folder / 'cut.bw'}", ["cut.bw"], *signal)


if __name__ == "__main__":
    run_cases([coverage_becomes_accessibility, tracks_go_out_as_bigwig, wrong_inputs_are_named])
