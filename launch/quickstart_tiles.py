#!/usr/bin/env python3
"""Chooses the tiles (elements) that the quickstart screens.

Tiles are 500 bp every 105 bp of chr2R. Three groups, spread over the folds that had no part in choosing the training
recipe (all but 3, 7, 11, 15, 19):
  bound      the tile holds the midpoint of a BEAF_Kc peak; one tile a peak
  no_peak    the tile overlaps no peak of any of the eight sets
  promoter   the tile holds a TSS and overlaps no BEAF_Kc peak

usage: quickstart_tiles.py DATA OUT.bed [--per-group 100] [--seed 1]
       quickstart_tiles.py DATA OUT.bed --all    (every tile: chrom, start, end, name)
DATA is what quickstart_data.py wrote. OUT.bed (0-based, half-open): chrom, start, end, name, score,
strand, and behind BED6 fold, group, peak.
"""
import argparse
import pathlib

import numpy as np

TILE_BP, STEP_BP = 500, 105
CHROM = "chr2R"
RECIPE_FOLDS = {3, 7, 11, 15, 19}  # watched while the recipe was chosen
PEAK_SETS = [f"{factor}_{line}" for factor in ("SuHw", "BEAF", "CTCF", "Cp190") for line in ("Kc", "Mbn2")]


def intervals(path):
    rows = [line.split("\t") for line in path.read_text().splitlines() if line]
    return np.array([[int(row[1]), int(row[2])] for row in rows], dtype=np.int64).reshape(-1, 2)


def overlaps(starts, ends, spans):
    """For each [start, end): does it share a base with one of the sorted, disjoint spans?"""
    nearest = np.searchsorted(spans[:, 1], starts, side="right")
    inside = nearest < len(spans)
    return inside & (spans[np.minimum(nearest, len(spans) - 1), 0] < ends)


def fold_of(centre):
    """1 Mb blocks of the centre; the last ones and the first two joined (spec: default data)."""
    return np.maximum(np.minimum(centre // 1_000_000, 20), 1)


def choose(rng, candidates, folds, count):
    """`count` candidates, as evenly over the folds as they allow."""
    by_fold = {f: list(rng.permutation(candidates[folds[candidates] == f])) for f in sorted(set(folds[candidates]))}
    chosen = []
    while len(chosen) < count and any(by_fold.values()):
        for members in by_fold.values():
            if members and len(chosen) < count:
                chosen.append(members.pop())
    if len(chosen) < count:
        raise SystemExit(f"quickstart_tiles: only {len(chosen)} of {count} tiles can be had")
    return np.array(chosen)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--per-group", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--all", action="store_true")
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)

    length = dict(line.split("\t") for line in (arguments.data / "chrom.sizes").read_text().splitlines())
    starts = np.arange(0, int(length[CHROM]) - TILE_BP + 1, STEP_BP, dtype=np.int64)
    ends = starts + TILE_BP
    if arguments.all:
        arguments.out.write_text("".join(f"{CHROM}\t{s}\t{e}\ttile_{s}\n" for s, e in zip(starts, ends)))
        print(f"{len(starts):,} tiles -> {arguments.out}")
        return
    folds = fold_of((starts + ends) // 2)
    # Wholly inside its fold, so that the fold's model saw no base of it.
    usable = ~np.isin(folds, list(RECIPE_FOLDS)) & (fold_of(starts) == fold_of(ends - 1))

    beaf = intervals(arguments.data / "peaks" / "BEAF_Kc.bed")
    anything = np.zeros(len(starts), dtype=bool)
    for name in PEAK_SETS:
        anything |= overlaps(starts, ends, intervals(arguments.data / "peaks" / f"{name}.bed"))
    tss = np.sort(intervals(arguments.data / "tss.bed")[:, 0])
    has_tss = np.searchsorted(tss, ends) > np.searchsorted(tss, starts)

    # One tile a peak: neighbouring tiles share their peak and are no independent evidence.
    midpoints = beaf.sum(axis=1) // 2
    peak_of = np.full(len(starts), -1)
    for peak, midpoint in enumerate(midpoints):
        holds = np.flatnonzero((starts <= midpoint) & (midpoint < ends))
        if len(holds):
            peak_of[rng.choice(holds)] = peak
    groups = {
        "bound": np.flatnonzero(usable & (peak_of >= 0)),
        "no_peak": np.flatnonzero(usable & ~anything),
        "promoter": np.flatnonzero(usable & has_tss & ~overlaps(starts, ends, beaf)),
    }
    rows = []
    for group, candidates in groups.items():
        taken = {row[0] for row in rows}
        candidates = candidates[~np.isin(candidates, list(taken))]
        for tile in choose(rng, candidates, folds, arguments.per_group):
            rows.append((tile, group))
        print(f"  {group:9s} {arguments.per_group} of {len(candidates):,} tiles")
    rows.sort()
    arguments.out.write_text("".join(
        f"{CHROM}\t{starts[t]}\t{ends[t]}\ttile_{starts[t]}\t0\t.\t{folds[t]}\t{group}\t{peak_of[t]}\n" for t, group in rows))
    print(f"  {len(rows)} of {len(starts):,} tiles in {len(set(folds[t] for t, _ in rows))} folds -> {arguments.out}")


if __name__ == "__main__":
    main()
