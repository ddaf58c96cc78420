"""Which parts a decoder block is put together from: projections, norm, MLP, fixed positions.

None of them draws random numbers when it is made; `GPT.reset` fills them.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from engine.kernels.fused_mlp import ACTIVATIONS, fused_mlp
from engine.models.gpt.settings import DecoderSettings


class Weight(nn.Module):
    """A matrix of one row for each token or position."""

    def __init__(self, n_rows: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_rows, width))


class Norm(nn.LayerNorm):
    """LayerNorm over the last dimension, in float32. Source: Ba et al. 2016."""


class Projection(nn.Module):
    """x W + b with W stored (in, out), as GPT-2's Conv1D stores it."""

    input_first = ("weight",)
    """Parameters whose rows and columns are turned round against those of `nn.Linear`."""

    def __init__(self, n_in: int, n_out: int, *, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_in, n_out))
        self.bias = nn.Parameter(torch.empty(n_out)) if bias else None

    def forward(self, x: Float[Tensor, "*rows i"], dtype: torch.dtype) -> Float[Tensor, "*rows o"]:
        """The product in `dtype`; gradients reach the weights in the weights' own type."""
        bias = None if self.bias is None else self.bias.to(dtype)
        return F.linear(x.to(dtype), self.weight.to(dtype).T, bias)


class MLP(nn.Module):
    """Two projections with a non-linearity between them."""

    def __init__(self, settings: DecoderSettings) -> None:
        super().__init__()
        self.kind = settings.activation
        self.activation = ACTIVATIONS[self.kind].of
        self.rectifies = self.kind == "relu"
        self.fused: str | None = None
        """The precision in which both products are one kernel; None: two calls of torch."""
        self.c_fc = Projection(settings.d_model, settings.d_mlp, bias=settings.mlp_bias)
        self.c_proj = Projection(settings.d_mlp, settings.d_model, bias=settings.mlp_bias)

    def forward(self, x: Float[Tensor, "B A C"], dtype: torch.dtype) -> Float[Tensor, "B A C"]:
        """What is added to the residual stream."""
        if self.fused is not None:
            return self._in_one_kernel(x, self.fused)
        return self.c_proj(self.activation(self.c_fc(x, dtype)), dtype)

    def _in_one_kernel(self, x: Float[Tensor, "B A C"], precision: str) -> Float[Tensor, "B A C"]:
        return fused_mlp(
            x,
            self.c_fc.weight,
            self.c_fc.bias,
            self.c_proj.weight,
            self.c_proj.bias,
            activation=self.kind,
            precision=precision,
        )


def sinusoids(T: int, like: Float[Tensor, "V C"]) -> Float[Tensor, "T C"]:
    """Sines on the even dimensions and cosines on the odd ones, on the device of `like`.

    Source: Vaswani et al. 2017, section 3.5.
    """
    C = like.shape[1]
    steps = torch.arange(T, device=like.device, dtype=like.dtype)[:, None]
    rates = torch.arange(0, C + C % 2, 2, device=like.device, dtype=like.dtype)
    angles = steps * torch.exp(rates * (-math.log(10_000.0) / C))
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :C]
