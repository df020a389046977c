"""get_parity.py DUMP_PROGRAM: compares our GET with get_reference.py. Output, loss and input gradients of each output."""
import glob
import os
import subprocess
import sys
import tempfile

import torch

import get_reference

TOLERANCE = 1e-5  # max|a-b| / max(1, max|b|), fp32 against double
RELATIVE = 1e-4  # max|a-b| / max|b|: gradients may be far below 1


def compare(what, ours, theirs):
    ours, theirs = ours.double(), theirs.double()
    assert ours.shape == theirs.shape, f"{what}: shapes {tuple(ours.shape)} and {tuple(theirs.shape)}"
    worst, size = (ours - theirs).abs().max().item(), theirs.abs().max().item()
    print(f"{what:28} max|b| {size:9.3g}   max|a-b| {worst:9.3g}   of tolerance {worst / (TOLERANCE * max(1, size)):6.3f}")
    assert worst <= TOLERANCE * max(1, size), f"{what}: {worst} apart"
    assert worst <= RELATIVE * size, f"{what}: {worst / size} apart, relative"


def check(name, weights_file, io_file):
    w, card = get_reference.load(weights_file)
    a = card["architecture"]
    io, _ = get_reference.load(io_file)
    x = io["x"].requires_grad_(True)
    mask = io["mask"].bool() if "mask" in io else None
    out = get_reference.forward(w, a, x, mask)
    compare(f"{name}: output", io["out"], out.detach())
    if mask is not None:
        assert 0 < mask.sum() < mask.numel()
        compare(f"{name}: loss", io["loss"], get_reference.masked_loss(out, x, mask).detach())
        return
    compare(f"{name}: loss", io["loss"], get_reference.poisson_loss(out, io["target"]).detach())
    gradients = []
    for output in range(a["outputs"]):
        (gradient,) = torch.autograd.grad(out[:, card["focus"], output].sum(), x, retain_graph=True)
        gradients.append(gradient)
        compare(f"{name}: gradient {output}", io[f"gradient.{output}"], gradient)
    if len(gradients) > 1:  # the published code's second strand is the sum of both: ours must not be near it
        apart = (io["gradient.1"] - sum(gradients)).abs().max() / gradients[0].abs().max()
        assert apart > 0.1, "strand gradients are added up"
    if a["head"] == "accessibility":
        assert gradients[0][..., -1].abs().max() == 0 and io["gradient.0"][..., -1].abs().max() == 0


def check_copy(program, folder):
    """Every type, through Python's safetensors, our reader, our writer, and back."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    types = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]
    types += [torch.float16, torch.bfloat16, torch.float32, torch.float64]
    tensors = {str(t): (torch.arange(6).reshape(2, 3) % 4).to(t) for t in types}
    tensors |= {"empty": torch.zeros(0, 4), "scalar": torch.tensor(2.5), "caf\u00e9 \"quoted\"": torch.ones(1)}
    metadata = {"format": "pt", "note": "line\nand \u00e9"}
    there, back = os.path.join(folder, "python"), os.path.join(folder, "copied")
    save_file(tensors, there, metadata)
    subprocess.run([program, there, back], check=True)
    with safe_open(back, "pt") as file:
        assert file.metadata() == metadata
        assert set(file.keys()) == set(tensors)
        for name, tensor in tensors.items():
            read = file.get_tensor(name)
            assert read.dtype == tensor.dtype and torch.equal(read, tensor), name
    print(f"{len(tensors)} tensors of {len(types)} types went through both libraries")


def main():
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as folder:
        check_copy(sys.argv[1], folder)
        subprocess.run([sys.argv[1], folder], check=True)
        cases = sorted(glob.glob(os.path.join(folder, "*.io.safetensors")))
        assert len(cases) == 5, cases
        for io_file in cases:
            stem = io_file[: -len(".io.safetensors")]
            check(os.path.basename(stem), stem + ".safetensors", io_file)


if __name__ == "__main__":
    main()
