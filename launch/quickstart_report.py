#!/usr/bin/env python3
"""Reads the screen's result as a user would (anndata) and says how well predicted BEAF occupancy tells bound tiles.

usage: quickstart_report.py RUN   (RUN holds data/, atlas.h5ad, tiles.bed, screen.h5ad)

The models stand on insulator ChIP, not ATAC, and were trained here: what is printed is predicted BEAF occupancy.
"""
import json
import pathlib
import sys
import warnings

import anndata
import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.linear_model import Ridge

warnings.simplefilter("error")  # a result that anndata only opens with complaints is a defect
RESAMPLES = 2000
MOTIFS = ("BEAF-32", "pnr", "Dref")


def auc(score, positive):
    ranks = rankdata(score)
    bound = positive.sum()
    return (ranks[positive].sum() - bound * (bound + 1) / 2) / (bound * (~positive).sum())


def auc_interval(score, positive, peak, rng):
    """95 % interval. Bound tiles are resampled by their peak, the others one by one."""
    peaks = np.unique(peak[positive])
    tiles_of = {p: np.flatnonzero(positive & (peak == p)) for p in peaks}
    others = np.flatnonzero(~positive)
    values = []
    for _ in range(RESAMPLES):
        bound = np.concatenate([tiles_of[p] for p in rng.choice(peaks, len(peaks))])
        rows = np.concatenate([bound, rng.choice(others, len(others))])
        values.append(auc(score[rows], np.arange(len(rows)) < len(bound)))
    return np.percentile(values, [2.5, 97.5])


def ridge_scores(atlas, cell_type, tiles, features):
    """Ridge on the tile's own motif vector, trained on the regions outside the tile's fold (alpha 1)."""
    names = list(atlas.uns["cell_types"])
    target = np.asarray(atlas.obsm["accessibility"])[:, names.index(cell_type)]
    scale = np.asarray(atlas.varm["scale"])[:, list(atlas.uns["scale_sets"]).index("all_regions")]
    inputs = np.minimum(np.asarray(atlas.X) / scale, 1)
    centre = (atlas.obs["start"].to_numpy() + atlas.obs["end"].to_numpy()) // 2
    fold = np.maximum(np.minimum(centre // 1_000_000, 20), 1)
    score = np.empty(len(tiles))
    for f in tiles["fold"].unique():
        model = Ridge(alpha=1.0).fit(inputs[fold != f], target[fold != f])
        rows = (tiles["fold"] == f).to_numpy()
        score[rows] = model.predict(features[rows])
    return score


def main(run):
    run = pathlib.Path(run)
    screen = anndata.read_h5ad(run / "screen.h5ad")
    atlas = anndata.read_h5ad(run / "atlas.h5ad")
    tiles = pd.read_csv(run / "tiles.bed", sep="\t", header=None,
                        names=["chrom", "start", "end", "name", "score", "strand", "fold", "group", "peak"])
    assert list(tiles["name"]) == list(screen.obs_names), "rows of the result are not the tiles"
    assert screen.obs["done"].all(), "the screen isn't complete"
    table = screen.to_df()
    output = table.columns[0].split(".")[0]
    mean = table[f"{output}.element.mean"].to_numpy()
    paired = table[f"{output}.element-uninserted.mean"].to_numpy()
    paired_se = table[f"{output}.element-uninserted.se"].to_numpy()
    shuffled = table[f"{output}.shuffled.mean"].to_numpy() - table[f"{output}.uninserted.mean"].to_numpy()

    features = np.asarray(screen.obsm["features"])
    scan = atlas.uns["scan"]
    column = {motif: features[:, scan["features"][scan["motif_names"] == motif]].max(axis=1) for motif in MOTIFS}

    print("\nTop elements by predicted BEAF occupancy, paired difference to the same windows uninserted:")
    order = np.argsort(-paired)[:10]
    for i in order:
        t = tiles.iloc[i]
        print(f"  {t['chrom']}:{t['start']}-{t['end']}  {paired[i]:+.3f} +- {paired_se[i]:.3f}   mean {mean[i]:.3f}   "
              f"{t['group']}")
    print(f"  control: shuffled minus uninserted, mean over all tiles {shuffled.mean():+.4f}")

    scores = {
        "mean predicted BEAF occupancy": mean,
        "its paired difference to no insertion": paired,
        "ridge on the tile's own motif vector": ridge_scores(atlas, "BEAF_Kc", tiles, features),
        "maximum of BEAF-32, pnr, Dref": np.max(list(column.values()), axis=0),
        "BEAF-32 alone": column["BEAF-32"],
    }
    bound = (tiles["group"] == "bound").to_numpy()
    peak = tiles["peak"].to_numpy()
    print("\nAUC, bound tiles against ...          tiles overlapping no peak   unbound promoter tiles")
    result = {}
    for name, score in scores.items():
        cells = []
        for negatives in ("no_peak", "promoter"):
            rows = bound | (tiles["group"] == negatives).to_numpy()
            value = auc(score[rows], bound[rows])
            low, high = auc_interval(score[rows], bound[rows], peak[rows], np.random.default_rng(0))
            cells.append(f"{value:.3f} [{low:.3f}, {high:.3f}]")
            result[f"{name} / {negatives}"] = [value, low, high]
        print(f"  {name:38s} {cells[0]:26s}  {cells[1]}")
    print(f"  (95 % intervals from resampling peaks; {bound.sum()} bound tiles, one a peak)")

    plot(run / "screen.png", scores, tiles)
    (run / "report.json").write_text(json.dumps(result, indent=1))
    print(f"\nPlot: {run / 'screen.png'}")
    print(f"Result: {run / 'screen.h5ad'}   (anndata.read_h5ad opens it; columns of X are the statistics)")


def plot(path, scores, tiles):
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.2))
    paired = scores["its paired difference to no insertion"]
    groups = ["bound", "no_peak", "promoter"]
    axes[0].boxplot([paired[(tiles["group"] == g).to_numpy()] for g in groups], showfliers=False)
    axes[0].set_xticks(range(1, 4), ["bound", "no peak", "unbound\npromoter"])
    axes[0].axhline(0, color="grey", linewidth=0.7)
    axes[0].set_ylabel("predicted BEAF occupancy,\ninserted minus uninserted")
    bound = (tiles["group"] == "bound").to_numpy()
    rows = bound | (tiles["group"] == "no_peak").to_numpy()
    for name, score in scores.items():
        order = np.argsort(-score[rows], kind="stable")
        hits = bound[rows][order]
        axes[1].plot(np.cumsum(~hits) / (~hits).sum(), np.cumsum(hits) / hits.sum(), label=name, linewidth=1.2)
    axes[1].plot([0, 1], [0, 1], color="grey", linewidth=0.7)
    axes[1].set_xlabel("share of tiles overlapping no peak")
    axes[1].set_ylabel("share of bound tiles")
    axes[1].legend(fontsize=7, frameon=False)
    figure.suptitle("In-silico insertion screen, Drosophila chr2R (dm3)")
    figure.tight_layout()
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
