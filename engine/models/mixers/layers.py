"""Which parts mixers and MLPs are put together from; none draws numbers when it is made.

Shapes: ``B`` examples, ``T`` tokens, ``A`` read positions, ``C`` d_model, ``H`` heads,
``D`` width of a head's values.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from engine.models.mixers.settings.stack import StackSettings

EPS = 1e-6
"""Added to a mean or sum of squares before its root is divided by."""


class Linear(nn.Module):
    """x W^T + b with W stored (out, in), as `torch.nn.Linear` stores it."""

    def __init__(self, n_in: int, n_out: int, *, bias: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_out, n_in))
        self.bias = nn.Parameter(torch.empty(n_out)) if bias else None

    def forward(
        self, x: Float[Tensor, "*rows i"], dtype: torch.dtype | None = None
    ) -> Float[Tensor, "*rows o"]:
        """The product, taken in `dtype` where one is given, handed on in the weights' own type."""
        own = self.weight.dtype
        dtype = dtype or own
        bias = None if self.bias is None else self.bias.to(dtype)
        return F.linear(x.to(dtype), self.weight.to(dtype), bias).to(own)


class RMSNorm(nn.Module):
    """x over its root mean square, with a gain. Source: Zhang and Sennrich 2019."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width))

    def forward(self, x: Float[Tensor, "*rows W"]) -> Float[Tensor, "*rows W"]:
        """Rows of mean square 1, times the gain."""
        return x * (x.square().mean(-1, keepdim=True) + EPS).rsqrt() * self.weight


def norm(settings: StackSettings) -> nn.Module:
    """The norm that the settings ask for before each sublayer."""
    make = RMSNorm if settings.norm == "rms" else nn.LayerNorm
    return make(settings.d_model)


def unit(x: Float[Tensor, "*rows W"]) -> Float[Tensor, "*rows W"]:
    """Rows of length 1."""
    return x * (x.square().sum(-1, keepdim=True) + EPS).rsqrt()


class ShortConvolution(nn.Module):
    """Each channel mixed over its last steps, then SiLU.

    As shifted multiply-adds, which are faster on short rows than a grouped convolution.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, 1, width))

    def forward(self, x: Float[Tensor, "B T W"]) -> Float[Tensor, "B T W"]:
        """The last column of the weight is the present step's."""
        T, width = x.shape[1], self.weight.shape[-1]
        padded = F.pad(x, (0, 0, width - 1, 0))
        mixed = padded[:, :T] * self.weight[:, 0, 0]
        for back in range(1, width):
            mixed = mixed + padded[:, back : back + T] * self.weight[:, 0, back]
        return F.silu(mixed)


class MLP(nn.Module):
    """Two projections with a non-linearity, or a gate, between them."""

    def __init__(self, settings: StackSettings) -> None:
        super().__init__()
        C, hidden = settings.d_model, settings.d_mlp
        self.activation = settings.activation
        if self.activation == "swiglu":
            self.gate_proj = Linear(C, hidden)
        self.up_proj = Linear(C, hidden)
        self.down_proj = Linear(hidden, C)

    def forward(self, x: Float[Tensor, "B A C"], dtype: torch.dtype) -> Float[Tensor, "B A C"]:
        """What is added to the residual stream."""
        up = self.up_proj(x, dtype)
        if self.activation == "swiglu":
            return self.down_proj(F.silu(self.gate_proj(x, dtype)) * up, dtype)
        bent = F.relu(up) if self.activation == "relu" else F.gelu(up)
        return self.down_proj(bent, dtype)
