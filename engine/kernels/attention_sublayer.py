"""Attention around the residual stream, with its norm: forward and backward, by compiled loops.

    q, k, v = norm(x) · W_qkv + b_qkv
    out = x + (Σₜ softmaxₜ(scale · q · kₜ) vₜ) · W_out + b_out,  head by head

Rows see a few others each, of which lists say the numbers (`engine.models.prefixes`); what comes
out may be asked of some rows alone. As operations of torch the keys and values that a row sees are
gathered, multiplied and summed in a dozen passes through memory.

Threads share rows. Gradients of weights, of keys and of values are sums over rows: each thread
sums its own, so that the last bits depend on how many there are.

Shapes: ``U`` rows, ``S`` those that look, ``T`` most rows that one sees, ``H`` heads, ``C``
d_model, ``E`` 3 · C filled up, ``W`` C filled up.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from engine.kernels import attention_loops as loops
from engine.kernels.attention_loops import Places, Scratch
from engine.kernels.blocks import ROWS, SHARE, clear, units_of, writing_sums
from engine.kernels.buffers import Take, room, zeros
from engine.kernels.matrices import n_units, whole, write_columns, write_columns_turned
from engine.kernels.panels import WIDTH
from engine.kernels.products import TILE_ROWS
from engine.kernels.threads import shares


class Given(NamedTuple):
    """The weights, in float32 and contiguous; a norm's and biases may be of no numbers."""

    gain: Any
    shift: Any
    w_qkv: Any
    b_qkv: Any
    w_out: Any
    b_out: Any


class Kept(NamedTuple):
    """What the way back needs of a forward pass, beside x."""

    norms: Any
    qkv: Any
    weights: Any
    mixed: Any


def scratch_of(C: int, *, paired: int) -> Scratch:
    """A thread's room for a block, of any layer."""
    wide, narrow = whole(3 * C, WIDTH), whole(C, WIDTH)
    normed, mixed, given = zeros(ROWS + 1, C), zeros(ROWS + 1, C), zeros(ROWS + 1, narrow)
    to_qkv = zeros(ROWS + 1, wide)
    return Scratch(
        normed,
        *units_of(normed, paired),
        *units_of(mixed, paired),
        given,
        *units_of(given, paired),
        to_qkv,
        *units_of(to_qkv, paired),
        room(ROWS, narrow),
    )


class AttentionSublayer:
    """Room for one layer's weights as factors and for their gradients, whose ever they are."""

    def __init__(self, C: int, n_heads: int, scratch: Sequence[Scratch]) -> None:
        wide, narrow = whole(3 * C, WIDTH), whole(C, WIDTH)
        paired = int(scratch[0].normed_units.dtype == np.uint32)
        self._scratch, self._wide, self._narrow, self._C = scratch, wide, narrow, C
        self.n_heads, self._scale = n_heads, np.float32((C // n_heads) ** -0.5)
        self._w_qkv = zeros(n_units(C, paired), wide, paired=paired)
        self._w_out = zeros(n_units(C, paired), narrow, paired=paired)
        self._w_qkv_back = zeros(n_units(wide, paired), narrow, paired=paired)
        self._w_out_back = zeros(n_units(C, paired), narrow, paired=paired)
        self._found = [
            Given(
                zeros(C),
                zeros(C),
                zeros(whole(C, TILE_ROWS), wide),
                zeros(3 * C),
                zeros(whole(C, TILE_ROWS), narrow),
                zeros(C),
            )
            for _ in scratch
        ]

    def lay_out(self, given: Given) -> list[Callable[[], None]]:
        """What is to be done before the forward pass, in any order."""
        return [
            partial(write_columns, given.w_qkv, self._w_qkv, 0, 0),
            partial(write_columns, given.w_out, self._w_out, 0, 0),
        ]

    def lay_out_back(self, given: Given) -> list[Callable[[], None]]:
        """What is to be done before the backward pass, likewise."""
        return [
            partial(write_columns_turned, given.w_qkv, self._w_qkv_back, 0, 0),
            partial(write_columns_turned, given.w_out, self._w_out_back, 0, 0),
            partial(clear, self._found),
        ]

    def keep(self, U: int, S: int, T: int, take: Take) -> Kept:
        """Room for what the forward pass keeps."""
        return Kept(
            take("attention's norms", (U, 2), np.float32),
            take("qkv", (whole(U, TILE_ROWS), self._wide), np.float32),
            take("weights", (S, T, self.n_heads), np.float32),
            take("mixed", (S, self._C), np.float32),
        )

    def project(self, given: Given, x: np.ndarray, kept: Kept, share: slice, thread: int) -> None:
        """Write queries, keys and values of some rows."""
        own = given.gain, given.shift, self._w_qkv, given.b_qkv, self._scratch[thread]
        loops.project(x, *own, kept.norms, kept.qkv, share.start, share.stop)

    def look(
        self,
        given: Given,
        x: np.ndarray,
        places: Places,
        kept: Kept,
        out: np.ndarray,
        share: slice,
        thread: int,
    ) -> None:
        """Write the residual stream of some rows that look, all keys and values being there."""
        ends = share.start, share.stop
        loops.look(kept.qkv, places, self._scale, kept.weights, kept.mixed, *ends)
        own = self._w_out, given.b_out, self._scratch[thread]
        loops.put(x, places.looking, kept.mixed, *own, out, *ends)

    def room_back(self, U: int, S: int, take: Take) -> tuple[np.ndarray, np.ndarray]:
        """Room for the gradients of what is mixed and of queries, keys and values."""
        to_mixed = take("to mixed", (whole(S, TILE_ROWS), self._narrow), np.float32)
        # of each thread that has a share of the rows that look
        n = len(shares(S, of=SHARE))
        return to_mixed, take("to qkv", (n, U, self._wide), np.float32)

    def look_back(
        self,
        places: Places,
        kept: Kept,
        gradient: np.ndarray,
        to_mixed: np.ndarray,
        to_qkv: np.ndarray,
        share: slice,
        thread: int,
    ) -> None:
        """What some rows that look give to queries, keys and values, from their gradient."""
        found, ends = self._found[thread], (share.start, share.stop)
        own = kept.mixed, self._w_out_back, self._scratch[thread], to_mixed
        loops.put_back(gradient, *own, found.w_out, found.b_out, *ends)
        own = places, self._scale, kept.weights, to_mixed, to_qkv, self._C, thread
        loops.look_back(kept.qkv, *own, *ends)

    def project_back(
        self,
        given: Given,
        x: np.ndarray,
        kept: Kept,
        to_qkv: np.ndarray,
        asked: np.ndarray,
        gradient: np.ndarray,
        to_x: np.ndarray,
        share: slice,
        thread: int,
    ) -> None:
        """Write the gradient of some rows of x, when all threads have looked back.

        `gradient` is that of the rows that look.
        `asked` says which one of those each row is, or -1; of no numbers: all look.
        """
        found, own = self._found[thread], (given.gain, given.shift, self._w_qkv_back)
        to = found.gain, found.shift, found.w_qkv, found.b_qkv, asked, gradient, to_x
        ends = self._scratch[thread], kept.norms, to_qkv, *to, share.start, share.stop
        loops.project_back(x, *own, *ends)

    def write(self, to: Given) -> list[Callable[[], None]]:
        """What writes the weights' gradients, in any order."""
        return writing_sums(self._found, to)
