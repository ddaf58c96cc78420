"""A rectified hidden layer, of sums of a table's rows, and its product: forward and backward.

    (within | beside) = base + Σₖ weight_k · table_k
    logits = beside + max(0, within) · through

Of all examples the hidden layer is larger than the caches. Here a panel of it, 64 numbers of some
examples, is summed, rectified, rounded to the type of the product and multiplied before the next
one is looked at; its gradient never leaves the nearest cache. A panel of the table, which all
examples read and whose gradient they all add to, stays there as long.

Results are independent of each other forward, and panels backward. So threads share them, and the
numbers do not depend on how many there are.

Shapes: ``R`` results, ``F`` hidden layer, ``V`` logits, ``K`` rows summed for each result, ``L``
weights of each; ``M`` rows of the table, ``Q`` bases, ``W`` width of the table: F and V, each
filled up to whole panels; ``P`` panels, ``N`` of them of the hidden layer.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from engine.kernels.compiled import compiled, within_loops
from engine.kernels.layouts import arrays_of, as_units, in_layouts
from engine.kernels.matrices import whole
from engine.kernels.panels import (
    WIDTH,
    dot,
    keep,
    kept,
    load,
    plus,
    plus_scaled,
    rectified,
    store,
    where_positive,
)
from engine.kernels.products import TILE_ROWS, add_product, product
from engine.kernels.row_sums import Places
from engine.kernels.threads import by_shares, one_by_one

ROWS_FORWARD, ROWS_BACKWARD = 128 * TILE_ROWS, 64 * TILE_ROWS
"""Results that one block takes: with a panel of the table they fit a core's own cache."""


class Layer(NamedTuple):
    """What is computed, in float32; contiguous."""

    table: Float[Tensor, "P M 64"]
    base: Float[Tensor, "P Q 64"]
    places: Places
    through: Float[Tensor, "F V"]
    dtype: torch.dtype
    """Of the products' factors."""


def logits_of(
    layer: Layer, *, keeps: bool
) -> tuple[Float[Tensor, "R V"], Shaped[Tensor, "N _ 64"]]:
    """The logits, and the hidden layer panel by panel, or nothing of it.

    Of bfloat16 the hidden layer has pairs of results.
    """
    (F, V), R, paired = layer.through.shape, len(layer.places.rows), _paired(layer.dtype)
    rows, columns = whole(F, WIDTH), whole(V, WIDTH)
    n_units = whole(R, TILE_ROWS) >> paired if keeps else 0
    hidden = torch.empty(rows // WIDTH, n_units, WIDTH, dtype=_units(layer.dtype))
    logits = torch.empty(R, V)
    through = as_units(layer.through, layer.dtype, rows=rows, columns=columns)
    given = arrays_of(layer.table, layer.base, *layer.places, through)

    def part(share: slice, _: int) -> None:
        block = torch.empty(ROWS_FORWARD, WIDTH, dtype=layer.dtype)
        _write_logits(
            *given,
            *arrays_of(hidden, block, block.view(_units(layer.dtype))),
            np.empty((ROWS_FORWARD, columns), np.float32),
            logits.numpy(),
            share.start,
            share.stop,
            paired,
        )

    by_shares(part, R, of=TILE_ROWS)
    return logits, hidden


def gradients_of(
    layer: Layer, hidden: Shaped[Tensor, "N _ 64"], gradient: Float[Tensor, "R V"]
) -> tuple[
    Float[Tensor, "P M 64"], Float[Tensor, "P Q 64"], Float[Tensor, "R L"], Float[Tensor, "F V"]
]:
    """The gradients of table, base, weights and through, from that of the logits."""
    (F, V), (R, K), dtype = layer.through.shape, layer.places.rows.shape, layer.dtype
    to_table, to_base = torch.empty_like(layer.table), torch.zeros_like(layer.base)
    n_panels, n_hidden = len(layer.table), len(hidden)
    to_weights = gradient.new_empty(n_panels, R, K)
    wide, by_logit, by_result = in_layouts(gradient.contiguous(), dtype)
    rows, columns = whole(V, 2), n_hidden * WIDTH
    back = as_units(layer.through, dtype, rows=rows, columns=columns, turned=True)
    to_through = gradient.new_zeros(whole(V, TILE_ROWS), n_hidden * WIDTH)
    given, found = arrays_of(layer.table, *layer.places), arrays_of(to_table, to_base, to_weights)
    factors = arrays_of(hidden, by_logit, by_result, back)

    def part(panel: int) -> None:
        if panel < n_hidden:
            _spread_hidden(
                *given,
                *factors,
                gradient.new_empty(ROWS_BACKWARD, WIDTH).numpy(),
                *found,
                to_through.numpy(),
                panel,
                _paired(dtype),
            )
        else:
            _spread_beside(*given, wide.numpy(), *found, panel, panel - n_hidden)

    one_by_one(part, n_panels)
    summed = torch.empty_like(layer.places.weights)
    _add_up(to_weights.numpy(), summed.numpy())
    return to_table, to_base, summed, to_through[:V, :F].T


def _paired(dtype: torch.dtype) -> int:
    """1 where a unit is a pair, else 0: a number of results, shifted by it, is one of units."""
    return int(dtype == torch.bfloat16)


def _units(dtype: torch.dtype) -> torch.dtype:
    return torch.float32 if dtype == torch.float32 else torch.uint32


@within_loops()
def _sum(
    table: np.ndarray,
    base: np.ndarray,
    weights: np.ndarray,
    rows: np.ndarray,
    asked: np.ndarray,
    r: int,
    panel: int,
) -> Any:
    """A panel of one result."""
    M, Q = table.shape[1], base.shape[1]
    x = load(base, (panel * Q + asked[r]) * WIDTH)
    for k in range(rows.shape[1]):
        row = load(table, (panel * M + rows[r, k]) * WIDTH)
        x = plus_scaled(x, weights[r, k], row)
    return x


@within_loops()
def _multiply(
    sums: np.ndarray, units: np.ndarray, through: np.ndarray, first: int, n_rows: int
) -> None:
    """Add the product of some units with the rows of `through` from `first` on."""
    V, n = through.shape[1], units.shape[1]
    for v in range(0, V, WIDTH):
        for i in range(0, n_rows, TILE_ROWS):
            at, steps = first * V + v, (V, n, 1, V)
            add_product(sums, i * V + v, units, i * n, through, at, steps, n)


@compiled
def _write_logits(
    table: np.ndarray,
    base: np.ndarray,
    weights: np.ndarray,
    rows: np.ndarray,
    asked: np.ndarray,
    through: np.ndarray,
    hidden: np.ndarray,
    block: np.ndarray,
    units: np.ndarray,
    sums: np.ndarray,
    logits: np.ndarray,
    first: int,
    last: int,
    paired: int,
) -> None:
    """`units` is another view of `block`, the hidden layer's panel; `sums` are its logits."""
    (P, U, _), V = hidden.shape, through.shape[1]
    for start in range(first, last, len(block)):
        stop = min(start + len(block), last)
        for v in range(0, V, WIDTH):
            for r in range(start, stop):
                x = _sum(table, base, weights, rows, asked, r, P + v // WIDTH)
                store(sums, (r - start) * V + v, x)
        for p in range(P):
            for r in range(start, stop):
                x = rectified(_sum(table, base, weights, rows, asked, r, p))
                store(block, (r - start) * WIDTH, x)
                if U:
                    keep(hidden, (p * U + (r >> paired)) * WIDTH, x, r & paired)
            _multiply(sums, units, through, p * units.shape[1], stop - start)
        for r in range(start, stop):
            for v in range(logits.shape[1]):
                logits[r, v] = sums[r - start, v]


@compiled
def _add_up(to_weights: np.ndarray, out: np.ndarray) -> None:
    """The sum over panels; zero for weights that stand for no row."""
    P, R, K = to_weights.shape
    for r in range(R):
        for k in range(out.shape[1]):
            out[r, k] = 0
        for p in range(P):
            for k in range(K):
                out[r, k] += to_weights[p, r, k]


@within_loops()
def _clear(to_table: np.ndarray, panel: int) -> None:
    for m in range(to_table.shape[1]):
        for j in range(WIDTH):
            to_table[panel, m, j] = 0


@within_loops()
def _spread(
    x: Any,
    table: np.ndarray,
    weights: np.ndarray,
    rows: np.ndarray,
    asked: np.ndarray,
    to_table: np.ndarray,
    to_base: np.ndarray,
    to_weights: np.ndarray,
    r: int,
    panel: int,
) -> None:
    """What the gradient of one result's panel gives."""
    M, Q = table.shape[1], to_base.shape[1]
    at = (panel * Q + asked[r]) * WIDTH
    store(to_base, at, plus(load(to_base, at), x))
    for k in range(rows.shape[1]):
        at = (panel * M + rows[r, k]) * WIDTH
        to_weights[panel, r, k] = dot(x, load(table, at))
        store(to_table, at, plus_scaled(load(to_table, at), weights[r, k], x))


@compiled
def _spread_hidden(
    table: np.ndarray,
    weights: np.ndarray,
    rows: np.ndarray,
    asked: np.ndarray,
    hidden: np.ndarray,
    by_logit: np.ndarray,
    by_result: np.ndarray,
    back: np.ndarray,
    block: np.ndarray,
    to_table: np.ndarray,
    to_base: np.ndarray,
    to_weights: np.ndarray,
    to_through: np.ndarray,
    panel: int,
    paired: int,
) -> None:
    """One panel's gradients; `block` is room for that of some results' hidden layer."""
    R, (V, F), U = len(rows), to_through.shape, hidden.shape[1]
    column, n_logits, n_results = panel * WIDTH, by_logit.shape[1], by_result.shape[1]
    _clear(to_table, panel)
    for start in range(0, R, len(block)):
        stop = min(start + len(block), R)
        for i in range(0, stop - start, TILE_ROWS):
            at, steps = (start + i) * n_logits, (WIDTH, n_logits, 1, F)
            product(block, i * WIDTH, by_logit, at, back, column, steps, len(back))
        for r in range(start, stop):
            was = kept(hidden, (panel * U + (r >> paired)) * WIDTH, r & paired)
            x = where_positive(load(block, (r - start) * WIDTH), was)
            _spread(x, table, weights, rows, asked, to_table, to_base, to_weights, r, panel)
        first, last = start >> paired, (stop + paired) >> paired
        for v in range(0, V, TILE_ROWS):
            add_product(
                to_through,
                v * F + column,
                by_result,
                first * n_results + v,
                hidden,
                (panel * U + first) * WIDTH,
                (F, 1, n_results, WIDTH),
                last - first,
            )


@compiled
def _spread_beside(
    table: np.ndarray,
    weights: np.ndarray,
    rows: np.ndarray,
    asked: np.ndarray,
    gradient: np.ndarray,
    to_table: np.ndarray,
    to_base: np.ndarray,
    to_weights: np.ndarray,
    panel: int,
    beside: int,
) -> None:
    """The same of a panel that is not rectified, the one numbered `beside` of the logits."""
    _clear(to_table, panel)
    for r in range(len(rows)):
        x = load(gradient, r * gradient.shape[1] + beside * WIDTH)
        _spread(x, table, weights, rows, asked, to_table, to_base, to_weights, r, panel)
