"""convert_test.py DUMP_PROGRAM: launch/convert on checkpoints with the published key names of both releases, made here as
PyTorch makes them (Lightning's wrapping included), to our weights and back, byte for byte; and through mpira."""
import importlib.machinery
import importlib.util
import io
import json
import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import torch.nn.utils.parametrize

import get_reference

ROOT = Path(__file__).resolve().parents[2]
MPIRA = os.environ["MPIRA"]
DIM, DEPTH, HEADS, FEATURES = 12, 2, 3, 7

# The names as the checkpoints have them; written out here, not taken from the converter.
BLOCK = ["norm1.weight", "norm1.bias", "attn.q_bias", "attn.v_bias", "attn.qkv.weight", "attn.proj.weight", "attn.proj.bias",
         "norm2.weight", "norm2.bias", "mlp.fc1.weight", "mlp.fc1.bias", "mlp.fc2.weight", "mlp.fc2.bias"]
NAMES = {
    "first": {"region_embed.embed": "region_embed.proj", "cls_token": "cls_token", "encoder.blocks": "blocks",
              "encoder.norm": "fc_norm", "head_exp.head": "head"},
    "first_encoder": {"region_embed.embed": "region_embed.proj", "cls_token": "encoder.cls_token", "encoder.blocks": "blocks",
                      "encoder.norm": "fc_norm", "head_exp.head": "head"},
    "present": {"region_embed.embed": "region_embed.embed", "cls_token": "cls_token", "encoder.blocks": "encoder.blocks",
                "encoder.norm": "encoder.norm", "head_exp.head": "head_exp.head"},
    "pretrained": {"region_embed.embed": "region_embed.embed", "cls_token": "cls_token", "encoder.blocks": "encoder.blocks",
                   "encoder.norm": "encoder.norm", "mask_token": "mask_token", "head_mask": "head_mask"},
    "pretrained_first": {"region_embed.embed": "region_embed.proj", "cls_token": "encoder.cls_token",
                         "encoder.blocks": "encoder.blocks", "encoder.norm": "encoder.norm",
                         "mask_token": "encoder.mask_token", "head_mask": "encoder.head"},
}


def values(masked, seed):
    """State dict by the present names."""
    shapes = {"region_embed.embed.weight": (DIM, FEATURES), "region_embed.embed.bias": (DIM,), "cls_token": (1, 1, DIM)}
    hidden = 4 * DIM
    sizes = {"attn.qkv.weight": (3 * DIM, DIM), "attn.proj.weight": (DIM, DIM), "mlp.fc1.weight": (hidden, DIM),
             "mlp.fc1.bias": (hidden,), "mlp.fc2.weight": (DIM, hidden)}
    for i in range(DEPTH):
        shapes |= {f"encoder.blocks.{i}.{name}": sizes.get(name, (DIM,)) for name in BLOCK}
    shapes |= {"encoder.norm.weight": (DIM,), "encoder.norm.bias": (DIM,)}
    if masked:
        shapes |= {"mask_token": (1, 1, DIM), "head_mask.weight": (FEATURES, DIM), "head_mask.bias": (FEATURES,)}
    else:
        shapes |= {"head_exp.head.weight": (2, DIM), "head_exp.head.bias": (2,)}
    random = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=random) * 0.3 for name, shape in shapes.items()}


def renamed(state, release):
    out = {}
    for name, tensor in state.items():
        prefix = max((p for p in NAMES[release] if name == p or name.startswith(p + ".")), key=len)
        out[NAMES[release][prefix] + name[len(prefix):]] = tensor
    return out


def converter():
    """launch/convert as a module: one import of torch for all its calls."""
    loader = importlib.machinery.SourceFileLoader("convert", str(ROOT / "launch" / "convert"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("convert", loader))
    loader.exec_module(module)

    def call(*words, code=0):
        errors, former = io.StringIO(), sys.argv
        sys.argv = ["convert", *map(str, words)]
        found = 0
        try:
            with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
                module.main()
        except SystemExit as end:
            found = end.code
        finally:
            sys.argv = former
        assert found == code, f"{words}: exit {found}\n{errors.getvalue()}"
        return errors.getvalue()

    return call


def mpira(*words, code=0):
    run = subprocess.run([MPIRA, *map(str, words)], capture_output=True, text=True)
    assert run.returncode == code, run.stdout + run.stderr
    return run.stdout + run.stderr


def equal(state, other):
    return state.keys() == other.keys() and all(torch.equal(state[k], other[k]) for k in state)


class LowRank(torch.nn.Module):
    """What minLoRA registers on a weight: its parameters and its buffer by their names."""

    def __init__(self, outputs, inputs, rank, alpha):
        super().__init__()
        self.lora_A = torch.nn.Parameter(torch.randn(rank, inputs) * 0.3)
        self.lora_B = torch.nn.Parameter(torch.randn(outputs, rank) * 0.3)
        self.register_buffer("lora_dropout_mask", torch.ones(1, inputs))
        self.scale = alpha / rank

    def forward(self, weight):
        return weight + self.scale * (self.lora_B @ self.lora_A)


def wrapped(state, within, rank, alpha):
    """PyTorch's own state dict of a network with these tensors, LowRank on linear layers whose names hold one of `within`;
    and {name: the weight that its forward uses}."""
    torch.manual_seed(3)
    root = torch.nn.Module()
    for name, tensor in state.items():
        *folders, last = name.split(".")
        module = root
        for part in folders:
            if not hasattr(module, part):
                module.add_module(part, torch.nn.Module())
            module = getattr(module, part)
        module.register_parameter(last, torch.nn.Parameter(tensor.clone()))
        if last == "weight" and tensor.dim() == 2 and any(part in name for part in within):
            torch.nn.utils.parametrize.register_parametrization(module, "weight", LowRank(*tensor.shape, rank, alpha))
    used = {name: root.get_submodule(name.rpartition(".")[0]).weight.detach() for name in state if name.endswith(".weight")}
    return root.state_dict(), used


def lora_checkpoints(convert, folder, options):
    """A LoRA run's checkpoint: its network is that of the base and the adaptor together; back to the same names."""
    for release, within, alpha, layers in (("present", ["region_embed", "encoder"], 1.0, "embed, qkv, proj, fc1, fc2"),
                                           ("first", ["region_embed", "blocks", "head"], 6.0, "embed, qkv, proj, fc1, fc2, head")):
        plain = renamed(values(False, 7), release)
        state, used = wrapped(plain, within, 3, alpha)
        prefix = "blocks.0" if release == "first" else "encoder.blocks.0"
        assert f"{prefix}.attn.qkv.parametrizations.weight.0.lora_A" in state and f"{prefix}.attn.qkv.weight" not in state
        checkpoint, base, adaptor, merged, back = (folder / f"lora_{release}.{end}" for end in (
            "ckpt", "safetensors", "adaptor.safetensors", "merged.safetensors", "back.ckpt"))
        torch.save({"state_dict": {"model." + k: v for k, v in state.items()}}, checkpoint)
        assert "--adaptor" in convert("get", checkpoint, "--output", base, *options, code=2) and not base.exists()
        convert("get", checkpoint, "--output", base, "--adaptor", adaptor, "--lora-alpha", alpha, *options)
        assert "LoRA adaptor" in mpira("weights", adaptor)
        facts = json.loads(mpira("weights", adaptor, "--json"))["adaptor"]
        assert facts["rank"] == 3 and facts["alpha"] == alpha and ", ".join(facts["layers"]) == layers, facts
        assert facts["base"] == json.loads(mpira("weights", base, "--json"))["content_hash"]
        under, _ = get_reference.load(base)
        assert equal(renamed(under, release), {k: v.double() for k, v in plain.items()}), "the network under the adaptor"

        merged.write_text("mine")
        mpira("merge", base, adaptor, "--output", merged, "--overwrite")
        assert merged.with_name(merged.name + ".old").read_text() == "mine"
        together = renamed(get_reference.load(merged)[0], release)
        worst = max((together[name] - weight.double()).abs().max().item() for name, weight in used.items())
        print(f"LoRA run, {release} names: merged weights {worst:.2g} from PyTorch's parametrised ones")
        assert worst < 1e-6
        assert all((used[name] - plain[name]).abs().max() > 0.01 for name in used if any(w in name for w in within) and
                   plain[name].dim() == 2)

        convert("back", base, "--adaptor", adaptor, "--output", back, "--names", release)
        there = torch.load(back, weights_only=True)["state_dict"]
        kept = {"model." + k: v for k, v in state.items() if not k.endswith("lora_dropout_mask")}
        assert equal(there, kept), release
        assert "content hash" in convert("back", folder / "present.safetensors", "--adaptor", adaptor, "--output", back, code=2)

        def refused(change):
            other = dict(state)
            change(other)
            torch.save(other, folder / "bad.ckpt")
            return convert("get", folder / "bad.ckpt", "--output", folder / "bad.safetensors", "--adaptor",
                           folder / "bad.adaptor.safetensors", *options, code=2)

        one = f"{prefix}.mlp.fc1.parametrizations.weight.0."
        assert "no 'lora_B' of layer" in refused(lambda s: s.pop(one + "lora_B"))
        assert "has one rank" in refused(lambda s: s.update({one + "lora_A": torch.ones(2, DIM), one + "lora_B": torch.ones(4 * DIM, 2)}))
        assert "several adaptors" in refused(lambda s: s.update({one[:-2] + "1.lora_A": torch.ones(3, DIM)}))
        assert "shape (5, 3)" in refused(lambda s: s.update({one + "lora_B": torch.ones(5, 3)}))
        assert not (folder / "bad.safetensors").exists() and not (folder / "bad.adaptor.safetensors").exists()
    assert "has no LoRA factors" in convert("get", folder / "present.ckpt", "--output", base, "--adaptor", adaptor, *options, code=2)


def main():
    convert, program = converter(), sys.argv[1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        motifs = folder / "motifs.txt"
        motifs.write_text("".join(f"M{i}\n" for i in range(FEATURES - 1)))
        options = ["--motifs", motifs, "--assembly", "hg38", "--heads", HEADS, "--window", 9, "--focus", 4]
        hashes = {}
        for release in NAMES:
            masked = release.startswith("pretrained")
            state = values(masked, 5)
            checkpoint, ours, back = (folder / f"{release}.{end}" for end in ("ckpt", "safetensors", "back.ckpt"))
            wrapped = {"epoch": 3, "state_dict": {"model." + k: v for k, v in renamed(state, release).items()}}
            torch.save({"model": renamed(state, release)} if release == "first" else wrapped, checkpoint)
            convert("get", checkpoint, "--output", ours, *options)

            # A Python without torch finds that of launch/setup --tests, or says where there is one.
            bare = ["/usr/bin/python3", "-S", str(ROOT / "launch" / "convert"), "back", str(ours), "--output", str(back)]
            plain = {"PATH": "/usr/bin:/bin"}
            if release == "first" and Path(bare[0]).exists():
                again = subprocess.run(bare, env=plain, capture_output=True, text=True)
                assert again.returncode == 0 and back.exists(), again
                none = subprocess.run(bare, env=plain | {"MPIRA_CONVERT_AGAIN": "1"}, capture_output=True, text=True)
                assert none.returncode == 2 and "launch/setup --tests" in none.stderr, none

            # Same bytes under the published names, and again as weights.
            published = "first" if "first" in release else "present"
            convert("back", ours, "--output", back, "--names", published)
            there = torch.load(back, weights_only=True)["state_dict"]
            wanted = renamed(state, "first" if release == "first_encoder" else release)
            assert equal(there, {"model." + k: v for k, v in wanted.items()}), release
            again = folder / "again.safetensors"
            (folder / "again").mkdir(exist_ok=True)
            same_name = folder / "again" / checkpoint.name
            back.rename(same_name)
            convert("get", same_name, "--output", again, *options)
            assert again.read_bytes() == ours.read_bytes(), release

            # mpira reads it: the card, and the numbers.
            card = json.loads(mpira("weights", ours, "--json"))
            assert card["assembly"] == "hg38" and card["motifs"] == motifs.read_text().split() and card["focus"] == 4
            hashes[release] = card["content_hash"]
            text = mpira("weights", ours)
            assert "GET" in text and "hg38" in text and card["content_hash"] in text, text
            if release == "first":
                assert get_reference.load(ours)[1]["architecture"]["heads"] == HEADS
                io_file = folder / "io.safetensors"
                subprocess.run([program, ours, io_file, "forward"], check=True)
                result, _ = get_reference.load(io_file)
                expected = get_reference.forward({k: v.double() for k, v in state.items()}, card["architecture"], result["x"])
                worst = (result["out"] - expected).abs().max().item()
                print(f"converted weights: output {worst:.2g} from the reference")
                assert worst < 1e-5
        assert hashes["first"] == hashes["first_encoder"] == hashes["present"] != hashes["pretrained"] == hashes["pretrained_first"]

        # Wrong inputs are named.
        def refused(change, *words, release="present", more=options):
            state = renamed(values(release.startswith("pretrained"), 5), release)
            change(state)
            torch.save({"state_dict": state}, folder / "bad.ckpt")
            return convert("get", folder / "bad.ckpt", "--output", folder / "bad.safetensors", *more, *words, code=2)

        assert "blocks.1.attn.q_bias" in refused(lambda s: s.pop("encoder.blocks.1.attn.q_bias"))
        assert "'extra.weight' has no place" in refused(lambda s: s.update({"extra.weight": torch.ones(2)}))
        assert "not finite" in refused(lambda s: s["cls_token"].fill_(float("nan")))
        assert "not exactly representable" in refused(lambda s: s.update({"cls_token": s["cls_token"].double() + 1e-12}))
        assert "shape (1, 12)" in refused(lambda s: s.update({"cls_token": s["cls_token"][0]}))
        assert "does not divide" in refused(lambda s: None, "--heads", "5")
        assert "--task masked" in refused(lambda s: None, "--task", "masked")
        (folder / "few.txt").write_text("M0\n")
        assert "few.txt: 1 names" in refused(lambda s: None, "--motifs", folder / "few.txt")
        (folder / "code.ckpt").write_bytes(b"cos\nsystem\n(S'touch " + str(folder / "ran").encode() + b"'\ntR.")
        assert "without running code" in convert("get", folder / "code.ckpt", "--output", folder / "x", *options, code=2)
        assert not (folder / "ran").exists() and not (folder / "bad.safetensors").exists()

        lora_checkpoints(convert, folder, options)

        # merge: refusals by name (the merging itself is tested in tests/model).
        one, two = folder / "present.safetensors", folder / "pretrained.safetensors"
        assert "holds a GET; a LoRA adaptor is needed" in mpira("merge", one, two, "--output", folder / "m.safetensors", code=2)
        (folder / "mine.safetensors").write_text("mine")
        assert "exists; --overwrite" in mpira("merge", one, two, "--output", folder / "mine.safetensors", code=2)
        assert "which is read here" in mpira("merge", one, two, "--output", one, "--overwrite", code=2)
        assert "ends in .safetensors" in mpira("merge", one, two, "--output", folder / "m.pt", code=2)
        (folder / "d.safetensors").mkdir()
        assert "is a folder" in mpira("merge", one, two, "--output", folder / "d.safetensors", "--overwrite", code=2)
    print("5 checkpoints and 2 of LoRA runs there and back")


if __name__ == "__main__":
    main()
