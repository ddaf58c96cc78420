"""How a layer's tables are made.

The stages of `engine.kernels.folded_tables`, whose letters stand for the same here.
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from engine.kernels.compiled import within_loops
from engine.kernels.folded_rooms import Forward, Given, Sizes, stage
from engine.kernels.matrices import (
    ONE,
    add,
    by_column,
    times,
    write_columns,
    write_columns_turned,
    write_rows,
)
from engine.kernels.panels import WIDTH, load, plus, store
from engine.kernels.threads import in_any_order


def lay_out(w: Given, f: Forward, sizes: Sizes) -> None:
    """The parts, and the factors' layouts."""
    V, C = w.unembedding.shape
    f.x[:V] = w.embedding
    f.x[V:] = w.positions
    in_any_order(
        partial(write_rows, f.x, f.x_rows, 0),
        partial(write_rows, w.out, f.out_rows, 0),
        partial(write_rows, w.w_out, f.w_out_rows, 0),
        partial(write_columns, w.qkv[:, 2 * C :], f.w_v, 0, 0),
        partial(write_columns, w.w_in, f.joined, 0, 0),
        partial(write_columns_turned, w.unembedding, f.joined, 0, sizes.hidden),
    )


class _Multiplied(NamedTuple):
    x_rows: Any
    out_rows: Any
    w_out_rows: Any
    w_v: Any
    joined: Any
    v: Any
    behind: Any
    behind_units: Any


@stage
def multiply(f: _Multiplied, sizes: Sizes, through: np.ndarray, first: int, step: int) -> None:
    """O · joined, W_out · Uᵀ and the values; a panel of one of them is one thread's."""
    (units, W), paired = f.joined.shape, sizes.paired
    n_joined, n_through = W // WIDTH, through.shape[1] // WIDTH
    n_v = f.v.shape[1] // WIDTH
    of_rows, of_columns = (0, units, 1), W
    for task in range(first, n_joined + n_through + n_v, step):
        if task < n_joined:
            at = task * WIDTH
            size = (len(f.out_rows), WIDTH, units)
            times(f.behind, (at, W), f.out_rows, of_rows, f.joined, (at, of_columns), size)
            if paired:
                _pair_heads(f.behind, f.behind_units, sizes, at)
        elif task < n_joined + n_through:
            at = (task - n_joined) * WIDTH
            at_logits = W - through.shape[1] + at
            size = (len(through), WIDTH, units)
            beside = (at, through.shape[1])
            times(through, beside, f.w_out_rows, of_rows, f.joined, (at_logits, W), size)
        else:
            at = (task - n_joined - n_through) * WIDTH
            size = (len(f.v), WIDTH, units)
            beside = (at, f.v.shape[1])
            times(f.v, beside, f.x_rows, of_rows, f.w_v, beside, size)


@within_loops()
def _pair_heads(behind: np.ndarray, units: np.ndarray, sizes: Sizes, column: int) -> None:
    D, of_head = sizes.d_head, len(units) // sizes.n_heads
    for h in range(sizes.n_heads):
        own = behind[h * D : (h + 1) * D, column : column + WIDTH]
        by_column(own, units, h * of_head, column)


class _Started(NamedTuple):
    tokens: Any
    places: Any
    w_in: Any
    in_bias: Any
    mlp_bias: Any
    unembedding: Any


class _Tabled(NamedTuple):
    v_rows: Any
    behind_units: Any
    start: Any


@stage
def write_tables(
    w: _Started,
    f: _Tabled,
    sizes: Sizes,
    table: np.ndarray,
    base: np.ndarray,
    first: int,
    step: int,
) -> None:
    """Panels of the table and of where results start."""
    V, W = sizes.n_tokens, f.behind_units.shape[1]
    H, of_head = sizes.n_heads, f.v_rows.shape[1] // sizes.n_heads
    own = np.empty((len(f.v_rows), WIDTH), np.float32)
    for panel in range(first, len(table), step):
        at = panel * WIDTH
        for h in range(H):
            of_units = (h * of_head * W + at, W)
            of_rows = (h * of_head, f.v_rows.shape[1], 1)
            size = (len(own), WIDTH, of_head)
            times(own, (0, WIDTH), f.v_rows, of_rows, f.behind_units, of_units, size)
            for n in range(len(w.tokens)):
                x, y = load(own, w.tokens[n] * WIDTH), load(own, (V + w.places[n]) * WIDTH)
                store(table, ((panel * len(w.tokens) + n) * H + h) * WIDTH, plus(x, y))
        for q in range(len(f.start)):
            if at < sizes.hidden:
                _start_hidden(w, f.start[q], base[panel, q], at)
            else:
                _start_logits(w, f.start[q], base[panel, q], at - sizes.hidden)


@within_loops()
def _start_hidden(w: _Started, start: np.ndarray, out: np.ndarray, first: int) -> None:
    """A panel of where the hidden layer starts; zero beyond its end."""
    n = min(WIDTH, len(w.in_bias) - first)
    out[:] = 0
    add(w.in_bias[first : first + n], ONE, out)
    for c in range(len(start)):
        add(w.w_in[c, first : first + n], start[c], out)


@within_loops()
def _start_logits(w: _Started, start: np.ndarray, out: np.ndarray, first: int) -> None:
    """A panel of where the logits start, likewise."""
    n = min(WIDTH, len(w.unembedding) - first)
    out[:] = 0
    for j in range(n):
        total = np.float32(0)
        for c in range(len(start)):
            total += (start[c] + w.mlp_bias[c]) * w.unembedding[first + j, c]
        out[j] = total
