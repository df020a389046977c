#!/usr/bin/env python3
"""Prints the held-out scores of the quickstart's models from their model cards. usage: quickstart_folds.py RUN"""
import json
import pathlib
import statistics
import sys

from safetensors import safe_open


def main(run):
    rows = []
    for path in sorted(pathlib.Path(run, "folds").glob("fold_*.safetensors"), key=lambda p: int(p.stem.split("_")[1])):
        with safe_open(path, framework="np") as weights:
            card = json.loads(weights.metadata()["mpira"])
        test = card["training"]["held_out"]
        rows.append((path.stem.split("_")[1], test["pearson"], test["auroc"]))
    print("fold  held-out Pearson  AUROC   (predicted against measured BEAF_Kc, regions of the fold's own megabase)")
    for fold, pearson, auroc in rows:
        print(f"{fold:>4}  {pearson:16.3f}  {auroc:.3f}")
    print(f"mean  {statistics.mean(r[1] for r in rows):16.3f}  {statistics.mean(r[2] for r in rows):.3f}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
