"""An MLP around the residual stream, with its norm: forward and backward, by compiled loops.

    out = x + act(norm(x) · W_in + b_in) · W_out + b_out

As operations of torch this is a dozen passes over matrices that are larger than the nearest
caches. Here some rows go all the way before the next ones are looked at.

Rows are independent of each other forward, and threads share them. Gradients of weights are sums
over rows: each thread sums its own, so that the last bits depend on how many there are.

Shapes: ``U`` rows, ``C`` d_model, ``F`` d_mlp.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from engine.kernels.activations import KINDS
from engine.kernels.blocks import ROWS, clear, units_of, writing_sums
from engine.kernels.buffers import Take, room, zeros
from engine.kernels.matrices import n_units, whole, write_columns, write_columns_turned
from engine.kernels.mlp_loops import Back, Forth, Given, Scratch, think, think_back
from engine.kernels.panels import WIDTH
from engine.kernels.products import TILE_ROWS


class Kept(NamedTuple):
    """What the way back needs of a forward pass, beside x."""

    norms: Any
    inner: Any


def scratch_of(C: int, F: int, *, paired: int) -> Scratch:
    """A thread's room for a block, of any layer."""
    wide, narrow = whole(F, WIDTH), whole(C, WIDTH)
    normed, hidden, given, to_hidden = (
        zeros(ROWS + 1, columns) for columns in (C, wide, narrow, wide)
    )
    return Scratch(
        normed,
        *units_of(normed, paired),
        hidden,
        *units_of(hidden, paired),
        given,
        *units_of(given, paired),
        to_hidden,
        *units_of(to_hidden, paired),
        room(ROWS, narrow),
        room(wide),
        room(ROWS, wide),
        room(ROWS, 2),
    )


class MLPSublayer:
    """Room for one layer's weights as factors and for their gradients, whose ever they are."""

    def __init__(self, C: int, F: int, activation: str, scratch: Sequence[Scratch]) -> None:
        wide, narrow = whole(F, WIDTH), whole(C, WIDTH)
        paired = int(scratch[0].normed_units.dtype == np.uint32)
        self._kind, self._scratch, self._wide = KINDS[activation], scratch, wide
        self._b_in, self._b_out = zeros(wide), zeros(narrow)
        self._w_in = zeros(n_units(C, paired), wide, paired=paired)
        self._w_out = zeros(n_units(wide, paired), narrow, paired=paired)
        self._w_in_back = zeros(n_units(wide, paired), narrow, paired=paired)
        self._w_out_back = zeros(n_units(C, paired), wide, paired=paired)
        self._found = [
            Given(
                zeros(C),
                zeros(C),
                zeros(whole(C, TILE_ROWS), wide),
                zeros(wide),
                zeros(whole(wide, TILE_ROWS), narrow),
                zeros(narrow),
            )
            for _ in scratch
        ]

    def lay_out(self, given: Given) -> list[Callable[[], None]]:
        """What is to be done before `forward`, in any order."""
        return [
            partial(write_columns, given.w_in, self._w_in, 0, 0),
            partial(write_columns, given.w_out, self._w_out, 0, 0),
            partial(self._take_biases, given),
        ]

    def _take_biases(self, given: Given) -> None:
        self._b_in[: len(given.b_in)] = given.b_in
        self._b_out[: len(given.b_out)] = given.b_out

    def lay_out_back(self, given: Given) -> list[Callable[[], None]]:
        """What is to be done before `backward`, likewise."""
        return [
            partial(write_columns_turned, given.w_in, self._w_in_back, 0, 0),
            partial(write_columns_turned, given.w_out, self._w_out_back, 0, 0),
            partial(clear, self._found),
        ]

    def keep(self, U: int, take: Take) -> Kept:
        """Room for what `forward` keeps of so many rows."""
        inner = take("inner", (whole(U, TILE_ROWS), self._wide), np.float32)
        return Kept(take("MLP's norms", (U, 2), np.float32), inner)

    def forward(
        self,
        given: Given,
        x: np.ndarray,
        kept: Kept | None,
        out: np.ndarray,
        share: slice,
        thread: int,
    ) -> None:
        """Write what the sublayer gives for some rows."""
        scratch = self._scratch[thread]
        w = Forth(given.gain, given.shift, self._b_in, self._b_out, self._w_in, self._w_out)
        norms, inner = kept or (scratch.norms, scratch.inner)
        ends = self._kind, share.start, share.stop, int(kept is not None)
        think(x, w, scratch, norms, inner, out, *ends)

    def backward(
        self,
        given: Given,
        x: np.ndarray,
        kept: Kept,
        gradient: np.ndarray,
        to_x: np.ndarray,
        share: slice,
        thread: int,
    ) -> None:
        """Write the gradient of some rows of x, and add to what this thread found."""
        w = Back(given.gain, given.shift, self._w_in_back, self._w_out_back)
        ends = self._found[thread], self._kind, share.start, share.stop
        think_back(x, w, self._scratch[thread], *kept, gradient, to_x, *ends)

    def write(self, to: Given) -> list[Callable[[], None]]:
        """What writes the weights' gradients, in any order."""
        return writing_sums(self._found, to)
