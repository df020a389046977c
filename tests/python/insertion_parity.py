"""insertion_parity.py DUMP_PROGRAM: compares a screen's statistics with a plain loop over insertions, in double.

The loop follows the description of the in-silico lentiMPRA: scaled features clipped to 1, the element's vector added
to the focus row, the window clipped to 1, accessibility of that row 1, prediction read at the focus.
"""
import glob
import os
import subprocess
import sys
import tempfile

import torch

import get_reference

TOLERANCE = 1e-5  # of max|statistic| of the same kind, at least 1


def window_of(io, about, start, vector):
    rows = slice(start, start + about["window"])
    x = torch.cat([io["features"][rows] / io["scales"], io["accessibility"][rows, None]], 1)
    if vector is not None:
        x[about["focus"], :-1] = x[about["focus"], :-1].clamp(max=1) + vector
    x = x.clamp(max=1)
    x[about["focus"], -1] = 1
    return x


def quantities(model, accessibility, io, about, start, vector):
    x = window_of(io, about, start, vector)[None]
    read = {}
    predicted = get_reference.forward(model[0], model[1]["architecture"], x)[0, about["focus"]].tolist()
    for name, value in zip(about["outputs"], predicted):
        read[name] = value
    if len(predicted) == 2:
        read["max"] = max(predicted)
    if accessibility is not None:
        open_ = get_reference.forward(accessibility[0], accessibility[1]["architecture"], x)[0, about["focus"], 0].item()
        products = {f"{name}_x_accessibility": value * open_ for name, value in read.items()}
        read |= {"accessibility": open_} | products
    return read


def expected_statistics(model, accessibility, io, about):
    arms = {"element": [], "uninserted": [], "shuffled": []}
    for i, start in enumerate(io["starts"].long().tolist()):
        vectors = {"element": io["element"], "uninserted": None, "shuffled": io["shuffles"][i % len(io["shuffles"])]}
        for arm, vector in vectors.items():
            arms[arm].append(quantities(model, accessibility, io, about, start, vector))
    for control in ("uninserted", "shuffled"):
        arms[f"element-{control}"] = [
            {q: a[q] - b[q] for q in a} for a, b in zip(arms["element"], arms[control])
        ]
    classes = io["classes"].long()
    expected = {}
    for arm, insertions in arms.items():
        for q in insertions[0]:
            values = torch.tensor([insertion[q] for insertion in insertions], dtype=torch.double)
            expected[f"{q}.{arm}.mean"] = values.mean().item()
            expected[f"{q}.{arm}.sd"] = values.std().item()
            expected[f"{q}.{arm}.se"] = values.std().item() / len(values) ** 0.5
            for c, name in enumerate(about["classes"]):
                expected[f"insertions.{name}"] = (classes == c).sum().item()
                expected[f"{q}.{arm}.mean.{name}"] = values[classes == c].mean().item()
    return expected


def check(stem):
    name = os.path.basename(stem)
    model = get_reference.load(stem + ".safetensors")
    accessibility = None
    if os.path.exists(stem + ".accessibility.safetensors"):
        accessibility = get_reference.load(stem + ".accessibility.safetensors")
    io, about = get_reference.load(stem + ".io.safetensors")
    expected = expected_statistics(model, accessibility, io, about)
    assert set(expected) == set(about["names"]) and len(expected) == len(about["names"])
    worst, where = 0, ""
    for statistic, value in zip(about["names"], io["statistics"].tolist()):
        if expected[statistic] != expected[statistic]:
            assert value != value, f"{name}: {statistic} is {value}, expected NaN"
            continue
        apart = abs(value - expected[statistic]) / max(1, abs(expected[statistic]))
        assert apart <= TOLERANCE, f"{name}: {statistic} is {value}, expected {expected[statistic]}"
        worst, where = max((worst, where), (apart, statistic))
    effect = max(abs(v) for k, v in expected.items() if k.endswith("element-uninserted.mean"))
    assert effect > 1e-3, f"{name}: the element changes nothing ({effect})"
    print(f"{name:14} {len(expected):4} statistics, worst {worst:.2g} ({where}), largest effect {effect:.3g}")


def main():
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.argv[1], folder], check=True)
        cases = sorted(glob.glob(os.path.join(folder, "*.io.safetensors")))
        assert len(cases) in (4, 8), cases  # on the host, and on a GPU where there is one
        with torch.inference_mode():
            for case in cases:
                check(case[: -len(".io.safetensors")])


if __name__ == "__main__":
    main()
