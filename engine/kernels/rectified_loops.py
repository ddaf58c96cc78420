"""The loops of a rectified hidden layer; see `engine.kernels.rectified_layer`.

Whose letters stand for the same here: ``P`` panels, ``U`` units of results, ``M`` rows of the
table, ``Q`` bases, ``V`` logits filled up to whole panels.
"""

from typing import Any

import numpy as np

from engine.kernels.compiled import compiled, within_loops
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
def write_logits(
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
def add_up(to_weights: np.ndarray, out: np.ndarray, first: int, last: int) -> None:
    """The sum over panels, of some results; zero for weights that stand for no row."""
    P, _, K = to_weights.shape
    for r in range(first, last):
        for k in range(out.shape[1]):
            out[r, k] = 0
        for p in range(P):
            for k in range(K):
                out[r, k] += to_weights[p, r, k]


@within_loops()
def _clear(to_table: np.ndarray, to_base: np.ndarray, panel: int) -> None:
    for found in (to_table, to_base):
        for m in range(found.shape[1]):
            for j in range(WIDTH):
                found[panel, m, j] = 0


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
def spread_hidden(
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
    _clear(to_table, to_base, panel)
    for v in range(V):
        for j in range(WIDTH):
            to_through[v, column + j] = 0
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
def spread_beside(
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
    _clear(to_table, to_base, panel)
    for r in range(len(rows)):
        x = load(gradient, r * gradient.shape[1] + beside * WIDTH)
        _spread(x, table, weights, rows, asked, to_table, to_base, to_weights, r, panel)
