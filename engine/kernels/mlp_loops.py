"""The loops of an MLP around the residual stream; see `engine.kernels.mlp_sublayer`.

Whose letters stand for the same here. Rows are taken in blocks: what a block needs on its way lies
in `Scratch`, and in float32 a matrix is its own units.
"""

from typing import Any, NamedTuple

import numpy as np

from engine.kernels.activations import activate, activate_back
from engine.kernels.compiled import compiled
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
from engine.kernels.products import TILE_ROWS


class Given(NamedTuple):
    """The weights, in float32 and contiguous; a norm's and biases may be of no numbers.

    Of gradients that a thread sums: filled up to whole tiles and panels.
    """

    gain: Any
    shift: Any
    w_in: Any
    b_in: Any
    w_out: Any
    b_out: Any


class Forth(NamedTuple):
    """What a forward pass reads of the weights."""

    gain: Any
    shift: Any
    b_in: Any
    """Filled up to whole panels with zeros, as `b_out` is."""
    b_out: Any
    w_in: Any
    """Units, one below the other along C."""
    w_out: Any
    """The same along F."""


class Back(NamedTuple):
    """What a backward pass reads of them."""

    gain: Any
    shift: Any
    w_in: Any
    """Transposed: units along F."""
    w_out: Any
    """Transposed: units along C."""


class Scratch(NamedTuple):
    """A block's matrices and those that are units of them: along a row, or of pairs of rows."""

    normed: Any
    normed_units: Any
    normed_pairs: Any
    hidden: Any
    hidden_units: Any
    hidden_pairs: Any
    given: Any
    """The gradient of what the sublayer gives, filled up."""
    given_units: Any
    given_pairs: Any
    to_hidden: Any
    to_hidden_units: Any
    to_hidden_pairs: Any
    narrow: Any
    """As wide as the residual stream, filled up."""
    falling: Any
    inner: Any
    """The hidden layer before the activation, where it is not kept."""
    norms: Any


@compiled
def think(
    x: np.ndarray,
    w: Forth,
    s: Scratch,
    norms: np.ndarray,
    inner: np.ndarray,
    out: np.ndarray,
    kind: int,
    first: int,
    last: int,
    keeps: int,
) -> None:
    """Write some rows; `norms` [U or a block, 2] and `inner` [U or a block, F] are kept or not.

    `inner` is the hidden layer before the activation.
    """
    C, F, W = x.shape[1], inner.shape[1], s.narrow.shape[1]
    paired = 1 if holds_pairs(w.w_in) else 0
    units, n_rows = s.normed_units.shape[1], len(s.narrow)
    for start in range(first, last, n_rows):
        n, at = min(n_rows, last - start), start * keeps
        norm_rows(x, start, n, w.gain, w.shift, norms, at, s.normed)
        if holds_pairs(s.normed_units):
            by_row(s.normed[:n], s.normed_units, 0)
        size = whole(n, TILE_ROWS), F, n_units(C, paired)
        times(inner, (at * F, F), s.normed_units, (0, units, 1), w.w_in, (0, F), size)
        for i in range(n):
            for j in range(F):
                inner[at + i, j] += w.b_in[j]
            activate(kind, inner, at + i, s.hidden, i, s.falling)
        if holds_pairs(s.hidden_units):
            by_row(s.hidden[:n], s.hidden_units, 0)
        of_hidden = s.hidden_units.shape[1]
        size = whole(n, TILE_ROWS), W, n_units(F, paired)
        times(s.narrow, (0, W), s.hidden_units, (0, of_hidden, 1), w.w_out, (0, W), size)
        for i in range(n):
            for c in range(C):
                out[start + i, c] = x[start + i, c] + s.narrow[i, c] + w.b_out[c]


@compiled
def think_back(
    x: np.ndarray,
    w: Back,
    s: Scratch,
    norms: np.ndarray,
    inner: np.ndarray,
    gradient: np.ndarray,
    to_x: np.ndarray,
    found: Given,
    kind: int,
    first: int,
    last: int,
) -> None:
    """Write the gradient of some rows of x, and add to `found` what they give."""
    C, F, W = x.shape[1], inner.shape[1], s.narrow.shape[1]
    paired = 1 if holds_pairs(w.w_in) else 0
    n_rows = len(s.narrow)
    for start in range(first, last, n_rows):
        n = min(n_rows, last - start)
        rows, units = whole(n, TILE_ROWS), n_units(n, paired)
        for i in range(n):
            for c in range(C):
                s.given[i, c] = gradient[start + i, c]
                found.b_out[c] += gradient[start + i, c]
                to_x[start + i, c] = gradient[start + i, c]
        if holds_pairs(s.given_units):
            by_row(s.given[:n], s.given_units, 0)
            by_column(s.given[:n], s.given_pairs, 0, 0)
        size = rows, F, n_units(C, paired)
        of_given = s.given_units.shape[1]
        times(s.to_hidden, (0, F), s.given_units, (0, of_given, 1), w.w_out, (0, F), size)
        for i in range(n):
            activate_back(kind, inner, start + i, s.hidden, s.to_hidden, i, s.falling)
            for j in range(F):
                found.b_in[j] += s.to_hidden[i, j]
        norm_rows_again(x, start, n, w.gain, w.shift, norms, start, s.normed)
        if holds_pairs(s.hidden_pairs):
            by_column(s.hidden[:n], s.hidden_pairs, 0, 0)
            by_column(s.normed[:n], s.normed_pairs, 0, 0)
            by_column(s.to_hidden[:n], s.to_hidden_pairs, 0, 0)
            by_row(s.to_hidden[:n], s.to_hidden_units, 0)
        size = len(found.w_out), W, units
        plus_times(found.w_out, (0, W), s.hidden_pairs, (0, 1, F), s.given_pairs, (0, W), size)
        size = len(found.w_in), F, units
        of_normed = s.normed_pairs.shape[1]
        turned = (0, 1, of_normed)
        plus_times(found.w_in, (0, F), s.normed_pairs, turned, s.to_hidden_pairs, (0, F), size)
        of_hidden, size = s.to_hidden_units.shape[1], (rows, W, n_units(F, paired))
        times(s.narrow, (0, W), s.to_hidden_units, (0, of_hidden, 1), w.w_in, (0, W), size)
        norm_rows_back(x, start, n, w.gain, norms, s.narrow, found.gain, found.shift, to_x)
