#!/usr/bin/env python3
"""How many insertions an element needs: the quickstart's screen with `early_stop.se`, beside the same screen in full.

    launch/quickstart && .deps/venv/bin/python perf/early_stop.py [--share 0.1] [--ranks 2] [--keep FOLDER]

An element stops where the standard error of its paired difference (element - uninserted) is at most SHARE of the standard
deviation of that difference between elements. Stopping looks at what it measures, so it may be biased: the mean of the
stopped differences less those of all 600 insertions is told with its standard error, of elements that stopped early alone
too, and how well the two rank elements alike. Both screens have the same sites: the first insertions of one are those of
the other.
"""
import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import anndata
import numpy as np
from scipy.stats import pearsonr, spearmanr

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ["lentimpra", "--config", "config/quickstart.toml", "--set", "controls.shuffles=0"]


def screen(file, ranks, *words):
    if not file.exists():
        subprocess.run([ROOT / "launch/local", "--ranks", str(ranks), *CONFIG, *words, "--output", file], cwd=ROOT, check=True,
                       stdout=sys.stderr)
    return anndata.read_h5ad(file)


def difference(result):
    table = result.to_df()
    names = [name for name in table if name.endswith(".element-uninserted.mean")]
    return {name.split(".")[0]: (table[name].to_numpy(float), table[name.replace(".mean", ".se")].to_numpy(float)) for name in names}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--ranks", type=int, default=min(2, os.cpu_count()))
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = options.keep or Path(folder)
        full = screen(folder / "full.h5ad", options.ranks)
        spread = max(values.std(ddof=1) for values, _ in difference(full).values())
        stop = options.share * spread
        early = screen(folder / "early.h5ad", options.ranks, "--set", f"early_stop.se={stop!r}")
    used = early.obs["insertions"].to_numpy()
    total = int(full.obs["insertions"].max())
    print(f"{len(used)} elements, {total} insertions in full; stopped at a standard error of {stop:.4g} ({options.share:g} of the "
          f"sd between elements, {spread:.4g})")
    for look in np.unique(used):
        print(f"  {look:>4} insertions: {np.sum(used == look):>5} elements ({np.mean(used == look):.1%})")
    print(f"  {used.mean():.1f} on average: {used.mean() / total:.1%} of the windows")
    stopped = used < total
    for name, (values, _) in difference(early).items():
        whole, whole_se = difference(full)[name]
        for what, rows in (("all", np.ones(len(used), bool)), ("stopped early", stopped)):
            bias = (values - whole)[rows]
            error = bias.std(ddof=1) / np.sqrt(len(bias))
            print(f"{name}, {what} ({rows.sum()}): stopped less full {bias.mean():+.5f} +- {error:.5f} ({bias.mean() / spread:+.2%} of "
                  f"the sd between elements); sd of the change {bias.std(ddof=1):.5f}")
        print(f"{name}: r {pearsonr(values, whole)[0]:.5f}, rho {spearmanr(values, whole)[0]:.5f} between the two; top tenth shared "
              f"{len(set(np.argsort(-values)[:len(used) // 10]) & set(np.argsort(-whole)[:len(used) // 10])) / (len(used) // 10):.1%}; "
              f"standard error in full {np.median(whole_se):.5f} (median)")


if __name__ == "__main__":
    main()
