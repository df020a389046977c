"""A toy genome with its atlas, elements and random models: inputs of tests that run the real jobs in seconds."""
import json
import sys
from pathlib import Path

import numpy as np
import torch

from mpira_test import mpira

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "launch"))
from own_data import random_sequence, write_fasta, write_motifs, write_tabix

WINDOW, FOCUS, SCAN_BP = 9, 4, 60


def make_inputs(folder):
    rng = np.random.default_rng(5)
    genome = [(f"chr{i}", random_sequence(rng, n)) for i, n in ((1, 9000), (2, 7000), (3, 600))]
    write_fasta(folder / "genome.fa", genome)
    regions, tss = [], []
    for name, sequence in genome:
        for start in range(30, len(sequence) - 180, 190):
            start += int(rng.integers(0, 60))
            regions.append((name, start, start + int(rng.integers(40, 110))))
            if rng.random() < 0.3:
                tss.append((name, start + 5, start + 6))
    bed = lambda rows: "".join("\t".join(map(str, row)) + "\n" for row in rows)
    (folder / "regions.bed").write_text(bed(regions))
    (folder / "open.bed").write_text(bed(r for r in regions if rng.random() < 0.6))
    (folder / "tss.bed").write_text(bed(tss))
    write_motifs(folder / "motifs.meme", rng, 10, (5, 10))
    (folder / "clusters.tsv").write_text("".join(f"m{m}\tf{m // 2 if m < 6 else m}\n" for m in range(10)))
    elements = [(f"element_{i}", random_sequence(rng, n)) for i, n in enumerate((80, 40, 61, 60, 33))]
    elements.append(("with_n", elements[0][1][:20] + "NRN" + elements[0][1][23:]))
    write_fasta(folder / "elements.fa", elements)
    write_fasta(folder / "vector.fa", [("vector", random_sequence(rng, 50) + "__Enhancer__" + random_sequence(rng, 70))])
    (folder / "features.toml").write_text(f"""
output = "{folder}/atlas.h5ad"
[genome]
fasta = "{folder}/genome.fa"
assembly = "toy"
[regions]
bed = "{folder}/regions.bed"
promoters = "{folder}/tss.bed"
[motifs]
file = "{folder}/motifs.meme"
clusters = "{folder}/clusters.tsv"
[scan]
length_bp = {SCAN_BP}
p_value = 2e-3
[accessibility]
beds = ["toy_cell={folder}/open.bed"]
""")
    mpira("features", "--config", folder / "features.toml", code=0)
    return dict(elements)


def write_weights(path, atlas, head, seed, held_out, accessibility="constant", scale_set="all_regions", card=None):
    """A random GET with a card that fits the atlas; `card` changes keys of it."""
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(seed)
    motifs = [str(name) for name in atlas.var_names]
    d, depth, hidden, outputs = 24, 3, 48, 2 if head == "expression" else 1
    normal = lambda *shape, scale=0.25: torch.randn(*shape, generator=generator) * scale
    tensors = {"region_embed.embed.weight": normal(d, len(motifs) + 1), "region_embed.embed.bias": normal(d),
               "cls_token": normal(1, 1, d)}
    for i in range(depth):
        b = f"encoder.blocks.{i}."
        for n in ("norm1", "norm2"):
            tensors[b + n + ".weight"], tensors[b + n + ".bias"] = 1 + normal(d), normal(d)
        tensors[b + "attn.qkv.weight"] = normal(3 * d, d)
        tensors[b + "attn.q_bias"], tensors[b + "attn.v_bias"] = normal(d), normal(d)
        tensors[b + "attn.proj.weight"], tensors[b + "attn.proj.bias"] = normal(d, d), normal(d)
        tensors[b + "mlp.fc1.weight"], tensors[b + "mlp.fc1.bias"] = normal(hidden, d), normal(hidden)
        tensors[b + "mlp.fc2.weight"], tensors[b + "mlp.fc2.bias"] = normal(d, hidden), normal(d)
    tensors["encoder.norm.weight"], tensors["encoder.norm.bias"] = 1 + normal(d), normal(d)
    tensors["head_exp.head.weight"], tensors["head_exp.head.bias"] = normal(outputs, d), normal(outputs)
    facts = {"format": 1, "architecture": {"network": "GET", "features": len(motifs) + 1, "dim": d, "depth": depth, "heads": 4,
                                           "mlp_ratio": 2.0, "outputs": outputs, "head": head, "drop_path": 0.0,
                                           "eps": 1e-6},
             "assembly": "toy", "motifs": motifs, "scan_hash": str(atlas.uns["scan"]["hash"]), "window": WINDOW,
             "focus": FOCUS, "accessibility": accessibility, "cell_type": "toy_cell", "scale_set": scale_set,
             "scales": scales_of(atlas, scale_set).astype(float).tolist(), "held_out": held_out, "window_regions": "all",
             "parents": [], "output_names": [], "training": {}, "content_hash": ""}
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path,
              metadata={"mpira": json.dumps(facts | (card or {})), "format": "pt"})


def scales_of(atlas, scale_set="all_regions"):
    return np.asarray(atlas.varm["scale"])[:, list(atlas.uns["scale_sets"]).index(scale_set)]


def screen_toml(folder, output, extra="", weights=None):
    """Settings of a screen of the toy elements; `extra` is appended."""
    return f"""
output = "{output}"
seed = 11
[atlas]
file = "{folder}/atlas.h5ad"
[elements]
fasta = "{folder}/elements.fa"
vector = "{folder}/vector.fa"
[model]
weights = "{weights or folder / "expression.safetensors"}"
micro_batch = 8
{extra}"""
