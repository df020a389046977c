"""A gene's Jacobian: ours beside a plain PyTorch loop that does it in the published way, in turns, on the same weights and
windows, one thread, CPU seconds; both find the same gradients, or it ends.

    launch/build release --target perf_jacobian
    LD_LIBRARY_PATH=.deps/torch-stubs .deps/venv/bin/python perf/jacobian.py [--rounds 7] [--size full|small] [--json FILE]

The published way (Fu et al. 2025, as its code runs): a forward, then for each of both strands a fresh forward and a full
backward, weights included, of which the gene's own strand is used. PyTorch: nn.Linear, nn.LayerNorm and
F.scaled_dot_product_attention, the loop that a user would write.
"""
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from get_torch import Get
from interleaved import arguments, keep, load_average, spread

SIZES = {"full": (768, 12, 12, 200, 2, 283), "small": (64, 3, 4, 50, 16, 287)}  # dim, depth, heads, regions, genes, features
TOLERANCE = 1e-4  # max|a-b| / max(1, max|b|), both in float32


def published_way(model, x, focus):
    """(strand, gene, region, feature): gradients of the output at the focus."""
    model(x)
    gradients = []
    for strand in range(2):
        model.zero_grad()
        leaf = x.clone().requires_grad_(True)
        model(leaf)[:, focus, strand].sum().backward()
        gradients.append(leaf.grad)
    return torch.stack(gradients)


def main():
    parser = arguments(__doc__, 7)
    parser.add_argument("--size", choices=SIZES, default="full")
    options = parser.parse_args()
    dim, depth, heads, regions, genes, features = SIZES[options.size]
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours = subprocess.Popen([options.build / "perf/jacobian", options.size, "beside", folder], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True, bufsize=1)

        def turn(what):
            ours.stdin.write(what + "\n")
            answer = ours.stdout.readline()
            if not answer:
                sys.exit("perf/jacobian ended early")
            return float(answer)

        read = lambda file: np.fromfile(folder / file, np.float32).reshape(genes, regions, features)
        rounds = []
        model = Get(features, dim, depth, heads, outputs=2).eval()
        for number in range(options.rounds + 1):  # the first warms up
            seconds = {"forward": turn("forward"), "ours": turn("jacobian")}
            if number == 0:
                model.load_state_dict(load_file(folder / "weights.safetensors"))
                x = torch.from_numpy(read("x.f32").copy())
            begin = time.process_time()
            both = published_way(model, x, regions // 2)
            seconds["published"] = time.process_time() - begin
            if number:
                rounds.append(seconds)
                continue
            theirs = torch.stack([both[gene % 2, gene] for gene in range(genes)]).numpy()
            off = np.abs(read("gradients.f32") - theirs).max() / max(1, np.abs(theirs).max())
            assert off <= TOLERANCE, f"gradients {off} apart"
        ours.stdin.close()
        ours.wait()
    times = [one["published"] / one["ours"] for one in rounds]
    forwards = [one["ours"] / one["forward"] for one in rounds]
    print(f"{dim}x{depth}, {regions} regions, {genes} genes a turn, {len(rounds)} rounds, {load_average()}; gradients {off:.1e} apart")
    print("PyTorch in the published way / ours: {} ({})".format(*spread(times)))
    print("ours / our forward, unshortened: {} ({})".format(*spread(forwards)))
    keep(options.json, rounds=rounds)


if __name__ == "__main__":
    main()
