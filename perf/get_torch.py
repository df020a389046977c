"""GET as a user writes it in PyTorch, with nn.Linear, nn.LayerNorm and F.scaled_dot_product_attention: what jacobian.py,
lentimpra.py and ddp.py hold ours against. (The published code multiplies queries and keys itself, which is no faster.)"""
import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim, 1e-6), nn.LayerNorm(dim, 1e-6)
        self.attn, self.mlp = nn.Module(), nn.Module()
        self.attn.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.attn.q_bias, self.attn.v_bias = nn.Parameter(torch.zeros(dim)), nn.Parameter(torch.zeros(dim))
        self.attn.proj = nn.Linear(dim, dim)
        self.mlp.fc1, self.mlp.fc2 = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, z):
        b, n, dim = z.shape
        bias = torch.cat([self.attn.q_bias, torch.zeros_like(self.attn.q_bias), self.attn.v_bias])
        q, k, v = F.linear(self.norm1(z), self.attn.qkv.weight, bias).view(b, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        z = z + self.attn.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, dim))
        return z + self.mlp.fc2(F.gelu(self.mlp.fc1(self.norm2(z))))


class Get(nn.Module):
    """x (B, R, features) -> (B, R, outputs). Its tensors have the names that weights files give them."""

    def __init__(self, features, dim, depth, heads, outputs):
        super().__init__()
        self.region_embed, self.encoder, self.head_exp = nn.Module(), nn.Module(), nn.Module()
        self.region_embed.embed = nn.Linear(features, dim)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.encoder.blocks = nn.ModuleList(Block(dim, heads) for _ in range(depth))
        self.encoder.norm, self.head_exp.head = nn.LayerNorm(dim, 1e-6), nn.Linear(dim, outputs)

    def forward(self, x):
        z = torch.cat([self.cls_token.expand(len(x), -1, -1), self.region_embed.embed(x)], 1)
        for block in self.encoder.blocks:
            z = block(z)
        return F.softplus(self.head_exp.head(self.encoder.norm(z)[:, 1:]))
