"""How weighted sums of a few rows of a table are taken for many examples at once.

out[r] = base[asked[r]] + Σₖ weights[r, k] · table[rows[r, k]]

Gathered with torch, the K rows of every example go through memory several times, forward and
backward; here each is read once, and what is summed stays in the nearest cache.

Shapes: ``R`` results, ``K`` rows summed for each, ``N`` rows of the table, ``Q`` bases,
``W`` width of a row, ``L`` weights of each result.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from engine.kernels.compiled import compiled
from engine.kernels.threads import by_shares, one_by_one

PARTS = 2
"""Of the examples, each with a table of its own to add to."""


class Places(NamedTuple):
    """What is summed for each result."""

    weights: Float[Tensor, "R L"]
    """At least K; those past them stand for no row."""
    rows: Int64[Tensor, "R K"]
    asked: Int64[Tensor, " R"]


def summed_rows(
    table: Float[Tensor, "N W"], base: Float[Tensor, "Q W"], places: Places
) -> Float[Tensor, "R W"]:
    """The sums, by compiled loops on the CPU; gradients reach table, base and weights.

    Sums over examples are taken in their order and in `PARTS`, which threads share: the numbers do
    not depend on how many threads there are.
    """
    return _SummedRows.apply(table, base, *places)


def summed_rows_by_torch(
    table: Float[Tensor, "N W"], base: Float[Tensor, "Q W"], places: Places
) -> Float[Tensor, "R W"]:
    """The same by one operation of torch: what `summed_rows` is held to."""
    weights, rows, asked = places
    own = weights[:, : rows.shape[1]].contiguous()
    return base[asked] + F.embedding_bag(rows, table, mode="sum", per_sample_weights=own)


class _SummedRows(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, table: Tensor, base: Tensor, weights: Tensor, rows: Tensor, asked: Tensor
    ) -> Tensor:
        saved = [x.detach().contiguous() for x in (table, base, weights, rows, asked)]
        out = table.new_empty(len(rows), table.shape[1])
        arrays = [x.numpy() for x in (*saved, out)]
        by_shares(lambda share, _: _sum(*arrays, share.start, share.stop), len(rows))
        ctx.save_for_backward(*saved)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        table, base, weights, *places = ctx.saved_tensors
        to_weights, R = torch.zeros_like(weights), len(gradient)
        tables, bases = (x.new_zeros(PARTS, *x.shape) for x in (table, base))
        arrays = [x.numpy() for x in (table, weights, *places, gradient.contiguous(), to_weights)]
        ends = [R * i // PARTS for i in range(PARTS + 1)]

        def take(i: int, _: int) -> None:
            _spread(*arrays, tables[i].numpy(), bases[i].numpy(), *ends[i : i + 2])

        one_by_one(take, PARTS)
        to_table, to_base = (of_parts.sum(0) for of_parts in (tables, bases))
        return to_table, to_base, to_weights, None, None


@compiled
def _sum(
    table: np.ndarray,
    base: np.ndarray,
    weights: np.ndarray,
    rows: np.ndarray,
    asked: np.ndarray,
    out: np.ndarray,
    first: int,
    last: int,
) -> None:
    """Four rows at a time, so that a sum is read and written a quarter as often.

    Numbers of rows are unsigned, and elements named outright: a view of a row, or the question
    whether its number counts from the end, costs as much as the row's own arithmetic.
    """
    W, K = table.shape[1], rows.shape[1]
    whole = K // 4 * 4
    for r in range(first, last):
        q = np.uint64(asked[r])
        for j in range(W):
            out[r, j] = base[q, j]
        for k in range(0, whole, 4):
            a, b = np.uint64(rows[r, k]), np.uint64(rows[r, k + 1])
            c, d = np.uint64(rows[r, k + 2]), np.uint64(rows[r, k + 3])
            u, v, x, y = weights[r, k], weights[r, k + 1], weights[r, k + 2], weights[r, k + 3]
            for j in range(W):
                out[r, j] += (u * table[a, j] + v * table[b, j]) + (
                    x * table[c, j] + y * table[d, j]
                )
        for k in range(whole, K):
            a, u = np.uint64(rows[r, k]), weights[r, k]
            for j in range(W):
                out[r, j] += u * table[a, j]


@compiled
def _spread(
    table: np.ndarray,
    weights: np.ndarray,
    rows: np.ndarray,
    asked: np.ndarray,
    gradient: np.ndarray,
    to_weights: np.ndarray,
    to_table: np.ndarray,
    to_base: np.ndarray,
    first: int,
    last: int,
) -> None:
    """The gradient of `_sum`, two rows at a time."""
    W, K, zero = table.shape[1], rows.shape[1], table.dtype.type(0)
    even = K // 2 * 2
    for r in range(first, last):
        q = np.uint64(asked[r])
        for j in range(W):
            to_base[q, j] += gradient[r, j]
        for k in range(0, even, 2):
            a, b = np.uint64(rows[r, k]), np.uint64(rows[r, k + 1])
            u, v = weights[r, k], weights[r, k + 1]
            along_a, along_b = zero, zero
            for j in range(W):
                g = gradient[r, j]
                along_a += g * table[a, j]
                along_b += g * table[b, j]
                to_table[a, j] += u * g
                to_table[b, j] += v * g
            to_weights[r, k] = along_a
            to_weights[r, k + 1] = along_b
        for k in range(even, K):
            a, u = np.uint64(rows[r, k]), weights[r, k]
            along_a = zero
            for j in range(W):
                along_a += gradient[r, j] * table[a, j]
                to_table[a, j] += u * gradient[r, j]
            to_weights[r, k] = along_a
