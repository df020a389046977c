"""Atlases of motif hits that were found already (motifs.hits) against a plain loop, and a screen whose elements are scanned
beside them: as another atlas was scanned, with the ratio of the two scales. States of regions besides."""
import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pysam

import toy
from mpira_test import assert_equal_results, mpira, read_anndata

ORDER = ["f7", "f0", "f9", "f2", "f8", "f6", "f1"]  # of columns, not the scanned atlas's


def write_hits(folder, rng):
    """Hits of the scanned atlas's features by other names and with other scores; some of no feature, some left out."""
    lengths = {"chr1": 9000, "chr2": 7000}  # chr3 has none
    names = [f"hit{number}" for number in range(10)]
    table = [(f"hit{n}", f"f{n // 2 if n < 6 else n}") for n in range(10)]
    table.sort(key=lambda row: ORDER.index(row[1]))
    table.append(("left_out", "-"))
    (folder / "hits.tsv").write_text("# hit and feature\n" + "".join("\t".join(row) + "\n" for row in table))
    rows = []
    for chrom, length in lengths.items():
        for _ in range(3000):
            start = int(rng.integers(0, length - 30))
            name = names[int(rng.integers(10))] if rng.random() < 0.8 else ("stranger", "left_out")[int(rng.integers(2))]
            rows.append((chrom, start, start + int(rng.integers(4, 25)), name, f"{rng.gamma(4):.4f}", "+-"[int(rng.integers(2))]))
    rows.sort(key=lambda row: (row[0], row[1], row[2]))
    write_table(folder / "hits.bed.gz", rows)
    return rows, dict(table)


def write_table(path, rows):
    path.with_suffix("").write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    pysam.tabix_index(str(path.with_suffix("")), preset="bed", force=True)


def nested_regions(folder):
    """The toy's regions and some that contain or touch each other."""
    rows = [line.split("\t") for line in (folder / "regions.bed").read_text().splitlines()]
    rows += [("chr1", "100", "3000"), ("chr1", "150", "180"), ("chr1", "180", "190"), ("chr2", "0", "1"), ("chr2", "6990", "7000")]
    (folder / "nested.bed").write_text("".join("\t".join(row[:3]) + "\n" for row in rows))


def features(folder, output, *more, ranks=0, code=0):
    return mpira("features", "--set", f"genome.chrom_sizes={folder}/sizes", "--set", "genome.assembly=toy",
                 "--set", f"regions.bed={folder}/nested.bed", "--set", f"motifs.hits={folder}/hits.bed.gz",
                 "--set", f"motifs.clusters={folder}/hits.tsv", "--output", output, *more, ranks=ranks, code=code)


def expected_sums(atlas, rows, table):
    """Every region with every hit; sums in double precision, in the file's order."""
    columns = {name: number for number, name in enumerate(atlas.var_names)}
    sums, unlisted = np.zeros(atlas.shape), np.zeros(atlas.n_obs, int)
    for number, (chrom, start, end) in enumerate(zip(atlas.obs["chrom"], atlas.obs["start"], atlas.obs["end"])):
        for hit_chrom, hit_start, hit_end, name, score, _ in rows:
            if hit_chrom != chrom or hit_end <= start or hit_start >= end:
                continue
            if name not in table:
                unlisted[number] += 1
            elif table[name] != "-":
                sums[number, columns[table[name]]] += float(score)
    return sums.astype(np.float32), unlisted


def an_atlas_of_hits(folder):
    rng = np.random.default_rng(3)
    rows, table = write_hits(folder, rng)
    nested_regions(folder)
    (folder / "sizes").write_text("chr1\t9000\nchr2\t7000\nchr3\t600\n")
    (folder / "states.bed").write_text("chr1\t0\t150\t1_TssA\nchr1\t150\t4000\t7_Enh\nchr2\t0\t7000\t15_Quies\n")
    states = ("--set", f"regions.states={folder}/states.bed")
    beds = ("--set", f"accessibility.beds=toy_cell={folder}/open.bed")
    cut = ("--set", "unit.regions=7")
    log = features(folder, folder / "hits.h5ad", *states, *beds, *cut).text
    assert "chr3 (" in log and "all features are 0 there" in log, log
    atlas = read_anndata(folder / "hits.h5ad")
    assert list(atlas.var_names) == ORDER, list(atlas.var_names)
    assert atlas.var.loc["f0", "motifs"] == "hit0,hit1" and str(atlas.uns["scan"]["source"]) == "hits"
    sums, unlisted = expected_sums(atlas, rows, table)
    np.testing.assert_array_equal(atlas.X, sums)
    np.testing.assert_array_equal(atlas.obs["unlisted_hits"], unlisted)
    assert (sums > 0).mean() > 0.5 and unlisted.sum() > 100
    assert f"{unlisted.sum()} hits in {(unlisted > 0).sum()} regions are of no feature" in log, log
    np.testing.assert_array_equal(atlas.varm["scale"][:, 0], sums.max(axis=0))
    for ranks in (1, 2, 3, 4):
        other = folder / f"hits{ranks}.h5ad"
        features(folder, other, *states, *beds, *cut, ranks=ranks)
        assert_equal_results(folder / "hits.h5ad", other)

    segments = pd.read_csv(folder / "states.bed", sep="\t", names=["chrom", "start", "end", "state"])
    for chrom, start, end, state in zip(atlas.obs["chrom"], atlas.obs["start"], atlas.obs["end"], atlas.obs["state"]):
        here = segments[segments["chrom"] == chrom]
        shared = np.minimum(here["end"], end) - np.maximum(here["start"], start)
        assert state == (here["state"].iloc[int(shared.argmax())] if len(here) and shared.max() > 0 else ""), (chrom, start)
    assert set(atlas.obs["state"]) == {"1_TssA", "7_Enh", "15_Quies", ""}


def wrong_hits(folder):
    def refused(message, *more):
        log = features(folder, folder / "wrong.h5ad", "--fresh", *more, code=2).text
        assert message in log, (message, log)
        assert not (folder / "wrong.h5ad").exists()

    refused("motifs.clusters", "--set", "motifs.clusters=")
    refused("scan.p_value", "--set", "scan.p_value=0.01")
    refused("motifs.jaspar", "--set", "motifs.jaspar=x.sqlite")
    refused("genome.chrom_sizes", "--set", "genome.chrom_sizes=")
    refused("genome.fasta", "--set", "motifs.hits=", "--set", f"motifs.file={folder}/motifs.meme")
    (folder / "twice.tsv").write_text("hit1\ta\nhit1\tb\n")
    refused("twice.tsv line 2: hits 'hit1' are given a second time", "--set", f"motifs.clusters={folder}/twice.tsv")
    (folder / "none.tsv").write_text("hit1\t-\n")
    refused("none.tsv: no feature", "--set", f"motifs.clusters={folder}/none.tsv")
    (folder / "plain.bed").write_text("chr1\t1\t2\thit1\t3\n")
    refused("bgzip", "--set", f"motifs.hits={folder}/plain.bed")
    for name, row, message in (("negative", ("chr1", 500, 510, "hit1", "-1.5", "+"), "its score, '-1.5', is no number"),
                               ("short", ("chr1", 500, 510, "hit1"), "chromosome, start, end, name and score"),
                               ("words", ("chr1", 500, 510, "hit1", "high"), "'high'"),
                               ("huge", ("chr1", 500, 510, "hit1", "1e300"), "add up to 1e+300"),
                               ("far", ("chr9", 500, 510, "hit1", "1"), "it has 'chr9', they have 'chr1'")):
        write_table(folder / f"{name}.bed.gz", [row])
        refused(message, "--set", f"motifs.hits={folder}/{name}.bed.gz")
    write_table(folder / "strange.bed.gz", [("chr1", 500, 510, "stranger", "1")])
    log = features(folder, folder / "strange.h5ad", "--set", f"motifs.hits={folder}/strange.bed.gz", code=2).text
    assert "the first is 'stranger', motifs.clusters has 'hit0'" in log and "no region has any of the 7 features" in log, log
    (folder / "elsewhere.bed").write_text("1\t0\t100\tTssA\n")
    refused("no segment overlaps a region", "--set", f"regions.states={folder}/elsewhere.bed")


def another_file_of_the_same_size(folder):
    """Its content names a file of hits: one changed score is another campaign; an older index is told of."""
    out = folder / "resumed.h5ad"
    features(folder, out)
    plain = pysam.BGZFile(str(folder / "hits.bed.gz")).read().decode()
    line = plain.splitlines()[5]
    fields = line.split("\t")
    fields[4] = fields[4][:-1] + str((int(fields[4][-1]) + 1) % 10)
    kept = {name: (folder / name).read_bytes() for name in ("hits.bed.gz", "hits.bed.gz.tbi")}
    write_table(folder / "hits.bed.gz", [row.split("\t") for row in plain.replace(line, "\t".join(fields)).splitlines()])
    log = features(folder, out, code=2).text
    assert "hits" in log and "content" in log, log
    for name, content in kept.items():
        (folder / name).write_bytes(content)
    os.utime(folder / "hits.bed.gz.tbi", (1e9, 1e9))
    log = features(folder, folder / "older.h5ad").text
    assert "its index is older than it is" in log and "tabix" in log, log


def elements_beside_imported_features(folder):
    toy_atlas, hits = read_anndata(folder / "atlas.h5ad"), read_anndata(folder / "hits.h5ad")
    for name, atlas in (("expression", toy_atlas), ("of_hits", hits)):
        toy.write_weights(folder / f"{name}.safetensors", atlas, "expression", 4, [])

    def screen(output, *more, weights="of_hits", atlas="hits", code=0):
        (folder / "screen.toml").write_text(toy.screen_toml(folder, output, weights=folder / f"{weights}.safetensors"))
        return mpira("lentimpra", "--config", folder / "screen.toml", "--set", f"atlas.file={folder}/{atlas}.h5ad",
                     "--set", "sites.insertions=4", *more, code=code).text

    scanned_as = ("--set", f"elements.scanned_as={folder}/atlas.h5ad")
    log = screen(folder / "refused.h5ad", code=2)
    assert "elements.scanned_as" in log and "were not scanned (source: hits)" in log, log
    log = screen(folder / "refused.h5ad", *scanned_as, weights="expression", atlas="atlas", code=2)
    assert "elements.scanned_as" in log and "were scanned" in log, log
    log = screen(folder / "refused.h5ad", "--set", f"elements.scanned_as={folder}/hits.h5ad", code=2)
    assert "there is no scan model" in log, log
    log = screen(folder / "refused.h5ad", "--set", "elements.scale=scanned_as", "--set", "elements.scanned_as=",
                 weights="expression", atlas="atlas", code=2)
    assert "elements.scale" in log, log

    screen(folder / "of_scan.h5ad", weights="expression", atlas="atlas")
    log = screen(folder / "of_hits.h5ad", *scanned_as)
    assert "features of regions were imported (hits), those of elements are scanned" in log, log
    screen(folder / "same_scale.h5ad", *scanned_as, "--set", "elements.scale=scanned_as")
    of_scan, of_hits, same = (read_anndata(folder / f"{name}.h5ad") for name in ("of_scan", "of_hits", "same_scale"))
    columns = [list(toy_atlas.var_names).index(name) for name in hits.var_names]
    np.testing.assert_array_equal(same.obsm["features"], of_scan.obsm["features"][:, columns])
    scan_scale = toy_atlas.varm["scale"][columns, 0]
    ratios = scan_scale / hits.varm["scale"][:, 0]
    np.testing.assert_array_equal(of_hits.uns["scale_ratios"], ratios[None])
    raw = of_scan.obsm["features"][:, columns]
    inside = raw < 1  # what a scan's own maximum cuts is not known from there
    expected = np.minimum(1, raw * scan_scale / hits.varm["scale"][:, 0])
    np.testing.assert_allclose(of_hits.obsm["features"][inside], expected[inside], rtol=1e-6)
    assert inside.mean() > 0.9 and (raw > 0).any()

    log = mpira("predict", "--set", f"atlas.file={folder}/atlas.h5ad", "--set", f"model.weights={folder}/of_hits.safetensors",
                "--output", folder / "predict.h5ad", code=2).text
    assert "motif" in log, log


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        toy.make_inputs(folder)
        an_atlas_of_hits(folder)
        wrong_hits(folder)
        another_file_of_the_same_size(folder)
        elements_beside_imported_features(folder)


if __name__ == "__main__":
    main()
