#!/usr/bin/env python3
"""Held-out Pearson of a sweep (mpira folds), fold by fold, beside ridge (scikit-learn) on the same folds.

usage: sweep_report.py SWEEP.h5ad ATLAS.h5ad [TUNED]   (TUNED: names of the settings whose recipe was tuned, a,b)

Ridge sees what the models see: scaled motif features, the regions the fold does not hold out (nor their margin), alpha 1
as it comes. Where cell types are held out, the mean of the cell types trained on in the same region stands beside the
models instead, and figures across cell types below; both are in the sweep.
"""
import pathlib
import sys
import warnings

import anndata
import numpy as np
from sklearn.linear_model import Ridge

warnings.simplefilter("error")


def pearson(predicted, target):
    if len(target) < 2 or np.ptp(predicted) == 0 or np.ptp(target) == 0:
        return np.nan
    return np.corrcoef(predicted, target)[0, 1]


def held_out(sweep, run):
    """Rows, scored mask, predictions, targets of a run; padding left out."""
    rows = sweep.obsm["heldout_row"][run]
    real = rows >= 0
    part = {name: np.asarray(sweep.obsm[f"heldout_{name}"])[run][real] for name in ("predicted", "target", "scored")}
    return rows[real], part["scored"] > 0, part["predicted"], part["target"]


def targets(sweep, atlas, run):
    """Rows of the atlas and (rows, columns): what the series learns, as far as its folds say; a row for each cell type."""
    settings = sweep.uns["settings"]
    types = list(np.atleast_1d(settings["target.cell_type"]))
    if settings["target.kind"] == "accessibility" and len(types) == 1:
        column = list(atlas.uns["cell_types"]).index(types[0])
        return np.arange(len(atlas.obs)), np.asarray(atlas.obsm["accessibility"])[:, [column]]
    same = (sweep.obs["setting"] == sweep.obs["setting"].iloc[run]) & (sweep.obs["seed"] == sweep.obs["seed"].iloc[run])
    parts = [held_out(sweep, other) for other in np.flatnonzero(same)]
    return np.concatenate([rows for rows, _, _, _ in parts]), np.concatenate([target for _, _, _, target in parts])


def ridge(sweep, atlas, run, margin_bp):
    """Pearson of a ridge on the fold, trained on the regions outside it and its margin."""
    rows, scored, _, target = held_out(sweep, run)
    scale = np.asarray(atlas.varm["scale"])[:, list(atlas.uns["scale_sets"]).index("all_regions")]
    inputs = np.minimum(np.asarray(atlas.X) / scale, 1)
    chrom, start, end = (atlas.obs[name].to_numpy() for name in ("chrom", "start", "end"))
    seen, wanted = targets(sweep, atlas, run)
    near = np.zeros(len(atlas.obs), bool)
    for name in np.unique(chrom[rows]):
        mine = rows[chrom[rows] == name]
        near |= (chrom == name) & (end > start[mine].min() - margin_bp) & (start < end[mine].max() + margin_bp)
    train = ~near[seen]
    if not train.any():
        return np.nan
    predicted = Ridge(alpha=1.0).fit(inputs[seen[train]], wanted[train]).predict(inputs[rows]).reshape(len(rows), -1)
    return pearson(predicted[scored], target[scored])


def line(name, values, what):
    values = np.asarray(values)[np.isfinite(values)]
    if len(values) == 0:
        return
    spread = f"sd {values.std(ddof=1):.3f}, {values.min():.3f} to {values.max():.3f}" if len(values) > 1 else ""
    print(f"  {name:24s} mean {values.mean():.3f}  {spread}  ({len(values)} {what})")


def main(sweep_file, atlas_file, tuned=""):
    sweep, atlas = anndata.read_h5ad(sweep_file), anndata.read_h5ad(atlas_file)
    assert sweep.obs["done"].all(), f"{sweep_file} isn't complete: run mpira folds again"
    by_cell_type = "training_mean" in sweep.obsm
    pearson_at = list(sweep.var_names).index("pearson")
    # On the same entries as what stands beside them: those that some training cell type has.
    figures = np.asarray(sweep.obsm["beside_training_mean"] if by_cell_type else sweep.X)[:, pearson_at]
    settings, folds = list(dict.fromkeys(sweep.obs["setting"])), list(dict.fromkeys(sweep.obs["fold"]))
    by_fold = {(s, f): figures[((sweep.obs["setting"] == s) & (sweep.obs["fold"] == f)).to_numpy()].mean()
               for s in settings for f in folds}
    runs = [int(np.flatnonzero((sweep.obs["setting"] == settings[0]) & (sweep.obs["fold"] == f))[0]) for f in folds]
    beside = "training mean" if by_cell_type else "ridge"
    margin_bp = int(sweep.uns["settings"]["holdout.margin_bp"])
    table = str(sweep.uns["settings"].get("holdout.folds", ""))
    if beside == "ridge" and (table.endswith(".json") or pathlib.Path(table).is_dir()):
        print("ridge is trained on all that isn't held out: margins and training sets of fold files aren't its own")
    for fold, run in zip(folds, runs):
        by_fold[beside, fold] = (np.asarray(sweep.obsm["training_mean"])[run][pearson_at] if by_cell_type else
                                 ridge(sweep, atlas, run, margin_bp))
    columns = [*settings, beside]
    recipe = {f for f, flag in zip(sweep.obs["fold"], sweep.obs["recipe_fold"]) if flag}
    print("held-out Pearson; * the recipe was chosen while watching this fold")
    print(f"{'fold':>14} " + " ".join(f"{column:>14}" for column in columns))
    for fold in folds:
        print(f"{fold:>13}{'*' if fold in recipe else ' '} " + " ".join(f"{by_fold[c, fold]:14.3f}" for c in columns))
    for title, chosen in (("folds nobody watched", [f for f in folds if f not in recipe]),
                          ("folds the recipe was chosen on", [f for f in folds if f in recipe])):
        if chosen:
            print(title)
            for column in columns:
                line(column, [by_fold[column, f] for f in chosen], "folds")
    print(f"tuned: {tuned or 'none'}; not tuned: {', '.join(c for c in columns if c not in tuned.split(','))}")
    saw = sorted(set(sweep.obs["base_saw"]) - {""})
    if saw:
        print("the base of these models saw: " + "; ".join(saw))
    by_type = sweep.uns["summary"]["all_folds"].get("by_cell_type_mean")
    for i, name in enumerate(np.atleast_1d(sweep.uns["summary"]["series"]) if by_type is not None else []):
        for cell_type, values in zip(np.atleast_1d(sweep.uns["cell_types"]),
                                     np.asarray(sweep.obsm["by_cell_type"])[i * len(folds):(i + 1) * len(folds), :, pearson_at].T):
            line(f"{name}, {cell_type}:", values, "folds")
    if across := sweep.uns.get("across_cell_types"):
        for name, median in zip(np.atleast_1d(sweep.uns["summary"]["series"]), across["median"]):
            told = ", ".join(f"{figure} {value:.3f}" for figure, value in zip(across["figures"], median))
            print(f"  {name}: across cell types, medians of {len(across['row'])} region columns: {told}")


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(*sys.argv[1:])
