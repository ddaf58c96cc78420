"""The loops of attention around the residual stream; see `engine.kernels.attention_sublayer`.

Whose letters stand for the same here. As in `engine.kernels.mlp_loops` rows are taken in blocks,
and in float32 a matrix is its own units.
"""

from typing import Any, NamedTuple

import numpy as np

from engine.kernels.compiled import compiled, within_loops
from engine.kernels.matrices import (
    by_column,
    by_row,
    holds_pairs,
    n_units,
    plus_times,
    times,
    whole,
)
from engine.kernels.normed_rows import norm_rows, norm_rows_again, norm_rows_back
from engine.kernels.octets import add_scaled, dot
from engine.kernels.products import TILE_ROWS
from engine.kernels.softmax import LANES, exponentiate

_ZERO = np.float32(0)


class Places(NamedTuple):
    """Which rows look where; those that a row does not see are -1, after those that it does."""

    looking: Any
    """[S] rows."""
    seen: Any
    """[S, T] rows."""


class Scratch(NamedTuple):
    """A block's matrices and those that are units of them: along a row, or of pairs of rows."""

    normed: Any
    normed_units: Any
    normed_pairs: Any
    mixed_units: Any
    mixed_pairs: Any
    given: Any
    """The gradient of what the sublayer gives, filled up."""
    given_units: Any
    given_pairs: Any
    to_qkv: Any
    to_qkv_units: Any
    to_qkv_pairs: Any
    narrow: Any
    """As wide as the residual stream, filled up."""


@compiled
def project(
    x: np.ndarray,
    gain: np.ndarray,
    shift: np.ndarray,
    w_qkv: np.ndarray,
    b_qkv: np.ndarray,
    s: Scratch,
    norms: np.ndarray,
    qkv: np.ndarray,
    first: int,
    last: int,
) -> None:
    """Queries, keys and values of some rows, one after the other in each."""
    C, E = x.shape[1], qkv.shape[1]
    paired = 1 if holds_pairs(w_qkv) else 0
    n_rows, units = len(s.narrow), s.normed_units.shape[1]
    for start in range(first, last, n_rows):
        n = min(n_rows, last - start)
        norm_rows(x, start, n, gain, shift, norms, start, s.normed)
        if holds_pairs(s.normed_units):
            by_row(s.normed[:n], s.normed_units, 0)
        size = whole(n, TILE_ROWS), E, n_units(C, paired)
        times(qkv, (start * E, E), s.normed_units, (0, units, 1), w_qkv, (0, E), size)
        if len(b_qkv):
            for r in range(start, start + n):
                for j in range(len(b_qkv)):
                    qkv[r, j] += b_qkv[j]


@compiled
def look(
    qkv: np.ndarray,
    places: Places,
    scale: float,
    weights: np.ndarray,
    mixed: np.ndarray,
    first: int,
    last: int,
) -> None:
    """Where some rows look, and what they find there."""
    (_, T, H), C = weights.shape, mixed.shape[1]
    # whole vectors, heads side by side; what fills them up has a share of none
    x, of_head = np.empty(whole(T * H, LANES), np.float32), np.empty(H, np.float32)
    for s in range(first, last):
        _relate(qkv, places, s, scale, C, x, of_head)
        for k in range(T * H):
            x[k] -= of_head[k % H]
        exponentiate(x, 0, len(x), _ZERO)
        of_head[:] = 0
        for k in range(T * H):
            of_head[k % H] += x[k]
        for t in range(T):
            for h in range(H):
                weights[s, t, h] = x[t * H + h] / of_head[h]
        _mix(qkv, places, s, weights, mixed)


@within_loops()
def _relate(
    qkv: np.ndarray,
    places: Places,
    s: int,
    scale: float,
    C: int,
    x: np.ndarray,
    most: np.ndarray,
) -> None:
    """The scores of what a row sees, and the largest of each head."""
    T, H, E = places.seen.shape[1], len(most), qkv.shape[1]
    own, D = places.looking[s] * E, C // H
    x[:] = -np.inf
    most[:] = -np.inf
    for t in range(T):
        row = places.seen[s, t]
        for h in range(H if row >= 0 else 0):
            score = dot(qkv, own + h * D, qkv, row * E + C + h * D, D) * scale
            x[t * H + h] = score
            most[h] = max(most[h], score)


@within_loops()
def _mix(qkv: np.ndarray, places: Places, s: int, weights: np.ndarray, mixed: np.ndarray) -> None:
    (_, T, H), C, E = weights.shape, mixed.shape[1], qkv.shape[1]
    D = C // H
    for c in range(C):
        mixed[s, c] = 0
    for t in range(T):
        row = places.seen[s, t]
        for h in range(H if row >= 0 else 0):
            add_scaled(mixed, s * C + h * D, weights[s, t, h], qkv, row * E + 2 * C + h * D, D)


@compiled
def put(
    x: np.ndarray,
    looking: np.ndarray,
    mixed: np.ndarray,
    w_out: np.ndarray,
    b_out: np.ndarray,
    s: Scratch,
    out: np.ndarray,
    first: int,
    last: int,
) -> None:
    """The residual stream of some rows that look."""
    C, W = mixed.shape[1], s.narrow.shape[1]
    paired = 1 if holds_pairs(w_out) else 0
    n_rows, units = len(s.narrow), s.mixed_units.shape[1]
    for start in range(first, last, n_rows):
        n = min(n_rows, last - start)
        by_row(mixed[start : start + n], s.mixed_units, 0)
        size = whole(n, TILE_ROWS), W, n_units(C, paired)
        times(s.narrow, (0, W), s.mixed_units, (0, units, 1), w_out, (0, W), size)
        for i in range(n):
            r = looking[start + i]
            for c in range(C):
                out[start + i, c] = x[r, c] + s.narrow[i, c]
            for c in range(len(b_out)):
                out[start + i, c] += b_out[c]


@compiled
def put_back(
    gradient: np.ndarray,
    mixed: np.ndarray,
    w_out: np.ndarray,
    s: Scratch,
    to_mixed: np.ndarray,
    to_w_out: np.ndarray,
    to_b_out: np.ndarray,
    first: int,
    last: int,
) -> None:
    """The gradient of what some rows found, and more of that of W_out and b_out."""
    C, W = mixed.shape[1], s.given.shape[1]
    paired = 1 if holds_pairs(w_out) else 0
    n_rows = len(s.narrow)
    for start in range(first, last, n_rows):
        n = min(n_rows, last - start)
        for i in range(n):
            for c in range(C):
                s.given[i, c] = gradient[start + i, c]
                to_b_out[c] += gradient[start + i, c]
        if holds_pairs(s.given_units):
            by_row(s.given[:n], s.given_units, 0)
            by_column(s.given[:n], s.given_pairs, 0, 0)
        by_column(mixed[start : start + n], s.mixed_pairs, 0, 0)
        size, units = (whole(n, TILE_ROWS), W, n_units(C, paired)), s.given_units.shape[1]
        times(to_mixed, (start * W, W), s.given_units, (0, units, 1), w_out, (0, W), size)
        of_mixed, size = (0, 1, C), (len(to_w_out), W, n_units(n, paired))
        plus_times(to_w_out, (0, W), s.mixed_pairs, of_mixed, s.given_pairs, (0, W), size)


@compiled
def look_back(
    qkv: np.ndarray,
    places: Places,
    scale: float,
    weights: np.ndarray,
    to_mixed: np.ndarray,
    to_qkv: np.ndarray,
    C: int,
    thread: int,
    first: int,
    last: int,
) -> None:
    """What some rows that look give to the gradients of queries, keys and values.

    A row gives to those that it sees, which others see too: each thread has a `to_qkv` of its own.
    """
    (_, T, H), W, (_, U, E) = weights.shape, to_mixed.shape[1], to_qkv.shape
    D, along, before = C // H, np.empty(T, np.float32), thread * U * E
    to_qkv[thread] = 0
    for s in range(first, last):
        own = places.looking[s] * E
        for h in range(H):
            total, given, n = _ZERO, s * W + h * D, 0
            # what lies ahead comes last
            while n < T and places.seen[s, n] >= 0:
                at = places.seen[s, n] * E + 2 * C + h * D
                along[n] = dot(to_mixed, given, qkv, at, D)
                total += weights[s, n, h] * along[n]
                add_scaled(to_qkv, before + at, weights[s, n, h], to_mixed, given, D)
                n += 1
            for t in range(n):
                at, by = places.seen[s, t] * E + C + h * D, weights[s, t, h] * (along[t] - total)
                add_scaled(to_qkv, before + own + h * D, scale * by, qkv, at, D)
                add_scaled(to_qkv, before + at, scale * by, qkv, own + h * D, D)


@compiled
def project_back(
    x: np.ndarray,
    gain: np.ndarray,
    shift: np.ndarray,
    w_qkv: np.ndarray,
    s: Scratch,
    norms: np.ndarray,
    to_qkv: np.ndarray,
    to_gain: np.ndarray,
    to_shift: np.ndarray,
    to_w_qkv: np.ndarray,
    to_b_qkv: np.ndarray,
    asked: np.ndarray,
    gradient: np.ndarray,
    to_x: np.ndarray,
    first: int,
    last: int,
) -> None:
    """Write the gradient of some rows of x, and add to those of the weights.

    `to_qkv` is what each thread found, to be added up.
    `gradient` is that of the residual stream of the rows that look, `asked` [U] says which one
    a row is of those, or -1; of no numbers: each row is itself.
    """
    C, W, (n_threads, _, E) = x.shape[1], s.narrow.shape[1], to_qkv.shape
    paired = 1 if holds_pairs(w_qkv) else 0
    n_rows, units = len(s.narrow), s.to_qkv_units.shape[1]
    for start in range(first, last, n_rows):
        n = min(n_rows, last - start)
        norm_rows_again(x, start, n, gain, shift, norms, start, s.normed)
        for r in range(start, start + n):
            for j in range(E):
                s.to_qkv[r - start, j] = to_qkv[0, r, j]
            for other in range(1, n_threads):
                for j in range(E):
                    s.to_qkv[r - start, j] += to_qkv[other, r, j]
            for j in range(len(to_b_qkv)):
                to_b_qkv[j] += s.to_qkv[r - start, j]
            own = asked[r] if len(asked) else r
            for c in range(C):
                to_x[r, c] = gradient[own, c] if own >= 0 else _ZERO
        if holds_pairs(s.to_qkv_units):
            by_row(s.to_qkv[:n], s.to_qkv_units, 0)
            by_column(s.to_qkv[:n], s.to_qkv_pairs, 0, 0)
            by_column(s.normed[:n], s.normed_pairs, 0, 0)
        size, of_normed = (len(to_w_qkv), E, n_units(n, paired)), (0, 1, s.normed_pairs.shape[1])
        plus_times(to_w_qkv, (0, E), s.normed_pairs, of_normed, s.to_qkv_pairs, (0, E), size)
        size = whole(n, TILE_ROWS), W, n_units(E, paired)
        times(s.narrow, (0, W), s.to_qkv_units, (0, units, 1), w_qkv, (0, W), size)
        norm_rows_back(x, start, n, gain, norms, s.narrow, to_gain, to_shift, to_x)
