"""train_parity.py DUMP_PROGRAM: 50 steps of `mpira train` done again in PyTorch, in double: the network of
get_reference.py, torch.optim.AdamW, torch's gradient clipping, from the same weights and batches."""

import json
import math
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors import safe_open

import get_reference

LOSS = 1e-4  # relative, every step
WEIGHTS = 1e-4  # max|a-b| after 50 steps, of the largest weight: fp32 against double
STEPS, LR, MIN_LR, WARMUP, DECAY, CLIP = 50, 3e-3, 3e-5, 10, 0.05, 0.5


def rate(step):
    """Linear from MIN_LR to LR in WARMUP steps, both included, then half a cosine."""
    if step < WARMUP:
        return MIN_LR + (LR - MIN_LR) * step / (WARMUP - 1)
    return MIN_LR + (LR - MIN_LR) * (1 + math.cos(math.pi * (step - WARMUP) / (STEPS - WARMUP))) / 2


def check(file):
    with safe_open(file, "pt") as stored:
        about = json.loads(stored.metadata()["mpira"])
        tensors = {name: stored.get_tensor(name).double() for name in stored.keys()}
    part = lambda prefix: {n[len(prefix):]: t for n, t in tensors.items() if n.startswith(prefix)}
    weights = {name: tensor.requires_grad_(True) for name, tensor in part("first/").items()}
    plain = [n for n, t in weights.items() if t.ndim == 1 or n.endswith("bias") or n == "cls_token"]
    assert 0 < len(plain) < len(weights)
    optimiser = torch.optim.AdamW(
        [{"params": [t for n, t in weights.items() if n not in plain], "weight_decay": DECAY},
         {"params": [weights[n] for n in plain], "weight_decay": 0.0}],
        lr=LR)
    worst, clipped = 0.0, 0
    for step in range(STEPS):
        x, y = tensors[f"x/{step}"], tensors[f"y/{step}"]
        optimiser.zero_grad()
        loss = get_reference.poisson_loss(get_reference.forward(weights, about["architecture"], x), y)
        loss.backward()
        clipped += torch.nn.utils.clip_grad_norm_(list(weights.values()), CLIP).item() > CLIP
        for group in optimiser.param_groups:
            group["lr"] = rate(step)
        assert abs(rate(step) - about["lr"][step]) < 1e-12, (step, rate(step), about["lr"][step])
        optimiser.step()
        worst = max(worst, abs(loss.item() - about["loss"][step]) / abs(loss.item()))
    assert 0 < clipped < STEPS, f"clipping in {clipped} of {STEPS} steps doesn't test it"
    last = part("last/")
    assert last.keys() == weights.keys()
    apart = max((last[n] - weights[n]).abs().max().item() for n in last)
    largest = max(t.abs().max().item() for t in weights.values())
    print(f"{file.stem}: loss {about['loss'][0]:.4f} -> {about['loss'][-1]:.4f}; relative difference of a step at "
          f"most {worst:.1e}; weights at most {apart:.1e} apart of {largest:.2f}, {clipped} steps clipped")
    assert worst <= LOSS and apart <= WEIGHTS * largest
    assert about["loss"][-1] < about["loss"][0]


def main():
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.argv[1], folder], check=True)
        files = sorted(pathlib.Path(folder).glob("*.safetensors"))
        assert [file.stem for file in files] == ["accessibility", "expression"]
        for file in files:
            check(file)


main()
