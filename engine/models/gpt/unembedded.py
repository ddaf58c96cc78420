"""How a hidden layer reaches the logits through two matrices that nothing stands between.

hidden W_out Uᵀ = hidden (W_out Uᵀ): one product an example instead of two, where the vocabulary is
small. In bfloat16 a product is rounded where it leaves the multiplier, which gradients bear and
logits do not; so there the forward pass goes through the residual stream, as everywhere else, and
the backward pass alone through the joined matrix.

Shapes: ``R`` results, ``C`` d_model, ``F`` d_mlp, ``V`` vocabulary.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


def add_unembedded(
    base: Float[Tensor, "R V"],
    within: Float[Tensor, "R F"],
    out: Float[Tensor, "F C"],
    unembedding: Float[Tensor, "V C"],
    dtype: torch.dtype,
) -> Float[Tensor, "R V"]:
    """The sum of base and within · out · unembeddingᵀ, the hidden layer's products in `dtype`."""
    if dtype == within.dtype:
        return torch.addmm(base, within, out @ unembedding.T)
    return base + _Unembedded.apply(within, out, unembedding, dtype)


class _Unembedded(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, within: Tensor, out: Tensor, unembedding: Tensor, dtype: torch.dtype
    ) -> Tensor:
        coarse = within.to(dtype)
        ctx.save_for_backward(coarse, out, unembedding)
        return (coarse @ out.to(dtype)).to(out.dtype) @ unembedding.T

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        coarse, out, unembedding = ctx.saved_tensors
        given = gradient.to(coarse.dtype)
        joined = (out @ unembedding.T).to(coarse.dtype)
        to_within = (given @ joined.T).to(out.dtype)
        to_joined = (coarse.T @ given).to(out.dtype)
        return to_within, to_joined @ unembedding, to_joined.T @ out, None
