"""How positions read a memory that fades at a fixed rate.

Shapes: ``B`` examples, ``T`` tokens, ``A`` read positions, ``C`` d_model, ``H`` heads,
``K`` key width of a head.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from engine.models.mixers.layers import Linear, RMSNorm
from engine.models.mixers.mixer import Mixer, join_heads, split_heads
from engine.models.mixers.settings.retnet import RetNetSettings
from engine.models.positions import at_positions
from engine.models.recurrences.scalar_decay import scalar_decay
from engine.models.recurrences.times import at_times


class Retention(Mixer):
    """Multi-scale retention; head h keeps 1 - 2^(-5-h) of its memory at each step.

    Source: Sun et al. 2023, equations 5 to 8; parameters as in flash-linear-attention's
    MultiScaleRetention.
    """

    def __init__(self, settings: RetNetSettings, *, length: int) -> None:
        super().__init__()
        del length
        C, K, D = settings.d_model, settings.d_key, settings.d_value
        self.n_heads = settings.n_heads
        self.q_proj = Linear(C, K)
        self.k_proj = Linear(C, K)
        self.v_proj = Linear(C, D)
        self.g_proj = Linear(C, D)
        self.g_norm_swish_gate = RMSNorm(D // self.n_heads)
        self.o_proj = Linear(D, C)

    def forward(
        self, x: Float[Tensor, "B T C"], read: tuple[int, ...], dtype: torch.dtype
    ) -> Float[Tensor, "B A C"]:
        """What is added to the residual stream at the positions `read`."""
        now, T = at_positions(x, read), x.shape[1]
        q = split_heads(self.q_proj(now), self.n_heads)
        k = split_heads(self.k_proj(x), self.n_heads)
        v = split_heads(self.v_proj(x), self.n_heads)
        angles = rotations(T, k)
        q = rotated(q * q.shape[-1] ** -0.5, at_times(angles, read))
        mixed = scalar_decay(q, rotated(k, angles), v, retained(self.n_heads, k), read)
        gate = split_heads(self.g_proj(now, dtype), self.n_heads)
        return self.o_proj(join_heads(self.g_norm_swish_gate(mixed) * F.silu(gate)), dtype)


def retained(n_heads: int, k: Float[Tensor, "B H T K"]) -> Float[Tensor, "H T"]:
    """The logarithm of what each head keeps at each step."""
    heads = torch.arange(n_heads, device=k.device, dtype=k.dtype)
    return torch.log1p(-torch.exp2(-5 - heads)).unsqueeze(-1).expand(-1, k.shape[2])


def rotations(T: int, k: Float[Tensor, "B H T K"]) -> Float[Tensor, "T P"]:
    """How far each pair of channels is turned at each step, in radians.

    Source: Su et al. 2021, equation 15.
    """
    K = k.shape[-1]
    steps = torch.arange(T, device=k.device, dtype=k.dtype)
    pairs = torch.arange(0, K, 2, device=k.device, dtype=k.dtype)
    return steps.unsqueeze(-1) * 10_000.0 ** (-pairs / K)


def rotated(x: Float[Tensor, "B H T K"], angles: Float[Tensor, "T P"]) -> Float[Tensor, "B H T K"]:
    """The channels i and i + K/2 of x turned against each other."""
    first, second = x.chunk(2, -1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)
