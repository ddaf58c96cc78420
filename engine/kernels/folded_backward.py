"""How the gradients of a layer's weights follow from those of its tables.

The stages of `engine.kernels.folded_tables`, whose letters stand for the same here.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from engine.kernels.compiled import within_loops
from engine.kernels.folded_rooms import Backward, Forward, Given, Sizes, stage
from engine.kernels.matrices import (
    by_column,
    by_row,
    plus_times,
    times,
    write_columns,
    write_columns_turned,
    write_rows,
)
from engine.kernels.panels import WIDTH, load, plus, store
from engine.kernels.products import TILE_ROWS
from engine.kernels.threads import in_any_order


def lay_out_back(
    w: Given,
    f: Forward,
    b: Backward,
    sizes: Sizes,
    to_through: np.ndarray,
    beside: Callable[[], None],
) -> None:
    """The factors' layouts, and what can be done `beside`; `to_through` comes transposed."""
    C, S = len(w.out), len(f.x)
    logits = sizes.hidden >> sizes.paired
    in_any_order(
        beside,
        partial(write_columns_turned, f.behind[:C], b.behind_turned, 0, 0),
        partial(write_columns_turned, w.w_in, b.joined_turned, 0, 0),
        partial(write_columns_turned, w.qkv[:, 2 * C :], b.w_v_turned, 0, 0),
        partial(write_columns, f.v[:S, :C], b.v_columns, 0, 0),
        partial(write_columns, w.out, b.out_columns, 0, 0),
        partial(write_columns, w.unembedding, b.joined_turned, logits, 0),
        partial(write_columns, w.w_out, b.w_out_columns, 0, 0),
        partial(write_columns, f.x, b.x_columns, 0, 0),
        partial(write_columns, to_through, b.through_columns, 0, 0),
        partial(write_rows, to_through, b.through_rows, 0),
    )


class _Occurring(NamedTuple):
    tokens: Any
    places: Any


class _Begun(NamedTuple):
    start: Any


class _Folded(NamedTuple):
    v_columns: Any
    out_columns: Any
    folded: Any
    to_table_rows: Any
    to_table_columns: Any
    to_behind: Any
    to_behind_rows: Any
    to_behind_columns: Any
    to_joined: Any
    of_x: Any


@stage
def fold(
    w: _Occurring,
    f: _Begun,
    b: _Folded,
    sizes: Sizes,
    to_table: np.ndarray,
    to_base: np.ndarray,
    first: int,
    step: int,
) -> None:
    """From panels of the table's gradient those of O · joined and of joined."""
    C, S, W, paired = sizes.d_model, len(b.of_x), b.to_joined.shape[1], sizes.paired
    H, D, units = sizes.n_heads, sizes.d_head, len(b.v_columns)
    for panel in range(first, len(to_table), step):
        at = panel * WIDTH
        for h in range(H):
            slot = first if paired else panel * H + h
            _add_parts(w, to_table, b.folded, sizes.n_tokens, slot, panel, h)
            if paired:
                by_row(b.folded[slot, :S], b.to_table_rows[panel * H + h], 0)
                by_column(b.folded[slot, :S], b.to_table_columns[slot], 0, 0)
            # its last tile may write over the next head's rows, which come after it
            of_v, size = (h * D, 1, C), (D, WIDTH, units)
            of_head, of_slot = (
                (h * D * W + at, W),
                (slot * b.to_table_columns.shape[1] * WIDTH, WIDTH),
            )
            times(b.to_behind, of_head, b.v_columns, of_v, b.to_table_columns, of_slot, size)
        if paired:
            behind = b.to_behind[:C, at : at + WIDTH]
            by_row(behind, b.to_behind_rows, at >> 1)
            by_column(behind, b.to_behind_columns, 0, at)
        size = (len(b.to_joined), WIDTH, len(b.out_columns))
        of_out = (0, 1, C)
        times(b.to_joined, (at, W), b.out_columns, of_out, b.to_behind_columns, (at, W), size)
        for q in range(len(f.start)):
            for c in range(C):
                for j in range(WIDTH):
                    b.to_joined[c, at + j] += f.start[q, c] * to_base[panel, q, j]


@within_loops()
def _add_parts(
    w: _Occurring,
    to_table: np.ndarray,
    folded: np.ndarray,
    n_tokens: int,
    slot: int,
    panel: int,
    head: int,
) -> None:
    """The gradient of the parts' rows: of each token and of each position the sum of its rows'."""
    rows, N, V = folded.shape[1], len(w.tokens), n_tokens
    H = to_table.shape[1] // N
    folded[slot] = 0
    start, before = slot * rows * WIDTH, 0
    of_place = load(folded, start + V * WIDTH)
    for n in range(N):
        # rows come position by position, so that this sum seldom leaves the registers
        if w.places[n] != before:
            store(folded, start + (V + before) * WIDTH, of_place)
            before = w.places[n]
            of_place = load(folded, start + (V + before) * WIDTH)
        x = load(to_table, ((panel * N + n) * H + head) * WIDTH)
        at = start + w.tokens[n] * WIDTH
        store(folded, at, plus(load(folded, at), x))
        of_place = plus(of_place, x)
    store(folded, start + (V + before) * WIDTH, of_place)


class _GoneBack(NamedTuple):
    behind_turned: Any
    joined_turned: Any
    w_out_columns: Any
    through_rows: Any
    through_columns: Any
    to_table_rows: Any
    to_behind_rows: Any
    to_v: Any
    to_out: Any
    to_w_out: Any
    to_unembedding: Any


@stage
def go_back(b: _GoneBack, sizes: Sizes, first: int, step: int) -> None:
    """The gradients of the values, of O, W_out and U; a tile of rows is one thread's."""
    width, units = b.to_out.shape[1], len(b.joined_turned)
    n_v, n_out = len(b.to_v) // TILE_ROWS, len(b.to_out) // TILE_ROWS
    n_w_out, n_logits = len(b.to_w_out) // TILE_ROWS, len(b.to_unembedding) // TILE_ROWS
    for task in range(first, n_v + n_out + n_w_out + n_logits, step):
        i = task * TILE_ROWS
        if task < n_v:
            _values_back(b, sizes, i)
            continue
        i -= len(b.to_v)
        if task < n_v + n_out:
            own = b.to_behind_rows.shape[1]
            of_rows, size = (i * own, own, 1), (TILE_ROWS, width, units)
            of_c = (i * width, width)
            times(b.to_out, of_c, b.to_behind_rows, of_rows, b.joined_turned, (0, width), size)
            continue
        i -= len(b.to_out)
        if task < n_v + n_out + n_w_out:
            own, of_logits = b.through_columns.shape
            size, of_c = (TILE_ROWS, width, own), (i * width, width)
            at = (sizes.hidden >> sizes.paired) * width
            a, b_ = b.through_columns, b.joined_turned
            times(b.to_w_out, of_c, a, (i, 1, of_logits), b_, (at, width), size)
            continue
        i -= len(b.to_w_out)
        own = b.through_rows.shape[1]
        size, of_c = (TILE_ROWS, width, own), (i * width, width)
        of_rows = (i * own, own, 1)
        times(b.to_unembedding, of_c, b.through_rows, of_rows, b.w_out_columns, (0, width), size)


@within_loops()
def _values_back(b: _GoneBack, sizes: Sizes, i: int) -> None:
    """The gradient of a tile of the values: a head after the other, panel by panel."""
    H, D = sizes.n_heads, sizes.d_head
    n, rows, units = b.to_table_rows.shape
    of_v, of_behind = b.to_v.shape[1], b.behind_turned.shape[1]
    size = (TILE_ROWS, WIDTH, units)
    for h in range(H):
        # what a panel writes past the head's columns is the next head's, which come after it
        for d in range(h * D, (h + 1) * D, WIDTH):
            for p in range(n // H):
                of_c = (i * of_v + d, of_v)
                of_rows = (((p * H + h) * rows + i) * units, units, 1)
                of_b = (p * units * of_behind + d, of_behind)
                if p == 0:
                    times(b.to_v, of_c, b.to_table_rows, of_rows, b.behind_turned, of_b, size)
                else:
                    plus_times(b.to_v, of_c, b.to_table_rows, of_rows, b.behind_turned, of_b, size)


class _Finished(NamedTuple):
    x_columns: Any
    w_v_turned: Any
    to_v_rows: Any
    to_v_columns: Any
    to_w_v: Any
    to_x: Any


@stage
def finish(b: _Finished, first: int, step: int) -> None:
    """The gradients of W_V and of the parts; a tile of rows is one thread's."""
    n, width = len(b.to_w_v) // TILE_ROWS, b.to_w_v.shape[1]
    for task in range(first, n + len(b.to_x) // TILE_ROWS, step):
        if task < n:
            i, (units, C) = task * TILE_ROWS, b.x_columns.shape
            of_c, size = (i * width, width), (TILE_ROWS, width, units)
            times(b.to_w_v, of_c, b.x_columns, (i, 1, C), b.to_v_columns, (0, width), size)
        else:
            i, units = (task - n) * TILE_ROWS, b.to_v_rows.shape[1]
            of_c, size = (i * width, width), (TILE_ROWS, width, units)
            of_rows = (i * units, units, 1)
            times(b.to_x, of_c, b.to_v_rows, of_rows, b.w_v_turned, (0, width), size)


def write_first(w: Given, b: Backward, to: Given) -> None:
    """The layouts of the values' gradients, and the weights' that are known before `finish`."""
    (V, C), F, S = w.unembedding.shape, w.w_in.shape[1], len(b.of_x)
    in_any_order(
        partial(write_columns, b.to_v[:S, :C], b.to_v_columns, 0, 0),
        partial(write_rows, b.to_v[:S, :C], b.to_v_rows, 0),
        partial(np.copyto, to.w_in, b.to_joined[:C, :F]),
        partial(np.copyto, to.w_out, b.to_w_out[:F, :C]),
        partial(np.copyto, to.out, b.to_out[:C, :C]),
        partial(np.copyto, to.unembedding, b.to_unembedding[:V, :C]),
    )


def write_last(w: Given, b: Backward, to: Given) -> None:
    """The weights' gradients that are left."""
    V, C = w.unembedding.shape
    to.qkv[:, 2 * C :] = b.to_w_v[:C, :C]
    np.add(b.to_x[:V, :C], b.of_x[:V], out=to.embedding)
    np.add(b.to_x[V : len(b.of_x), :C], b.of_x[V:], out=to.positions)
