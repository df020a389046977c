"""The lentiMPRA screen against a plain Python loop, written after the paper's description: 1e-5, both site modes.

Nothing is shared with the C++ code but the atlas file's matrices and the numbered random draws (Philox), which are
computed here once more. Models are random; expression has two strands; an accessibility model is given too.
"""
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
import get_reference
from mpira_test import mpira, philox, read_anndata, run_cases
from toy import FOCUS, SCAN_BP, WINDOW, make_inputs, scales_of, screen_toml, write_weights

TOLERANCE = 1e-5  # max|a-b| / max(1, max|b|)
SEED, INSERTIONS, SHUFFLES = 11, 37, 3
SITES, SHUFFLE, SHARED = 1, 2, 0xFFFFFFFF  # streams of base/philox.hpp; the name of sites that all elements share


def motif_vector(sequence, atlas):
    """Sum over positions of the best member motif on either strand, of words at or above their threshold."""
    scan = atlas.uns["scan"]
    codes = np.array(["ACGT".find(c) for c in sequence])
    widths, thresholds, feature_of = (np.asarray(scan[k]) for k in ("widths", "thresholds", "features"))
    matrices = np.asarray(scan["matrices"]).reshape(-1, 4)
    best = np.zeros((len(sequence), atlas.n_vars))
    at = 0
    for width, threshold, feature in zip(widths, thresholds, feature_of):
        matrix = matrices[at:at + width]
        at += width
        for position in range(len(sequence) - width + 1):
            word = codes[position:position + width]
            if (word < 0).any():
                continue
            forward = sum(matrix[i, c] for i, c in enumerate(word))
            reverse = sum(matrix[i, 3 - c] for i, c in enumerate(word[::-1]))
            score = max(forward, reverse)
            if score >= threshold:
                best[position, feature] = max(best[position, feature], score)
    return best.sum(axis=0) / 1000


def draws(stream, a, b):
    """The sequence of 64-bit draws named (seed, stream, a, b)."""
    block = 0
    while True:
        words = [int(w) for w in philox(np.array([[block, stream, a, b]], dtype=np.uint64), (SEED, 0))[0]]
        yield words[0] | words[1] << 32
        yield words[2] | words[3] << 32
        block += 1


def below(source, bound):
    return next(source) * bound >> 64


def shuffle(sequence, element, k):
    """A uniform dinucleotide shuffle by Wilson's random spanning tree, with the program's numbered draws."""
    source = draws(SHUFFLE, element, k)
    letters = sorted(set(sequence))
    exits = {c: [b for a, b in zip(sequence, sequence[1:]) if a == c] for c in letters}
    root, last, tree = sequence[-1], {}, {sequence[-1]}
    for first in letters:
        at = first
        while at not in tree:
            last[at] = below(source, len(exits[at]))
            at = exits[at][last[at]]
        at = first
        while at not in tree:
            tree.add(at)
            at = exits[at][last[at]]
    for c in letters:
        free = len(exits[c])
        if c != root and free:
            free -= 1
            exits[c][last[c]], exits[c][free] = exits[c][free], exits[c][last[c]]
        for i in range(free, 1, -1):
            j = below(source, i)
            exits[c][i - 1], exits[c][j] = exits[c][j], exits[c][i - 1]
    out, used = [sequence[0]], dict.fromkeys(letters, 0)
    while len(out) < len(sequence):
        used[out[-1]] += 1
        out.append(exits[out[-1]][used[out[-1]] - 1])
    return "".join(out)


def in_vector(element, folder):
    left, right = "".join((folder / "vector.fa").read_text().split("\n")[1:]).split("__Enhancer__")
    whole, middle = left + element + right, len(left) + len(element) // 2
    first = middle - SCAN_BP // 2
    return whole[max(first, 0):first + SCAN_BP]


def site_starts(atlas, held_out):
    chrom, start, end = (atlas.obs[k].to_numpy() for k in ("chrom", "start", "end"))
    out = [any(c == h[0] and s < h[2] and e > h[1] for h in held_out) for c, s, e in zip(chrom, start, end)]
    return [i for i in range(atlas.n_obs - WINDOW + 1)
            if len(set(chrom[i:i + WINDOW])) == 1 and not any(out[i:i + WINDOW])]


def predict(weights, windows):
    w, card = weights
    with torch.no_grad():
        return get_reference.forward(w, card["architecture"], torch.tensor(np.stack(windows)))[:, FOCUS].numpy()


def arms_of(atlas, base, column, starts, vectors, weights):
    """Predictions (INSERTIONS, outputs): the vector vectors[i mod k] (None: no insertion) in window starts[i]."""
    windows = []
    for i, start in enumerate(starts):
        window = np.concatenate([base[start:start + WINDOW], column[start:start + WINDOW, None]], axis=1)
        vector = vectors[i % len(vectors)]
        if vector is not None:
            window[FOCUS, :-1] += vector
        window[FOCUS, -1] = 1
        windows.append(np.minimum(window, 1))
    return predict(weights, windows)


def describe(values, sd=True):
    mean = values.mean()
    deviation = values.std(ddof=1)
    return {"mean": mean, "sd": deviation, "se": deviation / np.sqrt(len(values))}


def expected(element, arms, access_arms, promoter_of):
    quantities = {}
    for arm in arms:
        quantities.setdefault("plus", {})[arm] = arms[arm][:, 0]
        quantities.setdefault("minus", {})[arm] = arms[arm][:, 1]
        quantities.setdefault("max", {})[arm] = arms[arm].max(axis=1)
    for name in ("plus", "minus", "max"):
        for arm in arms:
            quantities.setdefault(f"{name}_x_accessibility", {})[arm] = quantities[name][arm] * access_arms[arm][:, 0]
    quantities["accessibility"] = {arm: access_arms[arm][:, 0] for arm in arms}
    values = {}
    for q, by_arm in quantities.items():
        by_arm["element-uninserted"] = by_arm["element"] - by_arm["uninserted"]
        by_arm["element-shuffled"] = by_arm["element"] - by_arm["shuffled"]
        for arm, series in by_arm.items():
            for statistic, value in describe(series).items():
                values[f"{q}.{arm}.{statistic}"] = value
            for name, flag in (("promoter", True), ("distal", False)):
                values[f"{q}.{arm}.mean.{name}"] = series[promoter_of == flag].mean() if (promoter_of == flag).any() else np.nan
    for name, flag in (("promoter", True), ("distal", False)):
        values[f"insertions.{name}"] = (promoter_of == flag).sum()
    return values


def check(folder, mode):
    elements = make_inputs(folder)
    atlas = read_anndata(folder / "atlas.h5ad")
    held_out = [["chr2", 2000, 3000]]
    write_weights(folder / "expression.safetensors", atlas, "expression", 1, held_out, "quantitative")
    write_weights(folder / "accessibility.safetensors", atlas, "accessibility", 2, held_out)
    (folder / "screen.toml").write_text(screen_toml(folder, folder / "screen.h5ad", f"""check_every = 3
[accessibility]
weights = "{folder}/accessibility.safetensors"
[sites]
mode = "{mode}"
insertions = {INSERTIONS}
[controls]
shuffles = {SHUFFLES}
[results]
raw = "f32"
"""))
    mpira("lentimpra", "--config", folder / "screen.toml", ranks=2, code=0)
    screen = read_anndata(folder / "screen.h5ad")
    table = screen.to_df()
    assert list(screen.obs_names) == list(elements)

    base = np.minimum(np.asarray(atlas.X, dtype=np.float64) / scales_of(atlas), 1)
    toy_cell = np.asarray(atlas.obsm["accessibility"], dtype=np.float64)[:, list(atlas.uns["cell_types"]).index("toy_cell")]
    promoter = atlas.obs["promoter"].to_numpy().astype(bool)
    assert 0 < promoter.sum() < len(promoter) and 0 < toy_cell.sum() < len(toy_cell)
    starts_all = site_starts(atlas, held_out)
    expression = get_reference.load(folder / "expression.safetensors")
    accessibility = get_reference.load(folder / "accessibility.safetensors")

    vector_alone = np.minimum(motif_vector(in_vector("", folder), atlas) / scales_of(atlas), 1)
    assert list(screen.uns["vector_scale_sets"]) == ["all_regions"]
    assert np.asarray(screen.uns["vector_features"]).shape == (1, atlas.n_vars)
    assert np.abs(np.asarray(screen.uns["vector_features"])[0] - vector_alone).max() < 1e-6
    assert list(screen.obs["cut_to_middle"]) == [len(sequence) > SCAN_BP for sequence in elements.values()]
    assert list(screen.obs["no_motif"]) == list(~np.asarray(screen.obsm["features"]).any(axis=1))

    worst = 0.0
    for number, (name, sequence) in enumerate(elements.items()):
        sequence = "".join(c if c in "ACGT" else "N" for c in sequence)
        vector = np.minimum(motif_vector(in_vector(sequence, folder), atlas) / scales_of(atlas), 1)
        assert np.abs(np.asarray(screen.obsm["features"])[number] - vector).max() < 1e-6, name
        shuffles = [np.minimum(motif_vector(in_vector(shuffle(sequence, number, k), folder), atlas) / scales_of(atlas), 1)
                    for k in range(SHUFFLES)]
        label = SHARED if mode == "shared" else number
        starts = [starts_all[below(draws(SITES, label, i), len(starts_all))] for i in range(INSERTIONS)]
        arms, access_arms = {}, {}
        for arm, vectors in (("element", [vector]), ("uninserted", [None]), ("shuffled", shuffles)):
            arms[arm] = arms_of(atlas, base, toy_cell, starts, vectors, expression)
            access_arms[arm] = arms_of(atlas, base, np.ones_like(toy_cell), starts, vectors, accessibility)
        raw = np.asarray(screen.obsm["raw"])[number].reshape(INSERTIONS, 2)
        assert np.abs(raw - arms["element"]).max() <= TOLERANCE * max(1, np.abs(raw).max()), name
        values = expected(number, arms, access_arms, promoter[np.array(starts) + FOCUS])
        assert set(values) == set(table.columns), sorted(set(values) ^ set(table.columns))[:10]
        for key, value in values.items():
            ours = table.iloc[number][key]
            if np.isnan(value):
                assert np.isnan(ours), key
                continue
            off = abs(ours - value) / max(1, abs(value))
            worst = max(worst, off)
            assert off <= TOLERANCE, f"{name}: {key}: {ours} here, {value} in the plain loop"
        assert screen.obs["insertions"].iloc[number] == INSERTIONS
    print(f"{mode}: {len(elements)} elements x {len(table.columns)} statistics, worst difference {worst:.2e}")


def independent_sites(folder):
    check(folder, "independent")


def shared_sites(folder):
    check(folder, "shared")


if __name__ == "__main__":
    torch.set_num_threads(1)
    run_cases([independent_sites, shared_sites])
