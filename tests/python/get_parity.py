"""get_parity.py DUMP_PROGRAM: compares our GET with get_reference.py (output, loss and input gradients of each output), and
the networks that are trained: CNN, MLP, LoRA, GET with drop path (output, loss and gradients of their parameters)."""
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


def check_training(stem):
    """Forward, loss and the gradient of every trained parameter; of no other."""
    w, card = get_reference.load(stem + ".safetensors")
    io, _ = get_reference.load(stem + ".training.safetensors")
    a, name = card["architecture"], os.path.basename(stem)
    trained = {key: tensor.requires_grad_(True) for key, tensor in w.items()}
    if a["network"] != "GET":
        out = get_reference.baseline_forward(w, a, io["x"])
    elif "adaptor" in card:
        base, base_card = get_reference.load(os.path.join(os.path.dirname(stem), "base.safetensors"))
        assert card["adaptor"]["base"] == base_card["content_hash"]
        out = get_reference.forward(get_reference.with_adaptors(base, w, card["adaptor"]), a, io["x"])
        if "head" in card["adaptor"]["layers"]:  # the head's own tensors are frozen then
            trained = {key: tensor for key, tensor in w.items() if ".lora_" in key}
    else:
        assert 0 < (io["factors"] == 0).sum() < io["factors"].numel() / 2
        out = get_reference.forward(w, a, io["x"], factors=io["factors"])
    compare(f"{name}: output", io["out"], out.detach())
    loss = get_reference.poisson_loss(out, io["target"])
    compare(f"{name}: loss", io["loss"], loss.detach())
    assert {key for key in io if key.startswith("gradient/")} == {"gradient/" + key for key in trained}
    for key, gradient in zip(trained, torch.autograd.grad(loss, list(trained.values()))):
        compare(f"{name}: {key}", io["gradient/" + key], gradient)


def check_published_adaptor(folder):
    """Rank 4 over the published widths: under 3 MB, under 1.5 % of the weights; merged is unmerged within 1e-5."""
    file = os.path.join(folder, "full_adaptor.safetensors")
    size, whole = os.path.getsize(file), os.path.getsize(os.path.join(folder, "full.safetensors"))
    out, _ = get_reference.load(os.path.join(folder, "full_adaptor.outputs.safetensors"))
    scale = out["unmerged"].abs().max()
    apart = ((out["merged"] - out["unmerged"]).abs().max() / scale).item()
    moved = ((out["base"] - out["unmerged"]).abs().max() / scale).item()
    print(f"published widths, rank 4: {size} bytes, {100 * size / whole:.2f} % of the base; merged {apart:.2g} from unmerged, which is {moved:.2g} from the base")
    assert size < 3e6 and size < 0.015 * whole and apart < 1e-5 and moved > 0.01


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
        networks = sorted(glob.glob(os.path.join(folder, "*.training.safetensors")))
        assert len(networks) == 5, networks
        for training in networks:
            check_training(training[: -len(".training.safetensors")])
        check_published_adaptor(folder)


if __name__ == "__main__":
    main()
