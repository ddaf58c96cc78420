"""How a rectified hidden layer and its way to the logits are taken, some examples at a time.

    (within | beside | 0) = base + Σₖ weight_k · table_k
    logits = beside + max(0, within) · out · Uᵀ

Of all examples the hidden layer is larger than the caches; taken in blocks, it is multiplied
while it is still near, and its gradient never leaves them. Nothing stands between out and Uᵀ, so
that they are joined to one matrix. In bfloat16 a product is rounded where it leaves the
multiplier, which gradients bear and logits do not; so there the forward pass goes through the
residual stream, as everywhere else, and the backward pass alone through the joined matrix.

Shapes: ``R`` results, ``C`` d_model, ``F`` d_mlp, ``V`` vocabulary, ``N`` rows of the table,
``Q`` bases, ``W`` at least F + V: rows of whole vectors are summed faster.
"""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from engine.kernels.row_sums import Places, RowSums

ROOM = 3 * 2**16
"""Numbers that one block sums, for each of torch's threads: in float32 three quarters of a
megabyte, which leaves a core's own cache some room for what they are multiplied with."""


def rectified_logits(
    table: Float[Tensor, "N W"],
    base: Float[Tensor, "Q W"],
    places: Places,
    out: Float[Tensor, "F C"],
    unembedding: Float[Tensor, "V C"],
    dtype: torch.dtype,
) -> Float[Tensor, "R V"]:
    """The logits, the hidden layer's products in `dtype`; on the CPU."""
    if not torch.is_grad_enabled():
        # autograd tells a function that a parameter needs a gradient even where none is taken
        out, unembedding = out.detach(), unembedding.detach()
    return _RectifiedLogits.apply(table, base, *places, out, unembedding, dtype)


class _RectifiedLogits(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        table: Tensor,
        base: Tensor,
        weights: Tensor,
        rows: Tensor,
        asked: Tensor,
        out: Tensor,
        unembedding: Tensor,
        dtype: torch.dtype,
    ) -> Tensor:
        table, base, *places = (
            x.detach().contiguous() for x in (table, base, weights, rows, asked)
        )
        R, F, V = len(rows), len(out), len(unembedding)
        is_kept, is_exact = any(ctx.needs_input_grad), dtype == table.dtype
        kept = table.new_empty(R if is_kept else min(R, _size(table)), F, dtype=dtype)
        logits = table.new_empty(R, V)
        through = out @ unembedding.T if is_exact else out.to(dtype)
        sums = RowSums(table, base, Places(*places))
        for block in _blocks(table, R):
            hidden = kept[block] if is_kept else kept[: block.stop - block.start]
            sums.write(hidden, logits[block], block.start)
            if is_exact:
                logits[block].addmm_(hidden, through)
            else:
                stream = (hidden @ through).to(table.dtype)
                logits[block].addmm_(stream, unembedding.T)
        if is_kept:
            ctx.save_for_backward(table, base, *places, out, unembedding, kept)
        return logits

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        table, base, *places, out, unembedding, kept = ctx.saved_tensors
        given = gradient.to(kept.dtype)
        joined = unembedding @ out.T
        back = joined.to(kept.dtype)
        spread = RowSums(table, base, Places(*places)).spread()
        for block in _blocks(table, len(kept)):
            spread.add(given[block] @ back, kept[block], gradient[block], block.start)
        to_joined = (given.T @ kept).to(out.dtype)
        to_out, to_unembedding = to_joined.T @ unembedding, to_joined @ out
        return *spread.gathered(), None, None, to_out, to_unembedding, None


def _blocks(table: Float[Tensor, "N W"], n: int) -> Iterator[slice]:
    """Shares of `n` results."""
    size = _size(table)
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def _size(table: Float[Tensor, "N W"]) -> int:
    return max(ROOM // table.shape[1], 1) * torch.get_num_threads()
