#!/usr/bin/env python3
"""Windows/s of `mpira lentimpra` beside a plain PyTorch loop that does as the published script does: same weights, atlas,
elements and sites, one thread, in turns.

    launch/quickstart && launch/build release --target perf_programs
    LD_LIBRARY_PATH=.deps/torch-stubs .deps/venv/bin/python perf/lentimpra.py [--rounds 5] [--sizes full,small] [--two-ranks]
        [--batch 16] [--json FILE] [--quick]

The PyTorch side (Fu et al. 2025, as its code runs): a data set of windows, each cut from the atlas, the element added to its
middle region, clipped; batches of 16 by a DataLoader; the whole (regions, outputs) prediction of every window kept to the end;
then mean and sd of the middle region over an element's windows. Its elements' motif vectors are given to it: the published
script has them from a file, `mpira lentimpra` scans them. A round is that loop, the job on one rank with its default micro-batch
and no controls, and the insertion path alone (perf/model, the same size and micro-batch on random features). Told are, as
windows/s and as ratios within a round:

- model time only: the CPU seconds of PyTorch's forward passes, and those of the insertion path
- end to end, wall clock: the whole loop with reading atlas and weights, and the job from its first claim to its last commit
- the job with its default controls, small network only: predictions as the loop would make them, three a site. Uninserted
  windows that the job remembers from other elements make it faster than it can predict

Before that every window's prediction is compared: the largest difference must be within 1e-4 (of the largest prediction, where
that is above 1) and 1 % of the standard deviation between windows; means of elements are compared again in each round.
--two-ranks adds the job on two ranks with twice the elements, and two insertion paths at once: where these do not reach 1.9 of
one, the machine had no two cores to give. --quick: a round of few windows, to see whether all runs.
"""
import json
import sys
import tempfile
import time
from pathlib import Path

import anndata
import h5py
import numpy as np
import torch
from safetensors import safe_open
from torch.utils.data import DataLoader, Dataset

import screens
from get_torch import Get
from interleaved import ROOT, arguments, finished, keep, load_average, spread, start, table, told

sys.path.insert(0, str(ROOT / "tests/python"))
import get_reference
from mpira_test import philox

SHAPES = {"full": (4, 64), "small": (40, 600)}  # elements, insertions
QUICK_SHAPES = {"full": (1, 32), "small": (20, 300)}
SEED, SITES = 1, 1  # of the campaign; the stream of base/philox.hpp
ATLAS = screens.DATA / "atlas.h5ad"
TOLERANCE, TOLERANCE_OF_SD = 1e-4, 0.01
NO_CONTROLS = {"controls_uninserted": "false", "controls_shuffles": 0}


class Windows(Dataset):
    """Element after element, each at its sites."""

    def __init__(self, rows, vectors, starts, window, focus):
        self.rows, self.vectors, self.starts, self.window, self.focus = rows, vectors, starts, window, focus

    def __len__(self):
        return self.starts.size

    def __getitem__(self, number):
        element, insertion = divmod(number, self.starts.shape[1])
        start = self.starts[element, insertion]
        window = self.rows[start : start + self.window].copy()
        window[self.focus, :-1] += self.vectors[element]
        window[self.focus, -1] = 1
        return np.minimum(window, 1)


def rows_of(atlas, card):
    """The atlas as the model reads it, (regions, motifs + 1); its accessibility column is constant in these models."""
    scales = np.asarray(atlas.varm["scale"])[:, list(atlas.uns["scale_sets"]).index(card["scale_set"])]
    motifs = np.minimum(np.asarray(atlas.X) / scales, 1)
    return np.concatenate([motifs, np.ones((len(motifs), 1))], axis=1).astype(np.float32)


def sites_of(atlas, card, max_span_bp=5_000_000):
    """First regions of all windows on one chromosome that are not too long and meet nothing held out."""
    chrom, first, last = (atlas.obs[name].to_numpy() for name in ("chrom", "start", "end"))
    out = np.zeros(len(chrom), bool)
    for name, begin, end in card["held_out"]:
        out |= (chrom == name) & (first < end) & (last > begin)
    window = card["window"]
    return np.array([i for i in range(len(chrom) - window + 1)
                     if chrom[i] == chrom[i + window - 1] and last[i + window - 1] - first[i] <= max_span_bp
                     and not out[i : i + window].any()])


def drawn(sites, elements, insertions):
    """(elements, insertions) window starts: the job's own draws."""
    counter = np.zeros((elements * insertions, 4), np.uint64)
    counter[:, 1] = SITES
    counter[:, 2], counter[:, 3] = np.divmod(np.arange(elements * insertions), insertions)
    words = philox(counter, (SEED, 0))
    draws = [(int(low) | int(high) << 32) * len(sites) >> 64 for low, high in words[:, :2]]
    return sites[draws].reshape(elements, insertions)


def load(weights, card):
    net = card["architecture"]
    model = Get(net["features"], net["dim"], net["depth"], net["heads"], net["outputs"]).eval()
    with safe_open(weights, "pt") as file:
        model.load_state_dict({name: file.get_tensor(name) for name in file.keys()})
    return model


def torch_loop(weights, card, vectors, starts, batch):
    """Predictions at the focus (elements, insertions, outputs), means and sds (elements), and what it took."""
    begin, model_cpu_s = time.perf_counter(), 0.0
    model = load(weights, card)
    rows = rows_of(anndata.read_h5ad(ATLAS), card)
    kept = []
    with torch.no_grad():
        for windows in DataLoader(Windows(rows, vectors, starts, card["window"], card["focus"]), batch_size=batch):
            before = time.process_time()
            predicted = model(windows)
            model_cpu_s += time.process_time() - before
            kept.append(predicted)
    focus = torch.cat(kept)[:, card["focus"]].reshape(*starts.shape, -1).numpy()
    activity = focus.max(axis=2)  # of both strands
    means, sds = activity.mean(axis=1), activity.std(axis=1)
    return focus, means, sds, {"windows": starts.size, "model_cpu_s": model_cpu_s, "wall_s": time.perf_counter() - begin}


class Bench:
    def __init__(self, size, shape, options, folder):
        self.size, self.options, self.folder = size, options, folder
        self.elements, self.insertions = shape
        self.weights = screens.untrained(size, folder, options.build)
        with safe_open(self.weights, "pt") as file:
            self.card = json.loads(file.metadata()["mpira"])
        assert self.card["accessibility"] == "constant" and self.card["architecture"]["outputs"] == 1
        self.windows = self.elements * self.insertions
        self.sites = sites_of(anndata.read_h5ad(ATLAS), self.card)
        self.starts = drawn(self.sites, self.elements, self.insertions)

    def job(self, ranks=1, elements=None, **settings):
        """Seconds of the campaign and the share of its commits; the result lies in self.result."""
        self.result = self.folder / "screen.h5ad"
        self.result.unlink(missing_ok=True)
        return screens.run_screen(*screens.screen(self.options.build, self.weights,
                                                  screens.tiles(self.folder, elements or self.elements * ranks), self.result,
                                                  sites_insertions=self.insertions, seed=SEED, **settings), ranks=ranks)

    def alone(self, at_once=1):
        """Of `at_once` insertion paths together: windows/s, and windows per CPU second."""
        loops = [start(self.options.build / "perf/model", self.size, "alone", self.options.alone_s, self.micro_batch)
                 for _ in range(at_once)]
        results = [told(text) for text, _ in finished(*loops)]
        return (sum(one["windows"] / one["wall_s"] for one in results),
                sum(one["windows"] for one in results) / sum(one["cpu_s"] for one in results))

    def loop(self):
        return torch_loop(self.weights, self.card, self.vectors, self.starts, self.options.batch)

    def warm_up(self):
        """Runs all once, and compares them window by window."""
        self.job(results_raw="f32", **NO_CONTROLS)
        with h5py.File(self.result) as file:
            self.vectors = file["obsm/features"][:]
            self.micro_batch = json.loads(file["uns/mpira/identity"][()])["model.micro_batch"]
            raw = file["obsm/raw"][:].reshape(self.elements, self.insertions, -1)
        focus, *_ = self.loop()
        self.alone()
        all_windows = Windows(rows_of(anndata.read_h5ad(ATLAS), self.card), self.vectors, self.starts, self.card["window"],
                              self.card["focus"])
        few = torch.from_numpy(np.stack([all_windows[0], all_windows[1]]))
        with torch.no_grad():
            exact = get_reference.forward(get_reference.load(self.weights)[0], self.card["architecture"], few.double())
        self.allowed = min(TOLERANCE * max(1.0, float(np.abs(focus).max())), TOLERANCE_OF_SD * float(focus.std()))
        self.require_same(focus[0, :2], exact[:, self.card["focus"]].numpy(), "PyTorch and tests/python/get_reference.py")
        return self.require_same(raw, focus, "mpira and PyTorch")

    def require_same(self, ours, theirs, who):
        apart = float(np.abs(ours - theirs).max())
        if not apart <= self.allowed:
            sys.exit(f"{self.size}: {who} predict otherwise: {apart:.2e} apart, {self.allowed:.2e} are allowed")
        return apart

    def round(self):
        _, means, _, loop = self.loop()
        job_s, commits = self.job(**NO_CONTROLS)
        result = anndata.read_h5ad(self.result).to_df()
        name, = (name for name in result if name.endswith(".element.mean"))
        self.require_same(result[name].to_numpy(), means, "means of mpira's and PyTorch's elements")
        alone, alone_cpu = self.alone()
        row = {"PyTorch, model time, windows / CPU s": loop["windows"] / loop["model_cpu_s"],
               "PyTorch, end to end, windows/s": loop["windows"] / loop["wall_s"],
               "insertion path alone, windows / CPU s": alone_cpu,
               "mpira lentimpra, end to end, windows/s": self.windows / job_s}
        row |= {"model time only, ours / PyTorch": alone_cpu / row["PyTorch, model time, windows / CPU s"],
                "end to end, ours / PyTorch": row["mpira lentimpra, end to end, windows/s"] / row["PyTorch, end to end, windows/s"],
                "job / insertion path alone, wall clock": row["mpira lentimpra, end to end, windows/s"] / alone,
                "commits, share of the campaign": commits}
        if self.size == "small":
            # As many elements as make the job remember uninserted windows (jobs/lentimpra_models.cpp: 16 draws a site).
            elements = max(self.elements, 16 * len(self.sites) // self.insertions + 1)
            controls_s, _ = self.job(elements=elements)
            rate = 3 * elements * self.insertions / controls_s
            row |= {"mpira lentimpra with controls, predictions/s": rate,
                    "with controls, end to end, ours / PyTorch": rate / row["PyTorch, end to end, windows/s"]}
        if self.options.two_ranks:
            two_s, _ = self.job(ranks=2, **NO_CONTROLS)
            row |= {"two insertion paths at once / one": self.alone(2)[0] / alone,
                    "job on two ranks / one": 2 * job_s / two_s}
        return row


def main():
    parser = arguments(__doc__, rounds=5)
    parser.add_argument("--sizes", default="full,small")
    parser.add_argument("--batch", type=int, default=16, help="windows of a forward pass of the PyTorch loop")
    parser.add_argument("--two-ranks", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if unknown := set(options.sizes.split(",")) - set(SHAPES):
        parser.error(f"--sizes {unknown.pop()}: there are {', '.join(SHAPES)}")
    options.rounds = 1 if options.quick else options.rounds
    options.alone_s = 2 if options.quick else 12
    screens.require_data()
    torch.set_num_threads(1)
    figures = {}
    for size in options.sizes.split(","):
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(size, (QUICK_SHAPES if options.quick else SHAPES)[size], options, Path(folder))
            apart = bench.warm_up()
            rounds = [bench.round() for _ in range(options.rounds)]
        dim, depth, _, regions = screens.SIZES[size]
        print(f"{dim}x{depth}, windows of {regions}, {bench.elements} elements x {bench.insertions} insertions, micro-batch "
              f"{bench.micro_batch} (PyTorch: {options.batch}), {options.rounds} rounds, {load_average()}; predictions {apart:.1e} "
              f"apart, {bench.allowed:.1e} allowed")
        table(("figure", "median", "range"), [(name, *spread([one[name] for one in rounds])) for name in rounds[0]])
        figures[size] = {"elements": bench.elements, "insertions": bench.insertions, "micro_batch": bench.micro_batch,
                         "predictions_apart": apart, "rounds": rounds}
    keep(options.json, batch=options.batch, sizes=figures)


if __name__ == "__main__":
    main()
