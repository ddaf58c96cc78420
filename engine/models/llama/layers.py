"""Which parts a LLaMA block is put together from: linear maps, RMSNorm, gated MLP, rotations.

None of them draws random numbers when it is made; the network's `reset` fills them.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from engine.models.positions import at_positions


class Linear(nn.Module):
    """W x without bias, W stored (out, in)."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_out, n_in))

    def forward(self, x: Float[Tensor, "*rows i"], dtype: torch.dtype) -> Float[Tensor, "*rows o"]:
        """The product in `dtype`; gradients reach the weights in the weights' own type."""
        return F.linear(x.to(dtype), self.weight.to(dtype))


class RMSNorm(nn.Module):
    """x over its root mean square, times a gain. Source: Zhang and Sennrich 2019."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width))

    def forward(self, x: Float[Tensor, "*rows C"]) -> Float[Tensor, "*rows C"]:
        """The normed rows, in the type of x."""
        return self.weight * (x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6))


class GatedMLP(nn.Module):
    """SwiGLU: down(silu(gate x) · up x). Source: Shazeer 2020."""

    def __init__(self, d_model: int, d_mlp: int) -> None:
        super().__init__()
        self.gate_proj = Linear(d_model, d_mlp)
        self.up_proj = Linear(d_model, d_mlp)
        self.down_proj = Linear(d_mlp, d_model)

    def forward(self, x: Float[Tensor, "*rows C"], dtype: torch.dtype) -> Float[Tensor, "*rows C"]:
        """What is added to the residual stream."""
        gated = F.silu(self.gate_proj(x, dtype)) * self.up_proj(x, dtype)
        return self.down_proj(gated, dtype)


def rotated(
    x: Float[Tensor, "B H A D"], read: tuple[int, ...], base: float
) -> Float[Tensor, "B H A D"]:
    """Queries or keys that stand at the positions `read`, turned by their positions.

    Dimension i turns together with dimension i + D/2. Source: Su et al. 2021.
    """
    D = x.shape[-1]
    rates = base ** (torch.arange(0, D, 2, device=x.device, dtype=x.dtype) / -D)
    steps = torch.arange(max(read) + 1, device=x.device, dtype=x.dtype)
    angles = at_positions((steps[:, None] * rates).unsqueeze(0), read).squeeze(0)
    near, far = x.chunk(2, -1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([near * cos - far * sin, far * cos + near * sin], dim=-1)
