"""Logits of some rows of the residual stream, with the norm before them: forward and backward.

    logits = norm(x[places]) · Uᵀ

Products are in float32, whatever those of the layers are.

Shapes: ``S`` rows, ``R`` results, ``C`` d_model, ``V`` vocabulary, ``W`` and ``L`` these two
filled up.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from engine.kernels.blocks import ROWS, clear, writing_sums
from engine.kernels.buffers import Take, room, zeros
from engine.kernels.compiled import compiled
from engine.kernels.matrices import plus_times, times, whole, write_columns, write_columns_turned
from engine.kernels.normed_rows import norm_rows, norm_rows_again, norm_rows_back
from engine.kernels.panels import WIDTH
from engine.kernels.products import TILE_ROWS


class Given(NamedTuple):
    """The weights, in float32 and contiguous; a norm may be of no numbers."""

    gain: Any
    shift: Any
    unembedding: Any


class Kept(NamedTuple):
    """What the way back needs of a forward pass."""

    x: Any
    """[R, C]"""
    norms: Any
    logits: Any
    to_logits: Any
    """[R and a row more, L]; whoever takes the gradient writes it here, zeros beside it."""


class _Scratch(NamedTuple):
    normed: Any
    logits: Any
    narrow: Any


class Unembedding:
    """Room for the weights as factors and for their gradients, whose ever they are."""

    def __init__(self, C: int, V: int, n_threads: int) -> None:
        self._narrow, self._wide, self._V = whole(C, WIDTH), whole(V, WIDTH), V
        self._w, self._w_back = zeros(C, self._wide), zeros(self._wide, self._narrow)
        threads = range(n_threads)
        self._scratch = [
            _Scratch(zeros(ROWS, self._narrow), room(ROWS, self._wide), room(ROWS, self._narrow))
            for _ in threads
        ]
        self._found = [
            Given(zeros(C), zeros(C), zeros(whole(V, TILE_ROWS), self._narrow)) for _ in threads
        ]

    def lay_out(self, given: Given) -> list[Callable[[], None]]:
        """What is to be done before `forward`, in any order."""
        return [partial(write_columns_turned, given.unembedding, self._w, 0, 0)]

    def lay_out_back(self, given: Given) -> list[Callable[[], None]]:
        """What is to be done before `backward`, likewise."""
        return [
            partial(write_columns, given.unembedding, self._w_back, 0, 0),
            partial(clear, self._found),
        ]

    def keep(self, R: int, C: int, take: Take, *, returns: bool) -> Kept:
        """Room for what `forward` writes, and for the logits' gradient if it `returns`."""
        return Kept(
            take("last", (R, C), np.float32),
            take("last norms", (R, 2), np.float32),
            take("logits", (R, self._V), np.float32),
            take("to logits", (whole(R + 1, TILE_ROWS) if returns else 0, self._wide), np.float32),
        )

    def forward(
        self,
        given: Given,
        x: np.ndarray,
        places: np.ndarray,
        kept: Kept,
        share: slice,
        thread: int,
    ) -> None:
        """Write the logits of some results, which begin at rows `places` of x."""
        own = given.gain, given.shift, self._w, self._scratch[thread]
        _unembed(x, places, *own, *kept[:3], share.start, share.stop)

    def backward(
        self, given: Given, kept: Kept, to_x: np.ndarray, share: slice, thread: int
    ) -> None:
        """Write the gradient of what some results begin with, that of the logits being there."""
        own = given.gain, given.shift, self._w_back, self._scratch[thread]
        of_x = kept.x, kept.norms, kept.to_logits, to_x
        _unembed_back(*of_x, *own, self._found[thread], share.start, share.stop)

    def write(self, to: Given) -> list[Callable[[], None]]:
        """What writes the weights' gradients, in any order."""
        return writing_sums(self._found, to)


@compiled
def add_at(rows: np.ndarray, places: np.ndarray, out: np.ndarray) -> None:
    """Write the sums of the rows that have the same place."""
    out[:] = 0
    for r in range(len(places)):
        place = places[r]
        for c in range(out.shape[1]):
            out[place, c] += rows[r, c]


@compiled
def _unembed(
    x: np.ndarray,
    places: np.ndarray,
    gain: np.ndarray,
    shift: np.ndarray,
    w: np.ndarray,
    s: _Scratch,
    begun: np.ndarray,
    norms: np.ndarray,
    logits: np.ndarray,
    first: int,
    last: int,
) -> None:
    C, L, n_rows = x.shape[1], w.shape[1], len(s.narrow)
    of_normed = (0, s.normed.shape[1], 1)
    for start in range(first, last, n_rows):
        n = min(n_rows, last - start)
        for r in range(start, start + n):
            place = places[r]
            for c in range(C):
                begun[r, c] = x[place, c]
        norm_rows(begun, start, n, gain, shift, norms, start, s.normed)
        size = whole(n, TILE_ROWS), L, C
        times(s.logits, (0, L), s.normed, of_normed, w, (0, L), size)
        for i in range(n):
            for v in range(logits.shape[1]):
                logits[start + i, v] = s.logits[i, v]


@compiled
def _unembed_back(
    begun: np.ndarray,
    norms: np.ndarray,
    gradient: np.ndarray,
    to_x: np.ndarray,
    gain: np.ndarray,
    shift: np.ndarray,
    w: np.ndarray,
    s: _Scratch,
    found: Given,
    first: int,
    last: int,
) -> None:
    C, (L, W), n_rows = begun.shape[1], w.shape, len(s.narrow)
    for start in range(first, last, n_rows):
        n, at = min(n_rows, last - start), start * L
        norm_rows_again(begun, start, n, gain, shift, norms, start, s.normed)
        size = len(found.unembedding), W, n
        plus_times(found.unembedding, (0, W), gradient, (at, 1, L), s.normed, (0, W), size)
        size = whole(n, TILE_ROWS), W, L
        times(s.narrow, (0, W), gradient, (at, L, 1), w, (0, W), size)
        for r in range(start, start + n):
            for c in range(C):
                to_x[r, c] = 0
        to = found.gain, found.shift, to_x
        norm_rows_back(begun, start, n, gain, norms, s.narrow, *to)
