"""Whether a screen in bf16 ranks elements as the same screen in f32 does: three bars for each quantity that is predicted.

    python3 tests/python/precision.py F32.h5ad BF16.h5ad    # prints them; exit code 1 when one is missed

Both are results of `mpira lentimpra` with the same elements and seed, sites.mode = "shared", so that means differ by elements and
not by sites, and controls.uninserted. Bars: Pearson of element means at least 0.9999; of the elements in the top 1 % (one at least)
99 % the same; and any two elements that change places are at most 2 standard errors apart, in either screen: those of both
elements' paired differences (element-uninserted), in f32. (The difference of two elements that are nearly alike can be known
far better still at shared sites, and than bf16 computes it; no bar is set there.) Needs h5py.
"""
import json
import sys

import h5py
import numpy as np

LEAST_PEARSON, LEAST_SHARED, MOST_ERRORS = 0.9999, 0.99, 2.0


def columns(file):
    """Statistic -> a value an element, in double."""
    with h5py.File(file, "r", locking=False) as handle:
        if not handle["obs/done"][:].all():
            sys.exit(f"{file}: not all elements are done")
        identity = json.loads(handle["uns/mpira/identity"][()])
        if identity["sites.mode"] != "shared" or not identity["controls.uninserted"]:
            sys.exit(f'{file}: needs sites.mode = "shared" and controls.uninserted = true')
        names = [name.decode() for name in handle["var"][handle["var"].attrs["_index"]][:]]
        return dict(zip(names, handle["X"][:].astype(float).T))


def farthest_swap(exact, other, errors):
    """(pairs that change places, the largest distance of one in standard errors) of means in f32 and in bf16."""
    swaps, farthest = 0, 0.0
    for i in range(len(exact) - 1):
        swapped = i + 1 + np.flatnonzero((exact[i] - exact[i + 1 :]) * (other[i] - other[i + 1 :]) < 0)
        swaps += len(swapped)
        for means in (exact, other):
            farthest = max(farthest, *(np.abs(means[i] - means[swapped]) / np.hypot(errors[i], errors[swapped])), 0.0)
    return swaps, farthest


def compare(exact_file, other_file):
    """Quantity -> its figures, with `met` for all three bars."""
    exact, other = columns(exact_file), columns(other_file)
    if exact.keys() != other.keys() or any(len(exact[name]) != len(other[name]) for name in exact):
        sys.exit(f"{exact_file} and {other_file} are no two screens of the same elements")
    figures = {}
    for name in [name.removesuffix(".element.mean") for name in exact if name.endswith(".element.mean")]:
        p, q = exact[f"{name}.element.mean"], other[f"{name}.element.mean"]
        pearson = float(np.corrcoef(p, q)[0, 1])
        most = max(1, len(p) // 100)
        shared = len(set(np.argsort(-p, kind="stable")[:most]) & set(np.argsort(-q, kind="stable")[:most]))
        swaps, farthest = farthest_swap(p, q, exact[f"{name}.element-uninserted.se"])
        figures[name] = {"elements": len(p), "pearson": pearson, "top": most, "top_shared": shared, "swaps": swaps,
                         "farthest_swap_se": float(farthest),
                         "met": bool(pearson >= LEAST_PEARSON and shared >= LEAST_SHARED * most and farthest <= MOST_ERRORS)}
    return figures


def describe(name, one):
    return (f"{name}, {one['elements']} elements: Pearson {one['pearson']:.7f} (bar {LEAST_PEARSON}), of the top {one['top']} shared "
            f"{one['top_shared']} (bar {LEAST_SHARED:.0%}), {one['swaps']} pairs change places, at most {one['farthest_swap_se']:.3f} "
            f"paired standard errors apart (bar {MOST_ERRORS:g}): {'met' if one['met'] else 'MISSED'}")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    figures = compare(*sys.argv[1:])
    for name, one in figures.items():
        print(describe(name, one))
    return 0 if all(one["met"] for one in figures.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
