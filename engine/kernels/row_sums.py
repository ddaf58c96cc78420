"""How weighted sums of a few rows of a table are taken for many examples at once.

out[r] = base[asked[r]] + Σₖ weights[r, k] · table[rows[r, k]]

Gathered with torch, the K rows of every example go through memory several times, forward and
backward; here each is read once, and what is summed stays in the nearest cache.

Shapes: ``R`` results, ``K`` rows summed for each, ``N`` rows of the table, ``Q`` bases,
``W`` width of a row, ``L`` weights of each result.
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

    weights: Float[Tensor, "R L"]
    """At least K; those past them stand for no row."""
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
    own = weights[:, : rows.shape[1]].contiguous()
    return base[asked] + F.embedding_bag(rows, table, mode="sum", per_sample_weights=own)


class RowSums:
    """The sums and their gradients without autograd, some results at a time.

    The first ``F`` numbers of a sum may be a hidden layer, which is rectified and rounded to its
    own type while it is at hand; ``G`` more are taken as they are, and the rest is left out.
    """

    def __init__(
        self, table: Float[Tensor, "N W"], base: Float[Tensor, "Q W"], places: Places
    ) -> None:
        self._sources = [table.detach().numpy(), base.detach().numpy()]
        self._places = [each.detach().numpy() for each in places]

    def write(
        self, hidden: Float[Tensor, "S F"], beside: Float[Tensor, "S G"], start: int
    ) -> None:
        """Write the sums of the S results from `start` on."""
        rectified, plain = _bits(hidden), beside.numpy()

        def part(share: slice, _: int) -> None:
            _sum(
                *self._sources,
                *self._places,
                rectified[share],
                plain[share],
                start + share.start,
                hidden.dtype == torch.bfloat16,
                _like(self._sources[0][0]).numpy(),
            )

        _by_threads(part, len(plain))

    def spread(self) -> "Spread":
        """Where gradients are gathered; nothing yet."""
        return Spread(self._sources, self._places)


class Spread:
    """The gradients of sums."""

    def __init__(self, sources: list[np.ndarray], places: list[np.ndarray]) -> None:
        self._table, _ = sources
        self._places = places
        self._to_weights = np.zeros_like(places[0])
        self._shares = [
            tuple(_like(each).zero_().numpy() for each in sources)
            for _ in range(max(torch.get_num_threads(), 1))
        ]

    def add(
        self,
        to_hidden: Float[Tensor, "S F"],
        hidden: Float[Tensor, "S F"],
        to_beside: Float[Tensor, "S G"],
        start: int,
    ) -> None:
        """Add what the gradients of the S results from `start` on give."""
        given, rectified, plain = _bits(to_hidden), _bits(hidden), to_beside.numpy()

        def part(share: slice, thread: int) -> None:
            _spread(
                self._table,
                *self._places,
                given[share],
                rectified[share],
                plain[share],
                start + share.start,
                to_hidden.dtype == torch.bfloat16,
                _like(self._table[0]).zero_().numpy(),
                self._to_weights,
                *self._shares[thread],
            )

        _by_threads(part, len(plain))

    def gathered(self) -> tuple[Float[Tensor, "N W"], Float[Tensor, "Q W"], Float[Tensor, "R L"]]:
        """The gradients of table, base and weights, once all results have been added."""
        (to_table, to_base), *others = self._shares
        for more_to_table, more_to_base in others:
            to_table += more_to_table
            to_base += more_to_base
        found = to_table, to_base, self._to_weights
        return tuple(torch.from_numpy(each) for each in found)  # pyright: ignore[reportReturnType]


def _like(x: np.ndarray) -> Tensor:
    """Room of the same shape where vectors begin at the lines of the caches: NumPy's may not."""
    return torch.empty_like(torch.from_numpy(x))


def _bits(x: Tensor) -> np.ndarray:
    """The numbers; of bfloat16, which NumPy does not know, their bits."""
    return x.view(torch.uint16).numpy() if x.dtype == torch.bfloat16 else x.numpy()


class _SummedRows(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, table: Tensor, base: Tensor, weights: Tensor, rows: Tensor, asked: Tensor
    ) -> Tensor:
        saved = [x.detach().contiguous() for x in (table, base, weights, rows, asked)]
        table, base, *places = saved
        out = table.new_empty(len(rows), table.shape[1])
        RowSums(table, base, Places(*places)).write(out[:, :0], out, 0)
        ctx.save_for_backward(*saved)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        table, base, *places = ctx.saved_tensors
        spread = RowSums(table, base, Places(*places)).spread()
        none = gradient[:, :0]
        spread.add(none, none, gradient.contiguous(), 0)
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
def _sum(  # noqa: C901
    table: np.ndarray,
    base: np.ndarray,
    weights: np.ndarray,
    rows: np.ndarray,
    asked: np.ndarray,
    hidden: np.ndarray,
    beside: np.ndarray,
    start: int,
    is_half: bool,
    out: np.ndarray,
) -> None:
    """Four rows at a time, so that a sum is read and written a quarter as often.

    Numbers of rows are unsigned, and elements named outright: a view of a row, or the question
    whether its number counts from the end, costs as much as the row's own arithmetic. All in one
    function, for what it called would be compiled apart.
    """
    (S, F), G, W, K = hidden.shape, beside.shape[1], table.shape[1], rows.shape[1]
    bits = out.view(np.uint32)
    zero, one, half = out.dtype.type(0), np.uint32(1), np.uint32(0x7FFF)
    whole = K // 4 * 4
    for s in range(S):
        r = start + s
        q = np.uint64(asked[r])
        for j in range(W):
            out[j] = base[q, j]
        for k in range(0, whole, 4):
            a, b = np.uint64(rows[r, k]), np.uint64(rows[r, k + 1])
            c, d = np.uint64(rows[r, k + 2]), np.uint64(rows[r, k + 3])
            u, v, x, y = weights[r, k], weights[r, k + 1], weights[r, k + 2], weights[r, k + 3]
            for j in range(W):
                out[j] += (u * table[a, j] + v * table[b, j]) + (x * table[c, j] + y * table[d, j])
        for k in range(whole, K):
            a, u = np.uint64(rows[r, k]), weights[r, k]
            for j in range(W):
                out[j] += u * table[a, j]
        # NaN is neither below 0 nor made 0
        for j in range(F):
            out[j] = zero if out[j] < zero else out[j]
        if is_half:
            for j in range(F):  # to the nearest, of two to the even one
                hidden[s, j] = (bits[j] + half + ((bits[j] >> 16) & one)) >> 16
        else:
            for j in range(F):
                hidden[s, j] = out[j]
        for j in range(G):
            beside[s, j] = out[F + j]


@compiled
def _spread(  # noqa: C901
    table: np.ndarray,
    weights: np.ndarray,
    rows: np.ndarray,
    asked: np.ndarray,
    to_hidden: np.ndarray,
    hidden: np.ndarray,
    to_beside: np.ndarray,
    start: int,
    is_half: bool,
    given: np.ndarray,
    to_weights: np.ndarray,
    to_table: np.ndarray,
    to_base: np.ndarray,
) -> None:
    """The gradient of `_sum`, two rows at a time; `given` is room for one result, first zeros."""
    (S, F), G, W, K = hidden.shape, to_beside.shape[1], table.shape[1], rows.shape[1]
    bits = given.view(np.uint32)
    zero, none = table.dtype.type(0), np.uint32(0)
    even = K // 2 * 2
    for s in range(S):
        r = start + s
        q = np.uint64(asked[r])
        if is_half:
            for j in range(F):
                passed = np.uint32(to_hidden[s, j]) << 16
                bits[j] = passed if np.uint32(hidden[s, j]) << 17 != none else none
        else:
            for j in range(F):
                given[j] = zero if hidden[s, j] <= zero else to_hidden[s, j]
        for j in range(G):
            given[F + j] = to_beside[s, j]
        for j in range(W):
            to_base[q, j] += given[j]
        for k in range(0, even, 2):
            a, b = np.uint64(rows[r, k]), np.uint64(rows[r, k + 1])
            u, v = weights[r, k], weights[r, k + 1]
            along_a, along_b = zero, zero
            for j in range(W):
                g = given[j]
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
                along_a += given[j] * table[a, j]
                to_table[a, j] += u * given[j]
            to_weights[r, k] = along_a
