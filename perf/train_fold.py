"""`mpira train` on the quickstart's recipe beside the same training written in PyTorch: one rank, one thread, interleaved
rounds, CPU seconds of the epochs alone (start-up and reading are left out on both sides), medians and their ratio.

    LD_LIBRARY_PATH=.deps/torch-stubs .deps/venv/bin/python perf/train_fold.py ATLAS.h5ad [--rounds 5] [--fold 4]

PyTorch: nn.Module, F.scaled_dot_product_attention, F.dropout, AdamW(fused=True), no data loader, windows gathered from
one tensor. Both report their held-out Pearson, so that a fast but wrong side would be seen.
"""

import argparse
import json
import math
import pathlib
import resource
import statistics
import subprocess
import tempfile
import time

import anndata
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

ROOT = pathlib.Path(__file__).resolve().parents[1]
WINDOW, DIM, DEPTH, HEADS, EPOCHS, BATCH = 50, 64, 3, 4, 25, 8
LR, MIN_LR, DROPOUT, DROP_PATH = 3e-3, 3e-5, 0.3, 0.1


class Block(nn.Module):
    def __init__(self, drop_path):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(DIM, 1e-6), nn.LayerNorm(DIM, 1e-6)
        self.qkv = nn.Linear(DIM, 3 * DIM, bias=False)
        self.q_bias, self.v_bias = nn.Parameter(torch.zeros(DIM)), nn.Parameter(torch.zeros(DIM))
        self.proj, self.up, self.down = nn.Linear(DIM, DIM), nn.Linear(DIM, 4 * DIM), nn.Linear(4 * DIM, DIM)
        self.drop_path = drop_path

    def drop(self, y):
        if not self.training or self.drop_path == 0:
            return y
        keep = 1 - self.drop_path
        return y * (torch.empty(len(y), 1, 1).bernoulli_(keep) / keep)

    def forward(self, z):
        b, n, _ = z.shape
        bias = torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias])
        q, k, v = F.linear(self.norm1(z), self.qkv.weight, bias).view(b, n, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, DIM)
        z = z + self.drop(self.proj(mixed))
        return z + self.drop(self.down(F.gelu(self.up(self.norm2(z)))))


class Get(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.embed, self.cls = nn.Linear(features, DIM), nn.Parameter(torch.zeros(1, 1, DIM))
        self.blocks = nn.ModuleList(Block(DROP_PATH * i / (DEPTH - 1)) for i in range(DEPTH))
        self.norm, self.head = nn.LayerNorm(DIM, 1e-6), nn.Linear(DIM, 1)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x):
        z = torch.cat([self.cls.expand(len(x), -1, -1), self.embed(F.dropout(x, DROPOUT, self.training))], 1)
        for block in self.blocks:
            z = block(z)
        return F.softplus(self.head(self.norm(z)[:, 1:]))


def epoch_starts(runs, draw):
    starts = set()
    for a, z in runs:
        starts |= {a, z - WINDOW, *range(a + int(draw.integers(WINDOW)), z - WINDOW + 1, WINDOW)}
    return draw.permutation(sorted(starts))


def train_torch(x, y, runs, test):
    torch.manual_seed(0)
    draw = np.random.default_rng(0)
    get = Get(x.shape[1])
    decayed = [p for n, p in get.named_parameters() if p.ndim > 1 and n != "cls"]
    plain = [p for n, p in get.named_parameters() if p.ndim == 1 or n == "cls"]
    optimiser = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}],
                                  lr=LR, fused=True)
    order = [epoch_starts(runs, draw) for _ in range(EPOCHS)]
    steps = sum(math.ceil(len(starts) / BATCH) for starts in order)
    warmup, step = round(0.1 * steps), 0
    begin = time.process_time()
    for starts in order:
        for at in range(0, len(starts), BATCH):
            rows = torch.as_tensor(starts[at:at + BATCH])[:, None] + torch.arange(WINDOW)
            optimiser.zero_grad(set_to_none=True)
            p = get(x[rows])
            (p - y[rows] * torch.log(p + 1e-8)).mean().backward()
            rate = (MIN_LR + (LR - MIN_LR) * step / (warmup - 1) if step < warmup else
                    MIN_LR + (LR - MIN_LR) * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2)
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.step()
            step += 1
    seconds = time.process_time() - begin
    get.eval()
    out = torch.zeros(len(x), 1)
    with torch.inference_mode():
        for start in [*range(test[0], test[1] - WINDOW, WINDOW), test[1] - WINDOW]:
            out[start:start + WINDOW] = get(x[None, start:start + WINDOW])[0]
    held_out = slice(*test)
    return seconds, np.corrcoef(out[held_out, 0], y[held_out, 0])[0, 1]


def train_mpira(atlas, folds, fold, folder, program, epochs):
    """CPU seconds and held-out Pearson of a run with so many epochs."""
    weights = folder / "w.safetensors"
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    text = subprocess.run([program, "train", "--config", ROOT / "config/quickstart/train.toml", "--set", f"atlas={atlas}",
                           "--set", f"holdout.folds={folds}", "--set", f"holdout.fold={fold}", "--set",
                           "holdout.margin_bp=0", "--set", f"train.epochs={epochs}", "--fresh", "--overwrite",
                           "--output", weights], check=True, capture_output=True, text=True).stderr
    return (resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before,
            float(text.split("Pearson ")[-1].split(",")[0]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("atlas")
    parser.add_argument("--fold", type=int, default=4, help="megabase of chr2R that is held out")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--program", default=ROOT / "build/release/bin/mpira")
    options = parser.parse_args()
    torch.set_num_threads(1)

    data = anndata.read_h5ad(options.atlas)
    raw = np.asarray(data.X)
    x = torch.tensor(np.hstack([np.minimum(1, raw / raw.max(axis=0)), np.ones((len(raw), 1))]), dtype=torch.float32)
    cell_type = list(data.uns["cell_types"]).index("BEAF_Kc")
    y = torch.tensor(np.asarray(data.obsm["accessibility"])[:, [cell_type]], dtype=torch.float32)
    centre = ((data.obs["start"] + data.obs["end"]) // 2).to_numpy()
    interval = (options.fold * 1_000_000, (options.fold + 1) * 1_000_000)
    inside = np.flatnonzero((centre >= interval[0]) & (centre < interval[1]))
    test = (int(inside[0]), int(inside[-1]) + 1)
    runs = [(0, test[0]), (test[1], len(x))]

    rounds = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        folds = folder / "folds.tsv"
        folds.write_text(f"{options.fold}\tchr2R\t{interval[0]}\t{interval[1]}\n")
        for number in range(options.rounds + 1):  # the first one warms up
            long, ours_r = train_mpira(options.atlas, folds, options.fold, folder, options.program, EPOCHS)
            short, _ = train_mpira(options.atlas, folds, options.fold, folder, options.program, 1)
            ours = (long - short) * EPOCHS / (EPOCHS - 1)
            theirs, theirs_r = train_torch(x, y, runs, test)
            if number > 0:
                rounds.append((ours, theirs))
            print(f"mpira {ours:.2f} CPU s (r {ours_r:.3f})   PyTorch {theirs:.2f} CPU s (r {theirs_r:.3f})   "
                  f"{theirs / ours:.2f}{'' if number else '   warm-up'}", flush=True)
    result = {"mpira_cpu_s": statistics.median(r[0] for r in rounds),
              "pytorch_cpu_s": statistics.median(r[1] for r in rounds),
              "ratio": statistics.median(r[1] / r[0] for r in rounds), "rounds": len(rounds)}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
