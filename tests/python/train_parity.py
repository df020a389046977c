"""train_parity.py DUMP_PROGRAM: 50 steps of each stage of `mpira train` done again in PyTorch, in double: the networks of
get_reference.py, torch.optim.AdamW, torch's gradient clipping, from the same weights and batches."""

import json
import math
import pathlib
import re
import subprocess
import sys
import tempfile

import torch
from safetensors import safe_open

import get_reference

STAGES = ["accessibility", "cnn", "expression", "full", "lora", "masked", "mlp"]
LOSS = 1e-4  # relative, every step
WEIGHTS = 1e-4  # max|a-b| after 50 steps, of the largest weight: fp32 against double
STEPS, LR, MIN_LR, WARMUP, DECAY, CLIP = 50, 1e-3, 1e-5, 10, 0.05, 0.5


def rate(step):
    """Linear from MIN_LR to LR in WARMUP steps, both included, then half a cosine."""
    if step < WARMUP:
        return MIN_LR + (LR - MIN_LR) * step / (WARMUP - 1)
    return MIN_LR + (LR - MIN_LR) * (1 + math.cos(math.pi * (step - WARMUP) / (STEPS - WARMUP))) / 2


def scale(name, about):
    """Layer-wise decay: d^(depth + 1 - id), id 0 embedding and tokens, i + 1 block i, depth + 1 the rest."""
    if about["layer_decay"] == 1:
        return 1.0
    depth, number = about["architecture"]["depth"], re.match(r"encoder\.blocks\.(\d+)\.", name)
    first = name.startswith("region_embed") or name in ("cls_token", "mask_token")
    layer = int(number[1]) + 1 if number else 0 if first else depth + 1
    return about["layer_decay"] ** (depth + 1 - layer)


def forward(weights, trained, about, x, mask):
    if "baseline" in about:
        return get_reference.baseline_forward(weights, about["baseline"], x)
    if "lora" in about:
        frozen = {name: tensor for name, tensor in weights.items() if name not in trained}
        weights = get_reference.with_adaptors(frozen, trained, about["lora"])
    return get_reference.forward(weights, about["architecture"], x, mask)


def check(file):
    with safe_open(file, "pt") as stored:
        about = json.loads(stored.metadata()["mpira"])
        tensors = {name: stored.get_tensor(name).double() for name in stored.keys()}
    part = lambda prefix: {n[len(prefix):]: t for n, t in tensors.items() if n.startswith(prefix)}
    weights, last = part("first/"), part("last/")
    trained = {name: weights[name].requires_grad_(True) for name in about["trained"]}
    plain = [n for n, t in trained.items() if t.ndim == 1 or n.endswith("bias") or n == "cls_token"]
    assert 0 < len(plain) < len(trained) <= len(weights)
    assert (len(trained) < len(weights)) == (file.stem == "lora")
    optimiser = torch.optim.AdamW(
        [{"params": [t], "weight_decay": 0.0 if n in plain else DECAY, "scale": scale(n, about)}
         for n, t in trained.items()], lr=LR)
    means = {n: t.detach().clone() for n, t in trained.items()}
    masked = file.stem == "masked"
    worst, clipped = 0.0, 0
    for step in range(STEPS):
        x, y = tensors[f"x/{step}"], tensors[f"y/{step}"]
        mask = tensors[f"mask/{step}"] > 0 if masked else None
        assert mask is None or (mask.sum(1) == 5).all()
        optimiser.zero_grad()
        p = forward(weights, trained, about, x, mask)
        loss = get_reference.masked_loss(p, x, mask) if masked else get_reference.poisson_loss(p, y)
        loss.backward()
        clipped += torch.nn.utils.clip_grad_norm_(list(trained.values()), CLIP).item() > CLIP
        for group in optimiser.param_groups:
            group["lr"] = rate(step) * group["scale"]
        assert abs(rate(step) - about["lr"][step]) < 1e-12, (step, rate(step), about["lr"][step])
        optimiser.step()
        for name, mean in means.items():
            mean.mul_(about["ema_decay"]).add_(trained[name].detach(), alpha=1 - about["ema_decay"])
        worst = max(worst, abs(loss.item() - about["loss"][step]) / abs(loss.item()))
    assert last.keys() == weights.keys()
    ours = means if about["ema_decay"] > 0 else trained
    apart = max((last[n] - t.detach()).abs().max().item() for n, t in ours.items())
    largest = max(t.abs().max().item() for t in trained.values())
    print(f"{file.stem}: loss {about['loss'][0]:.4f} -> {about['loss'][-1]:.4f}; relative difference of a step at "
          f"most {worst:.1e}; weights at most {apart:.1e} apart of {largest:.2f}, {clipped} steps clipped")
    assert worst <= LOSS and apart <= WEIGHTS * largest
    assert about["loss"][-1] < about["loss"][0]
    for name in weights.keys() - trained.keys():
        assert torch.equal(last[name], weights[name]), f"{name} is frozen"
    return clipped


def main():
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.argv[1], folder], check=True)
        files = sorted(pathlib.Path(folder).glob("*.safetensors"))
        assert [file.stem for file in files] == STAGES
        clipped = [check(file) for file in files]
        assert any(0 < count < STEPS for count in clipped), f"clipping in {clipped} of {STEPS} steps doesn't test it"


main()
