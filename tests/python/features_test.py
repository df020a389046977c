"""`mpira features` on the default data, against NumPy: the recipe of the default data and every number of a sample.

Prepares the data (launch/quickstart_data.py checks its counts), runs on 1 and 2 ranks with different cuts, opens the
atlas with anndata without a warning, and computes features of a sample of regions anew from the JASPAR release and the
sequence, sharing no code with the scanner: thresholds from the score distribution, words one by one.
"""

import sqlite3
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import anndata
import numpy as np
import pandas as pd

from mpira_test import assert_equal_results, mpira

ROOT = Path(__file__).resolve().parent.parent.parent
SAMPLE = 60
P_VALUE = 1e-4


def insect_motifs(release):
    """id, name, counts (4, width) of the newest version of each matrix, by base id."""
    with sqlite3.connect(f"file:{release}?mode=ro", uri=True) as base:
        rows = base.execute(
            "select m.ID, m.BASE_ID, m.VERSION, m.NAME from MATRIX m join MATRIX_ANNOTATION a on a.ID = m.ID "
            "where m.COLLECTION = 'CORE' and a.TAG = 'tax_group' and a.VAL = 'insects'").fetchall()
        newest = {}
        for key, base_id, version, name in rows:
            if base_id not in newest or version > newest[base_id][1]:
                newest[base_id] = (key, version, name)
        motifs = []
        for base_id in sorted(newest):
            key, version, name = newest[base_id]
            cells = base.execute("select row, col, val from MATRIX_DATA where ID = ?", (key,)).fetchall()
            counts = np.zeros((4, max(cell[1] for cell in cells)))
            for base_letter, position, value in cells:
                counts["ACGT".index(base_letter), position - 1] = value
            motifs.append((f"{base_id}.{version}", name, counts))
    return motifs


def log_odds(counts, background):
    n = counts.sum(axis=0)
    probability = (counts + background[:, None] * np.sqrt(n)) / (n + np.sqrt(n))
    return np.rint(1000 * np.log2(probability / background[:, None])).astype(np.int64)


def threshold(matrix, background):
    """Smallest score reached with probability <= P_VALUE, else the best word's; and whether there is one."""
    low = int(matrix.min(axis=0).sum())
    distribution = np.zeros(int(matrix.max(axis=0).sum()) - low + 1)
    reach, offset = 1, 0
    distribution[0] = 1
    for column in matrix.T:
        fresh = np.zeros_like(distribution)
        for score, probability in zip(column - column.min(), background):
            fresh[score:score + reach] += probability * distribution[:reach]
        reach += int(np.ptp(column))
        distribution = fresh
    tail = distribution[::-1].cumsum()[::-1]
    good = np.flatnonzero((tail <= P_VALUE) & (distribution > 0))
    # Between two reachable scores every threshold is the same test; the smallest counts.
    if len(good) == 0:
        return int(matrix.max(axis=0).sum()), False
    return int(good[0]) + low, True


def feature(codes, matrix, least):
    width = matrix.shape[1]
    words = np.lib.stride_tricks.sliding_window_view(codes, width)
    known = (words < 4).all(axis=1)
    clean = np.where(words < 4, words, 0)
    positions = np.arange(width)
    forward = matrix[clean, positions].sum(axis=1)
    reverse = matrix[::-1, ::-1][clean, positions].sum(axis=1)
    best = np.maximum(forward, reverse)
    return best[known & (best >= least) & (best > 0)].sum() / 1000


def main():
    folder = tempfile.TemporaryDirectory(prefix="mpira-features-")
    data = Path(folder.name) / "data"
    subprocess.run([sys.executable, ROOT / "launch" / "quickstart_data.py", data], check=True, stdout=subprocess.DEVNULL)
    sets = [path.stem for path in sorted((data / "peaks").glob("*.bed"))]
    words = ["features",
             "--set", f"genome.fasta={data / 'genome.fa'}", "--set", "genome.assembly=dm3",
             "--set", f"genome.chrom_sizes={data / 'chrom.sizes'}",
             "--set", f"regions.bed={data / 'regions.bed'}", "--set", f"regions.promoters={data / 'tss.bed'}",
             "--set", f"motifs.jaspar={data / 'motifs.sqlite'}", "--set", "motifs.tax_group=insects",
             "--set", "accessibility.beds=" + ",".join(f"{name}={data / 'peaks' / name}.bed" for name in sets),
             "--set", "scales=cell_type"]
    file = Path(folder.name) / "atlas.h5ad"
    mpira(*words, "--output", file, code=0)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        atlas = anndata.read_h5ad(file)
    print(atlas)
    regions = pd.read_csv(data / "regions.bed", sep="\t", header=None, names=["chrom", "start", "end", "name"])
    assert atlas.shape == (4203, 286), atlas.shape
    assert list(atlas.obs_names) == list(regions["name"])
    assert (atlas.obs["chrom"].astype(str) == "chr2R").all()
    np.testing.assert_array_equal(atlas.obs["start"], regions["start"])
    np.testing.assert_array_equal(atlas.obs["end"], regions["end"])
    assert int(atlas.obs["promoter"].sum()) == 3297
    tss = [line.split("\t") for line in (data / "tss.bed").read_text().splitlines()]
    for name, strand in (("promoter_plus", "+"), ("promoter_minus", "-")):
        at = np.sort([int(fields[1]) for fields in tss if fields[5] == strand])
        marked = np.searchsorted(at, regions["start"]) < np.searchsorted(at, regions["end"])
        np.testing.assert_array_equal(atlas.obs[name], marked)
    assert atlas.obs["done"].all()
    assert str(atlas.uns["assembly"]) == "dm3"
    assert list(atlas.uns["cell_types"]) == sets
    bound = dict(zip(sets, np.asarray(atlas.obsm["accessibility"]).sum(axis=0).astype(int).tolist()))
    assert bound["BEAF_Kc"] == 569 and bound["SuHw_Kc"] == 631 and bound["Cp190_Mbn2"] == 892, bound
    features = np.asarray(atlas.X)
    assert features.dtype == np.float32

    sequence = "".join((data / "genome.fa").read_text().split("\n")[1:])
    codes = np.full(256, 4, dtype=np.int64)
    for code, base in enumerate("ACGT"):
        codes[ord(base)] = code
    codes = codes[np.frombuffer(sequence.encode(), dtype=np.uint8)]
    counts = np.bincount(codes, minlength=5)[:4].astype(float)
    background = (counts + counts[::-1]) / (2 * counts.sum())
    np.testing.assert_allclose(atlas.uns["scan"]["background"], background, rtol=1e-12)

    motifs = insect_motifs(data / "motifs.sqlite")
    assert [key for key, _, _ in motifs] == list(atlas.var_names)
    assert [name for _, name, _ in motifs] == list(atlas.var["motifs"])
    matrices = [log_odds(counts, background) for _, _, counts in motifs]
    np.testing.assert_array_equal(np.concatenate([m.T.ravel() for m in matrices]), atlas.uns["scan"]["matrices"])
    limits = [threshold(matrix, background) for matrix in matrices]
    assert sum(reached for _, reached in limits) == 208
    differ = [(name, limit, ours) for (name, _, _), (limit, _), ours
              in zip(motifs, limits, atlas.uns["scan"]["thresholds"]) if limit != ours]
    print(f"thresholds that differ from NumPy's: {len(differ)} {differ[:5]}")

    centres = ((regions["start"] + regions["end"]) // 2).to_numpy()
    draw = np.random.default_rng(5)
    sample = np.unique(np.concatenate([[0, len(regions) - 1], draw.choice(len(regions), SAMPLE, replace=False)]))
    expected = np.array([[feature(codes[max(0, centres[row] - 250):centres[row] + 250], matrix, limit)
                          for matrix, (limit, _) in zip(matrices, limits)] for row in sample])
    worst = np.max(np.abs(features[sample] - expected) / np.maximum(1, expected))
    print(f"{expected.size} features of {len(sample)} regions, {np.count_nonzero(expected)} not zero: "
          f"largest relative difference {worst:.2e}")
    assert worst < 1e-6
    assert np.count_nonzero(expected) > 0.1 * expected.size
    share = np.count_nonzero(features) / features.size
    print(f"not zero: {share:.4f} of all")
    assert abs(share - 0.136) < 0.0005  # spec/default-data.md
    assert (features.max(axis=0) > 0).all()

    scales = np.asarray(atlas.varm["scale"])
    accessible = np.asarray(atlas.obsm["accessibility"]) > 0
    assert list(atlas.uns["scale_sets"]) == ["all_regions", *sets]
    np.testing.assert_array_equal(scales[:, 0], features.max(axis=0))
    for column, _ in enumerate(sets):
        maxima = features[accessible[:, column]].max(axis=0)
        np.testing.assert_array_equal(scales[:, column + 1], np.where(maxima > 0, maxima, 1))

    two_ranks = Path(folder.name) / "two.h5ad"
    mpira(*words, "--output", two_ranks, ranks=2, code=0)
    assert_equal_results(file, two_ranks)
    other_cut = Path(folder.name) / "cut.h5ad"
    mpira(*words, "--set", "unit.regions=97", "--output", other_cut, ranks=3, code=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cut = anndata.read_h5ad(other_cut)
    assert np.asarray(cut.X).tobytes() == features.tobytes()
    assert np.asarray(cut.varm["scale"]).tobytes() == scales.tobytes()
    print("same bytes on 1 and 2 ranks, and with units of 97 regions on 3")


main()
