"""Whether each mixer is the layer its paper describes, one head and one step after another."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.models import (
    DeltaNetSettings,
    GatedDeltaNetSettings,
    GLASettings,
    LinearAttentionSettings,
    RetNetSettings,
)
from engine.models.mixers.settings.attention import AttentionSettings
from tests.engine.models.agreement import gradients_agree, logits_agree
from tests.engine.models.mixers.made import mixer, residual
from tests.engine.models.recurrences.slowly import slowly

C, H = 16, 2
Weights = dict[str, Tensor]


def heads(x: Tensor) -> Tensor:
    """(B, T, H·D) → (B, H, T, D), head by head."""
    return torch.stack(x.chunk(H, -1), dim=1)


def joined(x: Tensor) -> Tensor:
    return torch.cat(list(x.unbind(1)), dim=-1)


def rms(x: Tensor, gain: Tensor) -> Tensor:
    return x / (x.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt() * gain


def silu(x: Tensor) -> Tensor:
    return x * x.sigmoid()


def unit(x: Tensor) -> Tensor:
    return x / (x.pow(2).sum(-1, keepdim=True) + 1e-6).sqrt()


def convolved(x: Tensor, weight: Tensor) -> Tensor:
    """Torch's own grouped convolution over the past, then SiLU."""
    width, T = weight.shape[-1], x.shape[1]
    mixed = F.conv1d(x.mT, weight, padding=width - 1, groups=weight.shape[0])
    return silu(mixed.mT[:, :T])


def turned(x: Tensor) -> Tensor:
    """Channels i and i + K/2 as one complex number, turned by t / 10,000^(2i/K) at step t."""
    half = x.shape[-1] // 2
    numbers = torch.complex(x[..., :half], x[..., half:])
    steps: list[Tensor] = []
    for t in range(x.shape[2]):
        angles = torch.tensor(
            [t * 10_000.0 ** (-i / half) for i in range(half)], dtype=torch.float64
        )
        steps.append(numbers[:, :, t] * torch.polar(torch.ones_like(angles), angles))
    whole = torch.stack(steps, dim=2)
    return torch.cat([whole.real, whole.imag], dim=-1)


def projected(w: Weights, x: Tensor, *names: str) -> list[Tensor]:
    return [x @ w[f"{name}_proj.weight"].T for name in names]


def attention(w: Weights, x: Tensor) -> Tensor:
    q, k, v = (heads(part) for part in projected(w, x, "q", "k", "v"))
    mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    return joined(mixed) @ w["o_proj.weight"].T


def linear_attention(w: Weights, x: Tensor) -> Tensor:
    q, k, v = (heads(part) for part in projected(w, x, "q", "k", "v"))
    q, k = F.elu(q) + 1, F.elu(k) + 1
    mixed = slowly(q, k, v) / slowly(q, k, torch.ones_like(v))
    return joined(mixed) @ w["o_proj.weight"].T


def normed_linear_attention(w: Weights, x: Tensor) -> Tensor:
    q, k, v = (heads(part) for part in projected(w, x, "q", "k", "v"))
    mixed = slowly(q.clamp(min=0) * q.shape[-1] ** -0.5, k.clamp(min=0), v)
    return joined(rms(mixed, w["norm.weight"])) @ w["o_proj.weight"].T


def retnet(w: Weights, x: Tensor) -> Tensor:
    q, k, v, g = (heads(part) for part in projected(w, x, "q", "k", "v", "g"))
    decay = torch.tensor([1 - 2.0**-5, 1 - 2.0**-6], dtype=torch.float64)
    decay = decay.view(1, H, 1, 1).expand(len(x), H, x.shape[1], 1)
    mixed = slowly(turned(q) * q.shape[-1] ** -0.5, turned(k), v, decay=decay)
    return joined(rms(mixed, w["g_norm_swish_gate.weight"]) * silu(g)) @ w["o_proj.weight"].T


def gla(w: Weights, x: Tensor) -> Tensor:
    q, k, v, g = (heads(part) for part in projected(w, x, "q", "k", "v", "g"))
    low = x @ w["gk_proj.0.weight"].T
    gates = (low @ w["gk_proj.1.weight"].T + w["gk_proj.1.bias"]).sigmoid() ** (1 / 4)
    mixed = slowly(q * q.shape[-1] ** -0.5, k, v, decay=heads(gates))
    return joined(rms(mixed, w["g_norm_swish_gate.weight"]) * silu(g)) @ w["o_proj.weight"].T


def deltanet(w: Weights, x: Tensor) -> Tensor:
    q, k, v = (
        heads(convolved(part, w[f"{name}_conv1d.weight"]))
        for name, part in zip("qkv", projected(w, x, "q", "k", "v"), strict=True)
    )
    beta = 2 * (x @ w["b_proj.weight"].T).sigmoid().mT
    mixed = slowly(unit(q) * q.shape[-1] ** -0.5, unit(k), v, beta=beta)
    return joined(rms(mixed, w["o_norm.weight"])) @ w["o_proj.weight"].T


def gated_deltanet(w: Weights, x: Tensor) -> Tensor:
    packed = heads(x @ w["in_proj_qkvz.weight"].T)
    q, k, v, z = packed.split([8, 8, 16, 16], -1)
    mixed = convolved(torch.cat([joined(q), joined(k), joined(v)], -1), w["conv1d.weight"])
    q, k, v = (heads(part) for part in mixed.split([16, 16, 32], -1))
    b, a = heads(x @ w["in_proj_ba.weight"].T).unbind(-1)
    rate = w["A_log"].exp().view(1, H, 1)
    decay = torch.exp(-rate * F.softplus(a + w["dt_bias"].view(1, H, 1))).unsqueeze(-1)
    mixed = slowly(unit(q) * 8**-0.5, unit(k), v, beta=2 * b.sigmoid(), decay=decay)
    return joined(rms(mixed, w["norm.weight"]) * silu(z)) @ w["out_proj.weight"].T


LAYERS: dict[str, tuple[Any, Callable[[Weights, Tensor], Tensor]]] = {
    "attention": (AttentionSettings(d_model=C, n_heads=H), attention),
    "linear attention": (LinearAttentionSettings(d_model=C, n_heads=H), linear_attention),
    "normed linear attention": (
        LinearAttentionSettings(d_model=C, n_heads=H, feature_map="relu", normaliser="rms"),
        normed_linear_attention,
    ),
    "retnet": (RetNetSettings(d_model=C, n_heads=H), retnet),
    "gla": (GLASettings(d_model=C, n_heads=H, gate_rank=3, gate_temperature=4.0), gla),
    "deltanet": (DeltaNetSettings(d_model=C, n_heads=H, negative_eigenvalues=True), deltanet),
    "gated deltanet": (
        GatedDeltaNetSettings(d_model=C, n_heads=H, expand_v=2.0, negative_eigenvalues=True),
        gated_deltanet,
    ),
}


@pytest.mark.parametrize(("settings", "twin"), LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("T", [1, 3, 11])
def test_a_mixer_equals_its_description(
    settings: Any, twin: Callable[[Weights, Tensor], Tensor], T: int
):
    layer, x = mixer(settings, length=T), residual(3, T, C)
    found = layer(x, tuple(range(T)), torch.float64)
    expected = twin(dict(layer.named_parameters()), x)
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8)
    logits_agree(settings.kind, found, expected)
    if T > 1:  # one step alone leaves decays and filters without a gradient
        gradients_agree(settings.kind, layer, found, expected)
    weights = torch.randn(found.shape, generator=torch.Generator().manual_seed(2)).double()
    parameters = dict(layer.named_parameters())
    ours = torch.autograd.grad((found * weights).sum(), list(parameters.values()))
    theirs = torch.autograd.grad(
        (expected * weights).sum(), list(parameters.values()), materialize_grads=True
    )
    for name, fast, slow in zip(parameters, ours, theirs, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-7, atol=1e-7, msg=name)
