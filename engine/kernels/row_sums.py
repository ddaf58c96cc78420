"""How weighted sums of a few rows of a table are taken for many examples at once.

out[r] = base[asked[r]] + Σₖ weights[r, k] · table[rows[r, k]]

Gathered with torch, the K rows of every example go through memory several times, forward and
backward; here each is read once, and what is summed stays in the nearest cache.

Shapes: ``R`` results, ``K`` rows summed for each, ``N`` rows of the table, ``Q`` bases,
``W`` width of a row.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from engine.kernels.compiled import compiled


class Places(NamedTuple):
    """What is summed for each result."""

    weights: Float[Tensor, "R K"]
    rows: Int64[Tensor, "R K"]
    asked: Int64[Tensor, " R"]


def summed_rows(
    table: Float[Tensor, "N W"], base: Float[Tensor, "Q W"], places: Places
) -> Float[Tensor, "R W"]:
    """The sums, by compiled loops on the CPU; gradients reach table, base and weights.

    Sums over examples are taken in their order, by each of torch's threads over its own share.
    """
    return _SummedRows.apply(table, base, *places)


def summed_rows_by_torch(
    table: Float[Tensor, "N W"], base: Float[Tensor, "Q W"], places: Places
) -> Float[Tensor, "R W"]:
    """The same by one operation of torch: what `summed_rows` is held to."""
    weights, rows, asked = places
    return base[asked] + F.embedding_bag(rows, table, mode="sum", per_sample_weights=weights)


class RowSums:
    """The sums and their gradients without autograd, some results at a time."""

    def __init__(
        self, table: Float[Tensor, "N W"], base: Float[Tensor, "Q W"], places: Places
    ) -> None:
        self._sources = [table.detach().numpy(), base.detach().numpy()]
        self._places = [each.detach().numpy() for each in places]

    def write(self, out: Float[Tensor, "S W"], start: int) -> None:
        """Write the sums of the S results from `start` on into `out`."""
        into = out.numpy()

        def part(share: slice, _: int) -> None:
            _sum(*self._sources, *self._places, into[share], start + share.start)

        _by_threads(part, len(into))

    def spread(self) -> "Spread":
        """Where gradients are gathered; nothing yet."""
        return Spread(self._sources, self._places)


class Spread:
    """The gradients of sums."""

    def __init__(self, sources: list[np.ndarray], places: list[np.ndarray]) -> None:
        self._table, base = sources
        self._places = places
        self._to_weights = np.empty_like(places[0])
        self._shares = [
            (np.zeros_like(self._table), np.zeros_like(base))
            for _ in range(max(torch.get_num_threads(), 1))
        ]

    def add(self, gradient: Float[Tensor, "S W"], start: int) -> None:
        """Add what the gradient of the S results from `start` on gives."""
        given = gradient.numpy()

        def part(share: slice, thread: int) -> None:
            _spread(
                self._table,
                *self._places,
                given[share],
                start + share.start,
                self._to_weights,
                *self._shares[thread],
            )

        _by_threads(part, len(given))

    def gathered(self) -> tuple[Float[Tensor, "N W"], Float[Tensor, "Q W"], Float[Tensor, "R K"]]:
        """The gradients of table, base and weights, once all results have been added."""
        (to_table, to_base), *others = self._shares
        for more_to_table, more_to_base in others:
            to_table += more_to_table
            to_base += more_to_base
        found = to_table, to_base, self._to_weights
        return tuple(torch.from_numpy(each) for each in found)  # pyright: ignore[reportReturnType]


class _SummedRows(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, table: Tensor, base: Tensor, weights: Tensor, rows: Tensor, asked: Tensor
    ) -> Tensor:
        saved = [x.detach().contiguous() for x in (table, base, weights, rows, asked)]
        table, base, *places = saved
        out = table.new_empty(len(rows), table.shape[1])
        RowSums(table, base, Places(*places)).write(out, 0)
        ctx.save_for_backward(*saved)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        table, base, *places = ctx.saved_tensors
        spread = RowSums(table, base, Places(*places)).spread()
        spread.add(gradient.contiguous(), 0)
        return *spread.gathered(), None, None


@cache
def _pool(n_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_threads, thread_name_prefix="loops")


def _by_threads(part: Callable[[slice, int], None], n: int) -> None:
    """Call `part` for as many shares of the results as torch has threads."""
    n_threads = min(torch.get_num_threads(), n)
    if n_threads <= 1:
        part(slice(0, n), 0)
        return
    ends = [n * i // n_threads for i in range(n_threads + 1)]
    shares = [slice(*ends[i : i + 2]) for i in range(n_threads)]
    for _ in _pool(n_threads).map(part, shares, range(n_threads)):
        pass


@compiled
def _sum(
    table: np.ndarray,
    base: np.ndarray,
    weights: np.ndarray,
    rows: np.ndarray,
    asked: np.ndarray,
    out: np.ndarray,
    start: int,
) -> None:
    """Four rows at a time, so that a sum is read and written a quarter as often.

    Numbers of rows are unsigned, and elements named outright: a view of a row, or the question
    whether its number counts from the end, costs as much as the row's own arithmetic.
    """
    (S, W), K = out.shape, rows.shape[1]
    whole = K // 4 * 4
    for s in range(S):
        r = start + s
        q = np.uint64(asked[r])
        for j in range(W):
            out[s, j] = base[q, j]
        for k in range(0, whole, 4):
            a, b = np.uint64(rows[r, k]), np.uint64(rows[r, k + 1])
            c, d = np.uint64(rows[r, k + 2]), np.uint64(rows[r, k + 3])
            u, v, x, y = weights[r, k], weights[r, k + 1], weights[r, k + 2], weights[r, k + 3]
            for j in range(W):
                out[s, j] += (u * table[a, j] + v * table[b, j]) + (
                    x * table[c, j] + y * table[d, j]
                )
        for k in range(whole, K):
            a, u = np.uint64(rows[r, k]), weights[r, k]
            for j in range(W):
                out[s, j] += u * table[a, j]


@compiled
def _spread(
    table: np.ndarray,
    weights: np.ndarray,
    rows: np.ndarray,
    asked: np.ndarray,
    gradient: np.ndarray,
    start: int,
    to_weights: np.ndarray,
    to_table: np.ndarray,
    to_base: np.ndarray,
) -> None:
    """The gradient of `_sum`, two rows at a time."""
    (S, W), K = gradient.shape, rows.shape[1]
    even = K // 2 * 2
    zero = table[0, 0] * 0
    for s in range(S):
        r = start + s
        q = np.uint64(asked[r])
        for j in range(W):
            to_base[q, j] += gradient[s, j]
        for k in range(0, even, 2):
            a, b = np.uint64(rows[r, k]), np.uint64(rows[r, k + 1])
            u, v = weights[r, k], weights[r, k + 1]
            along_a, along_b = zero, zero
            for j in range(W):
                g = gradient[s, j]
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
                along_a += gradient[s, j] * table[a, j]
                to_table[a, j] += u * gradient[s, j]
            to_weights[r, k] = along_a
