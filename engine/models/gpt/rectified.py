"""How a rectified hidden layer and its way to the logits are taken from a table's rows.

    (within | beside) = base + Σₖ weight_k · table_k
    logits = beside + max(0, within) · through

Nothing stands between W_out and Uᵀ, so that `through` is one matrix.

Shapes: ``R`` results, ``F`` d_mlp, ``V`` vocabulary, ``M`` rows of the table, ``Q`` bases;
``P`` panels of 64 numbers, those of the hidden layer first, each of the two filled up with zeros.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from engine.kernels.row_sums import Places, summed_rows_by_torch

WIDTH = 64
"""Numbers in a panel: `engine.kernels.panels`."""


def filled_up(n: int) -> int:
    """The numbers of the panels that `n` numbers need."""
    return n + -n % WIDTH


def in_panels(x: Float[Tensor, "*N W"]) -> Float[Tensor, "*N W_"]:
    """The last dimension filled up with zeros to whole panels."""
    return functional.pad(x, (0, filled_up(x.shape[-1]) - x.shape[-1]))


def to_panels(x: Float[Tensor, "H N W"]) -> Float[Tensor, "P M 64"]:
    """Panel by panel the rows, heads within them."""
    return x.unflatten(-1, (-1, WIDTH)).permute(2, 1, 0, 3).flatten(1, 2)


def rectified_logits(
    table: Float[Tensor, "P M 64"],
    base: Float[Tensor, "P Q 64"],
    places: Places,
    through: Float[Tensor, "F V"],
    dtype: torch.dtype,
) -> Float[Tensor, "R V"]:
    """The logits, by compiled loops on the CPU; the hidden layer's products are of `dtype`."""
    if torch.float64 in (table.dtype, dtype):
        return rectified_logits_by_torch(table, base, places, through, dtype)
    return _RectifiedLogits.apply(table, base, *places, through, dtype)


def rectified_logits_by_torch(
    table: Float[Tensor, "P M 64"],
    base: Float[Tensor, "P Q 64"],
    places: Places,
    through: Float[Tensor, "F V"],
    dtype: torch.dtype,
) -> Float[Tensor, "R V"]:
    """The same by operations of torch: what `rectified_logits` is held to."""
    rows, starts = (x.transpose(0, 1).flatten(1) for x in (table, base))
    summed = summed_rows_by_torch(rows, starts, places)
    F, V = through.shape
    beside = filled_up(F)
    hidden, factor = (x.to(dtype).to(x.dtype) for x in (summed[:, :F].relu(), through))
    return summed[:, beside : beside + V] + hidden @ factor


class _RectifiedLogits(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        table: Tensor,
        base: Tensor,
        weights: Tensor,
        rows: Tensor,
        asked: Tensor,
        through: Tensor,
        dtype: torch.dtype,
    ) -> Tensor:
        # Numba is imported where its loops are called
        from engine.kernels.rectified_layer import Layer, logits_of

        given = [x.detach().contiguous() for x in (table, base, weights, rows, asked, through)]
        layer = Layer(given[0], given[1], Places(*given[2:5]), given[5], dtype)
        logits, hidden = logits_of(layer, keeps=any(ctx.needs_input_grad))
        ctx.save_for_backward(*given, hidden)
        ctx.dtype = dtype
        return logits

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        from engine.kernels.rectified_layer import Layer, gradients_of

        table, base, weights, rows, asked, through, hidden = ctx.saved_tensors
        layer = Layer(table, base, Places(weights, rows, asked), through, ctx.dtype)
        to_table, to_base, to_weights, to_through = gradients_of(layer, hidden, gradient)
        return to_table, to_base, to_weights, None, None, to_through, None
