"""Which initial weights RWKV-7 has.

Source: Peng et al. 2025, appendix on initialisation, and the published training code.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from engine.models.recurrent.starts import orthogonal, uniform
from engine.models.rwkv7.settings import RWKV7Settings

_MIXTURES = {"x_r": 0.2, "x_w": 0.9, "x_k": 0.7, "x_v": 0.7, "x_a": 0.9, "x_g": 0.2}
_ZERO = ("output.weight", "ffn.value.weight", "att.w1", "att.a1", "att.v1", "att.g1", "bias")
_SPREADS = {"receptance.weight": 0.5, "att.key.weight": 0.05, "value.weight": 0.5}


def start(
    name: str, parameter: Tensor, settings: RWKV7Settings, generator: torch.Generator
) -> Tensor:
    """Initial values of one parameter, in its shape or flat."""
    kind, depth = name.rsplit(".", 1)[-1], int(name.split(".")[1]) if "blocks." in name else 0
    if name.endswith(_ZERO):
        return torch.zeros(parameter.shape)
    if ".ln" in name or name.startswith("ln_out"):
        return torch.ones(parameter.shape)
    if kind == "r_k":
        return torch.full(parameter.shape, -0.04)
    if parameter.dim() == 3:
        return _by_channel(name, kind, depth, settings)
    return settings.init_scale * _matrix(name, parameter, settings, generator)


def _matrix(
    name: str, parameter: Tensor, settings: RWKV7Settings, generator: torch.Generator
) -> Tensor:
    """Weights of a product."""
    rows, columns = parameter.shape
    if name.startswith("emb"):
        return uniform(parameter, 1e-4, generator)
    if name.startswith("head"):
        return orthogonal(parameter, 0.5 * max(rows / columns, 1.0) ** 0.5, generator)
    if name.endswith(("w2", "a2", "v2", "g2")):
        return orthogonal(parameter, 0.1 * max(rows / columns, 1.0) ** 0.5, generator)
    spread = next((each for end, each in _SPREADS.items() if name.endswith(end)), 0.5)
    return uniform(parameter, spread * settings.d_model**-0.5, generator)


def _by_channel(name: str, kind: str, depth: int, settings: RWKV7Settings) -> Float[Tensor, " C"]:
    """Decays, rates and mixtures that differ by channel and depth."""
    C, D, L = settings.d_model, settings.d_model // settings.n_heads, settings.n_layers
    deep, shallow = depth / max(L - 1, 1), 1.0 - depth / L
    channels = torch.arange(C) / (C - 1)
    centred = (torch.arange(C) % D - (D - 1) / 2) / max((D - 1) / 2, 0.5)
    zigzag, line = centred * centred.abs(), channels - 0.5
    if kind in _MIXTURES:
        power = shallow**4 if "ffn" in name else _MIXTURES[kind] * shallow
        return 1.0 - (torch.arange(C) / C) ** power
    return {
        "w0": -5.5 + 6 * channels ** (1 + deep**0.3) + 2.5 * zigzag,
        "a0": -0.19 + 0.3 * zigzag + 0.4 * line,
        "v0": 0.73 - 0.4 * line,
        "k_k": 0.71 - 0.1 * line,
        "k_a": torch.full((C,), 1.02),
    }[kind]
