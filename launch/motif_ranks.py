#!/usr/bin/env python3
"""Where the motif of each trained factor ranks, beside ridge and beside the same models trained on permuted labels.

usage: motif_ranks.py SWEEP.h5ad ATLAS.h5ad   (config/quickstart/motif_ranks.toml makes the sweep; mpira is in PATH)

For every model of the sweep, mpira jacobian over the held-out regions that its factor binds: signed mean of gradient x
input, accessibility left out. Motifs are ranked by its mean over the folds' regions, largest first; pnr, Dref and BEAF-32
are nearly one motif and count as one. Ridge (scikit-learn, alpha 1, same inputs and training regions) is ranked by its
coefficient. A good rank is no evidence of a good model: held-out Pearson stands beside it.
"""
import pathlib
import subprocess
import sys
import tempfile
import warnings

import anndata
import numpy as np
from sklearn.linear_model import Ridge

warnings.simplefilter("error")
FACTORS = {"SuHw": ("su(Hw)",), "BEAF": ("pnr", "Dref", "BEAF-32"), "CTCF": ("CTCF",)}
GROUP = FACTORS["BEAF"]


def held_out_rows(sweep, run):
    rows, scored = sweep.obsm["heldout_row"][run], np.asarray(sweep.obsm["heldout_scored"])[run]
    return rows[(rows >= 0) & (scored.reshape(len(rows)) > 0)]


def attributions(weights, atlas_file, atlas, rows, folder):
    """Gradient x input of a model summed over each row's window: (rows, motifs)."""
    obs = atlas.obs
    centre = ((obs["start"] + obs["end"]) // 2).to_numpy()
    starts = folder / "starts.bed"
    starts.write_text("".join(f"{obs['chrom'].iloc[r]}\t{centre[r]}\t{centre[r] + 1}\tregion{r}\t0\t+\n" for r in rows))
    output = folder / "jacobian.h5ad"
    done = subprocess.run(
        ["mpira", "jacobian", "--output", str(output), "--fresh", "--overwrite", "--set", f"atlas.file={atlas_file}", "--set",
         f"model.weights={weights}", "--set", f"genes.file={starts}", "--set", "genes.promoter_bp=0", "--set",
         "region_scores.keep=false", "--set", "model.micro_batch=16"], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"mpira jacobian of {weights}:\n{done.stderr}")
    result = anndata.read_h5ad(output)
    assert sorted(result.obs["atlas_row"]) == sorted(rows), "other regions than asked for"
    assert result.var_names[-1] == "accessibility"
    return np.asarray(result.X[:, :-1], dtype=np.float64)


def ridge_coefficients(atlas, target, rows, margin_bp):
    """On the regions outside the fold and its margin, inputs as the network's."""
    scale = np.asarray(atlas.varm["scale"])[:, list(atlas.uns["scale_sets"]).index("all_regions")]
    inputs = np.minimum(np.asarray(atlas.X) / scale, 1)
    chrom, start, end = (atlas.obs[name].to_numpy() for name in ("chrom", "start", "end"))
    assert len(set(chrom[rows])) == 1
    near = (chrom == chrom[rows[0]]) & (end > start[rows].min() - margin_bp) & (start < end[rows].max() + margin_bp)
    return Ridge(alpha=1.0).fit(inputs[~near], target[~near]).coef_


def ranks(values, names, wanted):
    """Rank of a factor's motifs, 1 the largest; the group counts as one with its best member."""
    grouped = {}
    for column, (name, value) in enumerate(zip(names, values)):
        key = "/".join(GROUP) if name in GROUP else (name, column)  # several motifs may have one name
        grouped[key] = max(value, grouped.get(key, -np.inf))
    own = max(value for key, value in grouped.items() if said(key) == "/".join(wanted))
    return 1 + sum(value > own for value in grouped.values()), max(grouped, key=grouped.get), len(grouped)


def said(key):
    return key[0] if isinstance(key, tuple) else key


def main(sweep_file, atlas_file):
    sweep, atlas = anndata.read_h5ad(sweep_file), anndata.read_h5ad(atlas_file)
    assert sweep.obs["done"].all(), f"{sweep_file} isn't complete: run mpira folds again"
    names = [str(name) for name in atlas.var["motifs"]]
    margin_bp = int(sweep.uns["settings"]["holdout.margin_bp"])
    pearson = sweep.to_df()["pearson"].to_numpy()
    print("| target | bound held-out regions | held-out r | motif's rank: network | folds | ridge | permuted labels: r | rank | "
          "folds |")
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for target in dict.fromkeys(setting.removesuffix(".permuted") for setting in sweep.obs["setting"]):
            wanted = FACTORS[target.split("_")[0]]
            bound = np.asarray(atlas.obsm["accessibility"])[:, list(atlas.uns["cell_types"]).index(target)]
            cells, coefficients = {}, []
            for setting in (target, f"{target}.permuted"):
                runs = np.flatnonzero((sweep.obs["setting"] == setting).to_numpy())
                found = []
                for run in runs:
                    rows = held_out_rows(sweep, run)
                    name = f"{sweep.obs['fold'].iloc[run]}.{setting}.seed{sweep.obs['seed'].iloc[run]}.safetensors"
                    weights = pathlib.Path(f"{sweep_file}.weights") / name
                    found.append(attributions(weights, atlas_file, atlas, rows[bound[rows] > 0], pathlib.Path(folder)))
                    if setting == target:
                        coefficients.append(ridge_coefficients(atlas, bound, rows, margin_bp))
                rank, first, count = ranks(np.concatenate(found).mean(axis=0), names, wanted)
                each = [ranks(part.mean(axis=0), names, wanted)[0] for part in found]
                r = pearson[runs]
                top = "" if rank == 1 else f" (first: {said(first)})"
                cells[setting] = (f"{r.mean():.3f} ({r.min():.3f} to {r.max():.3f})", f"{rank}{top}",
                                  ", ".join(map(str, each)), sum(map(len, found)))
            real, permuted = cells.values()
            rank, first, _ = ranks(np.mean(coefficients, axis=0), names, wanted)
            ridge = f"{rank}" if rank == 1 else f"{rank} (first: {said(first)})"
            print(f"| {target} | {real[3]} | {real[0]} | {real[1]} | {real[2]} | {ridge} | {permuted[0]} | {permuted[1]} | "
                  f"{permuted[2]} |", flush=True)
    print(f"ranks among {count}: {len(names)} motifs, {'/'.join(GROUP)} as one")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
