"""How weighted sums of a few rows of a table are taken for many examples at once.

out[r] = max(0, base[asked[r]] + Σₖ weights[r, k] · table[rows[r, k]])    (max where rectified)

Gathered with torch, the K rows of every example go through memory several times, forward and
backward; here each is read once, and what is summed stays in the nearest cache.

Shapes: ``R`` results, ``K`` rows summed for each, ``N`` rows of the table, ``Q`` bases,
``W`` width of a row.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from engine.kernels.compiled import compiled


def summed_rows(
    table: Float[Tensor, "N W"],
    base: Float[Tensor, "Q W"],
    weights: Float[Tensor, "R K"],
    rows: Int64[Tensor, "R K"],
    asked: Int64[Tensor, " R"],
    *,
    rectified: bool,
) -> Float[Tensor, "R W"]:
    """The sums, by compiled loops on the CPU; gradients reach table, base and weights.

    Sums over examples are taken in their order, by each of torch's threads over its own share.
    """
    return _SummedRows.apply(table, base, weights, rows, asked, rectified)


def summed_rows_by_torch(
    table: Float[Tensor, "N W"],
    base: Float[Tensor, "Q W"],
    weights: Float[Tensor, "R K"],
    rows: Int64[Tensor, "R K"],
    asked: Int64[Tensor, " R"],
    *,
    rectified: bool,
) -> Float[Tensor, "R W"]:
    """The same by one operation of torch: what `summed_rows` is held to."""
    sums = base[asked] + F.embedding_bag(rows, table, mode="sum", per_sample_weights=weights)
    return sums.relu() if rectified else sums


class _SummedRows(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        table: Tensor,
        base: Tensor,
        weights: Tensor,
        rows: Tensor,
        asked: Tensor,
        rectified: bool,
    ) -> Tensor:
        out = table.new_empty(len(rows), table.shape[1])
        arrays = [x.detach().contiguous() for x in (table, base, weights, rows, asked)]

        def part(share: slice) -> None:
            table, base, *of_results = (x.numpy() for x in arrays)
            _sum(table, base, *(x[share] for x in of_results), out.numpy()[share], rectified)

        _by_threads(part, len(rows))
        ctx.save_for_backward(*arrays, out)
        ctx.rectified = rectified
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        table, base, weights, rows, asked, out = (x.detach() for x in ctx.saved_tensors)
        to_weights = torch.empty_like(weights)
        gradient = gradient.detach().contiguous()

        def part(share: slice) -> tuple[Tensor, Tensor]:
            to_table, to_base = torch.zeros_like(table), torch.zeros_like(base)
            results = (x.numpy()[share] for x in (weights, rows, asked, out, gradient, to_weights))
            _spread(table.numpy(), *results, to_table.numpy(), to_base.numpy(), ctx.rectified)
            return to_table, to_base

        (to_table, to_base), *others = _by_threads(part, len(rows))
        for more_to_table, more_to_base in others:
            to_table += more_to_table
            to_base += more_to_base
        return to_table, to_base, to_weights, None, None, None


@cache
def _pool(n_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_threads, thread_name_prefix="loops")


def _by_threads(part: Any, n: int) -> list[Any]:
    """What `part` gives for as many shares of the results as torch has threads, in order."""
    n_threads = min(torch.get_num_threads(), n)
    if n_threads <= 1:
        return [part(slice(0, n))]
    ends = [n * i // n_threads for i in range(n_threads + 1)]
    shares = [slice(*ends[i : i + 2]) for i in range(n_threads)]
    return list(_pool(n_threads).map(part, shares))


@compiled
def _sum(
    table: np.ndarray,
    base: np.ndarray,
    weights: np.ndarray,
    rows: np.ndarray,
    asked: np.ndarray,
    out: np.ndarray,
    rectified: bool,
) -> None:
    """Four rows at a time, so that a sum is read and written a quarter as often."""
    R, K = rows.shape
    W, whole = table.shape[1], K // 4 * 4
    for r in range(R):
        into = out[r]
        start = base[asked[r]]
        for j in range(W):
            into[j] = start[j]
        for k in range(0, whole, 4):
            a, b = table[rows[r, k]], table[rows[r, k + 1]]
            c, d = table[rows[r, k + 2]], table[rows[r, k + 3]]
            u, v, x, y = weights[r, k], weights[r, k + 1], weights[r, k + 2], weights[r, k + 3]
            for j in range(W):
                into[j] += (u * a[j] + v * b[j]) + (x * c[j] + y * d[j])
        for k in range(whole, K):
            a, u = table[rows[r, k]], weights[r, k]
            for j in range(W):
                into[j] += u * a[j]
        if rectified:
            for j in range(W):
                # a NaN stays one: it compares with nothing
                into[j] = base[0, 0] * 0 if into[j] < 0 else into[j]


@compiled
def _spread(
    table: np.ndarray,
    weights: np.ndarray,
    rows: np.ndarray,
    asked: np.ndarray,
    out: np.ndarray,
    gradient: np.ndarray,
    to_weights: np.ndarray,
    to_table: np.ndarray,
    to_base: np.ndarray,
    rectified: bool,
) -> None:
    """The gradient of `_sum`, two rows at a time."""
    R, K = rows.shape
    W, even = table.shape[1], K // 2 * 2
    zero = table[0, 0] * 0
    g = np.empty(W, table.dtype)
    for r in range(R):
        of_result, given = out[r], gradient[r]
        if rectified:
            for j in range(W):
                g[j] = given[j] if of_result[j] > 0 else zero
        else:
            for j in range(W):
                g[j] = given[j]
        onto = to_base[asked[r]]
        for j in range(W):
            onto[j] += g[j]
        for k in range(0, even, 2):
            a, b = table[rows[r, k]], table[rows[r, k + 1]]
            to_a, to_b = to_table[rows[r, k]], to_table[rows[r, k + 1]]
            u, v = weights[r, k], weights[r, k + 1]
            along_a, along_b = zero, zero
            for j in range(W):
                along_a += g[j] * a[j]
                along_b += g[j] * b[j]
                to_a[j] += u * g[j]
                to_b[j] += v * g[j]
            to_weights[r, k] = along_a
            to_weights[r, k + 1] = along_b
        for k in range(even, K):
            a, to_a, u = table[rows[r, k]], to_table[rows[r, k]], weights[r, k]
            along_a = zero
            for j in range(W):
                along_a += g[j] * a[j]
                to_a[j] += u * g[j]
            to_weights[r, k] = along_a
