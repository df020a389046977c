"""GET written down a second time, in double precision: the reference of the model's parity tests.

A function of (state dict, input), after the description of the region-level network in Fu et al. (Nature 2025) and
the key names of the published checkpoints. Nothing here is shared with src/model.
"""
import json

import torch


def norm(z, weight, bias, eps):
    centred = z - z.mean(-1, keepdim=True)
    return centred / torch.sqrt((centred**2).mean(-1, keepdim=True) + eps) * weight + bias


def gelu(z):
    return 0.5 * z * (1 + torch.erf(z / 2**0.5))


def softplus(z):
    return torch.where(z > 20, z, torch.log1p(torch.exp(torch.clamp(z, max=20))))


def block(w, name, z, heads, eps, factors=(1, 1)):
    """z (B, N, D) -> (B, N, D): pre-norm attention and MLP, each with its residual; factors: of drop path, each (B, 1, 1)."""
    b, n, d = z.shape
    h = norm(z, w[name + "norm1.weight"], w[name + "norm1.bias"], eps)
    wq, wk, wv = w[name + "attn.qkv.weight"].reshape(3, d, d)
    q = (h @ wq.T + w[name + "attn.q_bias"]) * (d // heads) ** -0.5
    k = h @ wk.T  # no bias
    v = h @ wv.T + w[name + "attn.v_bias"]
    q, k, v = (t.reshape(b, n, heads, d // heads) for t in (q, k, v))
    weights = torch.softmax(torch.einsum("bihd,bjhd->bhij", q, k), -1)
    mixed = torch.einsum("bhij,bjhd->bihd", weights, v).reshape(b, n, d)
    z = z + factors[0] * (mixed @ w[name + "attn.proj.weight"].T + w[name + "attn.proj.bias"])
    h = norm(z, w[name + "norm2.weight"], w[name + "norm2.bias"], eps)
    h = gelu(h @ w[name + "mlp.fc1.weight"].T + w[name + "mlp.fc1.bias"])
    return z + factors[1] * (h @ w[name + "mlp.fc2.weight"].T + w[name + "mlp.fc2.bias"])


def tokens(w, a, x, mask=None, factors=None):
    """Name of each layer -> its region tokens (B, R, dim), in order; the head reads the last. As forward."""
    if a["head"] == "accessibility":
        x = torch.cat([x[..., :-1], torch.ones_like(x[..., -1:])], -1)
    z = x @ w["region_embed.embed.weight"].T + w["region_embed.embed.bias"]
    if mask is not None:
        z = torch.where(mask[..., None], w["mask_token"], z)
    z = torch.cat([w["cls_token"].expand(len(x), 1, -1), z], 1)
    found = {"region_embed": z[:, 1:]}
    for i in range(a["depth"]):
        drop = (1, 1) if factors is None else factors[:, 2 * i : 2 * i + 2].T[:, :, None, None]
        z = block(w, f"encoder.blocks.{i}.", z, a["heads"], a["eps"], drop)
        found[f"encoder.blocks.{i}"] = z[:, 1:]
    found["encoder.norm"] = norm(z, w["encoder.norm.weight"], w["encoder.norm.bias"], a["eps"])[:, 1:]
    return found


def forward(w, a, x, mask=None, factors=None):
    """w: state dict, a: the card's architecture, x (B, R, F) -> (B, R, outputs). factors (B, 2 depth): of drop path."""
    z = tokens(w, a, x, mask, factors)["encoder.norm"]
    if a["head"] == "masked":
        return z @ w["head_mask.weight"].T + w["head_mask.bias"]
    return softplus(z @ w["head_exp.head.weight"].T + w["head_exp.head.bias"])


def with_adaptors(base, adaptor, lora):
    """The state dict W + (alpha / rank) B A, with the adaptor file's head; differentiable in the adaptor."""
    w = {**base, **{name: tensor for name, tensor in adaptor.items() if ".lora_" not in name}}
    for name, b in adaptor.items():
        if name.endswith(".lora_B"):
            layer = name[: -len(".lora_B")]
            w[layer + ".weight"] = w[layer + ".weight"] + lora["alpha"] / lora["rank"] * b @ adaptor[layer + ".lora_A"]
    return w


def baseline_forward(w, a, x):
    """CNN or MLP by PyTorch's own layers; x (B, R, F) -> (B, R, outputs)."""
    z = x.transpose(1, 2)
    for i in range(len(a["channels"])):
        z = torch.relu(torch.nn.functional.conv1d(z, w[f"conv.{i}.weight"], w[f"conv.{i}.bias"], padding="same"))
    z = z.transpose(1, 2)
    for i in range(len(a["hidden"])):
        z = torch.relu(torch.nn.functional.linear(z, w[f"linear.{i}.weight"], w[f"linear.{i}.bias"]))
    last = len(a["hidden"])
    return torch.nn.functional.softplus(torch.nn.functional.linear(z, w[f"linear.{last}.weight"], w[f"linear.{last}.bias"]))


def poisson_loss(p, y):
    return (p - y * torch.log(p + 1e-8)).mean()


def masked_loss(p, x, mask):
    return ((p - x)[mask] ** 2).mean()


def load(path):
    """(state dict in double, model card) of a weights file, read by the safetensors package."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        weights = {name: file.get_tensor(name).double() for name in file.keys()}
        return weights, json.loads((file.metadata() or {}).get("mpira", "null"))
