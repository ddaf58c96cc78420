"""RWKV-7 written as its paper has it: one example, one position and one head after the other."""

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.models import RWKV7Settings

DECAY = 0.606531


def read_state(
    asked: Tensor, log_decay: Tensor, keys: Tensor, values: Tensor, removed: Tensor, new: Tensor
) -> Tensor:
    """What is read at each position of one head; all arguments are (T, D)."""
    state, found = asked.new_zeros(asked.shape[1], asked.shape[1]), []
    for t in range(len(asked)):
        unlearnt = torch.outer(new[t], removed[t] @ state)
        state = log_decay[t].exp()[:, None] * state + unlearnt + torch.outer(keys[t], values[t])
        found.append(asked[t] @ state)
    return torch.stack(found)


def logits(weights: dict[str, Tensor], row: Tensor, settings: RWKV7Settings) -> Tensor:
    """Logits at every position of one row (T,), in the weights' type."""

    def norm(name: str, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"])

    x, first = norm("blocks.0.ln0", weights["emb.weight"][row]), None
    for layer in range(settings.n_layers):
        block = f"blocks.{layer}"
        parts = {
            name.removeprefix(f"{block}."): value
            for name, value in weights.items()
            if name.startswith(f"{block}.")
        }
        mixed, first = time_mixing(parts, norm(f"{block}.ln1", x), first, settings.n_heads)
        x = x + mixed
        normed = norm(f"{block}.ln2", x)
        seen = normed + (_earlier(normed) - normed) * parts["ffn.x_k"].flatten()
        hidden = (seen @ parts["ffn.key.weight"].T).clamp(min=0) ** 2
        x = x + hidden @ parts["ffn.value.weight"].T
    return norm("ln_out", x) @ weights["head.weight"].T


def _earlier(x: Tensor) -> Tensor:
    return torch.cat([torch.zeros_like(x[:1]), x[:-1]])


def time_mixing(
    parts: dict[str, Tensor], x: Tensor, first: Tensor | None, n_heads: int
) -> tuple[Tensor, Tensor]:
    """What one block's time mixing makes of a normed row (T, C), and the first block's values."""
    part = {name: parts[f"att.{name}"] for name in ["w1", "w2", "a1", "a2", "g1", "g2", "r_k"]}
    flat = {name: parts[f"att.{name}"].flatten() for name in ["w0", "a0", "k_k", "k_a"]}
    seen = {
        name: x + (_earlier(x) - x) * parts[f"att.x_{name}"].flatten()
        for name in ["r", "w", "k", "v", "a", "g"]
    }
    r = seen["r"] @ parts["att.receptance.weight"].T
    k = seen["k"] @ parts["att.key.weight"].T
    v = seen["v"] @ parts["att.value.weight"].T
    if first is not None:
        low = seen["v"] @ parts["att.v1"] @ parts["att.v2"]
        v = v + (first - v) * torch.sigmoid(parts["att.v0"].flatten() + low)
    w = flat["w0"] + torch.tanh(seen["w"] @ part["w1"]) @ part["w2"]
    a = torch.sigmoid(flat["a0"] + seen["a"] @ part["a1"] @ part["a2"])
    g = torch.sigmoid(seen["g"] @ part["g1"]) @ part["g2"]
    learnt = k * (1 + (a - 1) * flat["k_a"])
    outs = []
    for head in range(n_heads):
        D = x.shape[1] // n_heads
        own = slice(head * D, (head + 1) * D)
        direction = F.normalize((k * flat["k_k"])[:, own], dim=-1)
        read = read_state(
            r[:, own],
            -DECAY * torch.sigmoid(w[:, own]),
            learnt[:, own],
            v[:, own],
            -direction,
            direction * a[:, own],
        )
        centred = read - read.mean(-1, keepdim=True)
        read = centred / (centred.square().mean(-1, keepdim=True) + 64e-5).sqrt()
        read = read * parts["att.ln_x.weight"][own] + parts["att.ln_x.bias"][own]
        weight = (r[:, own] * learnt[:, own] * part["r_k"][head]).sum(-1, keepdim=True)
        outs.append(read + weight * v[:, own])
    mixed = (torch.cat(outs, -1) * g) @ parts["att.output.weight"].T
    return mixed, v if first is None else first
