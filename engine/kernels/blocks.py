"""How many rows the loops of a sublayer take at once, and the room that they need."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from engine.kernels.buffers import zeros
from engine.kernels.matrices import n_units
from engine.kernels.products import TILE_ROWS

ROWS = 16 * TILE_ROWS
"""Rows of a block: with its hidden layer it fits a core's own cache."""
SHARE = 2 * TILE_ROWS
"""Threads' shares are whole tiles of pairs of rows."""


def units_of(matrix: np.ndarray, paired: int) -> tuple[np.ndarray, np.ndarray]:
    """Room for a block's units along its rows, and of pairs of its rows.

    In float32 the matrix is both. A tile reads a row more than there are.
    """
    if not paired:
        return matrix, matrix
    columns = matrix.shape[1]
    along = zeros(ROWS, n_units(columns, paired), paired=paired)
    return along, zeros(ROWS // 2 + 1, columns, paired=paired)


def writing_sums(
    found: Sequence[Sequence[np.ndarray]], to: Sequence[np.ndarray]
) -> list[Callable[[], None]]:
    """What writes each of several gradients that threads found a share of, in any order."""
    by_weight = zip(*found, strict=True)
    return [partial(_write_sum, *each) for each in zip(by_weight, to, strict=True)]


def _write_sum(of_threads: Sequence[np.ndarray], to: np.ndarray) -> None:
    """What threads found, added up; they may hold more than `to` has room for."""
    own = tuple(slice(n) for n in to.shape)
    first, *others = of_threads
    to[...] = first[own]
    for other in others:
        to += other[own]


def clear(found: Sequence[Sequence[np.ndarray]]) -> None:
    """Set all that threads found to zero."""
    for of_thread in found:
        for each in of_thread:
            each.fill(0)
