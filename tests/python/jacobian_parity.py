"""jacobian_parity.py DUMP_PROGRAM: our Jacobians against torch.autograd.grad on get_reference.py, sample by sample.

Both strands; full and short windows; the shortened and the plain last block; gradient x input, integrated gradients
(midpoints, and their completeness), knock-outs, removed regions (window closed up, row set to zero), the norm of the
gradient at the region embedding, embeddings of every layer.
"""
import glob
import os
import subprocess
import sys
import tempfile

import torch

import get_reference
from get_parity import TOLERANCE

COMPLETENESS = 1e-3
STEPS, CHANGED, REMOVED = 50, 2, 4


def compare(what, ours, theirs):
    ours, theirs = ours.double(), theirs.double()
    assert ours.shape == theirs.shape, f"{what}: shapes {tuple(ours.shape)} and {tuple(theirs.shape)}"
    worst, size = (ours - theirs).abs().max().item(), theirs.abs().max().item()
    assert worst <= TOLERANCE * max(1, size), f"{what}: {worst} apart, max|b| {size}"
    return worst / max(1, size)


def sample_gradient(w, a, x, focus, output):
    """(out, d out / d x, d out / d region embedding) of one window x (R, F)."""
    x = x.clone().requires_grad_(True)
    kept = []
    embedding = w["region_embed.embed.weight"], w["region_embed.embed.bias"]
    # The reference embeds inside forward: a zero added to the bias, one row a region, is where its gradient is read.
    shift = torch.zeros(1, len(x), a["dim"], dtype=torch.double, requires_grad=True)
    weights = w | {"region_embed.embed.bias": embedding[1] + shift}
    out = get_reference.forward(weights, a, x[None])[0, focus]
    kept = torch.autograd.grad(out[output], [x, shift])
    return out.detach(), kept[0], kept[1][0]


def check(name, weights_file, io_file):
    w, card = get_reference.load(weights_file)
    a = card["architecture"]
    io, _ = get_reference.load(io_file)
    worst = {}

    def same(what, ours, theirs):
        worst[what] = max(worst.get(what, 0), compare(f"{name}: {what}", ours, theirs))

    features = a["features"]
    for i, (_, size, focus, output) in enumerate(io["windows"].long().tolist()):
        padded = io["x"][i]
        x = padded[:size]
        out, gradient, at_embedding = sample_gradient(w, a, x, focus, output)
        full = torch.zeros_like(padded)
        full[:size] = gradient
        for method in ("gradient", "gradient_x_input", "integrated_gradients"):
            same("predictions", io[f"predictions.{method}"][i], out)
        same("gradient", io["gradients"][i], full)
        same("gradient", io["attributions.gradient"][i], full)
        same("gradient x input", io["attributions.gradient_x_input"][i], full * padded)
        norms = torch.zeros(len(padded), dtype=torch.double)
        norms[:size] = at_embedding.norm(dim=1)
        same("embedding norms", io["embedding_norms"][i], norms)

        start = x.clone()
        start[:, :-1] = 0
        mean = sum(sample_gradient(w, a, start + (step + 0.5) / STEPS * (x - start), focus, output)[1]
                   for step in range(STEPS)) / STEPS
        full = torch.zeros_like(padded)
        full[:size] = mean * (x - start)
        ours = io["attributions.integrated_gradients"][i]
        same("integrated gradients", ours, full)
        baseline = get_reference.forward(w, a, start[None])[0, focus, output]
        same("baseline", io["baseline"][i], baseline)
        gap = abs(ours.sum() - (out[output] - baseline)).item()
        worst["completeness"] = max(worst.get("completeness", 0), gap)
        assert gap <= COMPLETENESS * max(1, abs(out[output] - baseline)), f"{name}: window {i} lacks {gap}"

    if a["outputs"] > 1:  # windows 2 and 3 are one window, read on either strand
        minus, plus = io["gradients"][2], io["gradients"][3]
        assert (io["x"][2] == io["x"][3]).all()
        apart = (minus - (plus + minus)).abs().max() / minus.abs().max()
        assert apart > 0.1, "strand gradients are added up, as in the published code"

    _, size, focus, output = io["windows"][CHANGED].long().tolist()
    x = io["x"][CHANGED][:size]
    before = get_reference.forward(w, a, x[None])[0, focus]
    same("predictions", io["untouched"], before)
    expected = torch.zeros(1 + size, features, dtype=torch.double)
    for feature in range(features):
        for row in range(1 + size):
            changed = x.clone()
            changed[slice(None) if row == 0 else row - 1, feature] = 0
            expected[row, feature] = (before - get_reference.forward(w, a, changed[None])[0, focus])[output]
    same("knock-outs", io["knock_out"], expected)
    assert expected.abs().max() > 1e-3

    _, size, focus, _ = io["windows"][REMOVED].long().tolist()
    x = io["x"][REMOVED][:size]
    others = [row for row in range(size) if row != focus]
    zeroed = torch.stack([torch.where(torch.arange(size)[:, None] == row, 0, x) for row in others])
    closed = torch.stack([torch.cat([x[:row], x[row + 1:]]) for row in others])
    whole = get_reference.forward(w, a, x[None])[0, focus]
    for how, left in (("zero", get_reference.forward(w, a, zeroed)[:, focus]),
                      ("close", torch.stack([out[focus - (row < focus)]
                                             for row, out in zip(others, get_reference.forward(w, a, closed))]))):
        same("removed", io[f"removed.{how}"], left)
        same("predictions", io[f"untouched.{how}"], whole)
        assert (left - whole).abs().min() > 1e-6 and (left - whole).abs().max() > 1e-3

    names = ["region_embed", *(f"encoder.blocks.{i}" for i in range(a["depth"])), "encoder.norm"]
    assert {name for name in io if name.startswith("embeddings.")} == {f"embeddings.{name}" for name in names}
    for i, (_, size, focus, _) in enumerate(io["windows"].long().tolist()):
        x = io["x"][i][None, :size]
        for layer, all_tokens in get_reference.tokens(w, a, x).items():
            same("embeddings", io[f"embeddings.{layer}"][i], all_tokens[0, focus])
            same("predictions", io[f"predictions.{layer}"][i], get_reference.forward(w, a, x)[0, focus])
    print(f"{name:14} " + ", ".join(f"{what} {value:.1e}" for what, value in worst.items()))


def main():
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.argv[1], folder], check=True)
        cases = sorted(glob.glob(os.path.join(folder, "*.io.safetensors")))
        assert len(cases) in (4, 8), cases  # on the host, and on a GPU where there is one
        for io_file in cases:
            stem = io_file[: -len(".io.safetensors")]
            check(os.path.basename(stem), stem + ".safetensors", io_file)


if __name__ == "__main__":
    main()
