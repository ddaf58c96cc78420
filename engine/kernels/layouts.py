"""In which layouts products take their factors, and how numbers are brought there.

Units, pairs of bfloat16 and panels are those of `engine.kernels.products`. Done by torch, each of
these is a pass or two through memory, and those that permute bfloat16 are slow ones.

Shapes: ``R`` results, ``V`` logits.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from engine.kernels.buffers import Take, fresh
from engine.kernels.compiled import compiled
from engine.kernels.matrices import half, whole
from engine.kernels.panels import WIDTH
from engine.kernels.products import TILE_ROWS


def arrays_of(*tensors: Tensor) -> list[np.ndarray]:
    """Tensors as NumPy sees them, without the way to them and contiguous."""
    return [x.detach().contiguous().numpy() for x in tensors]


def is_paired(dtype: torch.dtype) -> int:
    """1 where a unit is a pair, else 0: a number of results, shifted by it, is one of units."""
    return int(dtype == torch.bfloat16)


def room_of_units(
    name: str, rows: int, columns: int, *, paired: int, take: Take = fresh
) -> np.ndarray:
    """Zeros for units one below the other, of so many `rows`, which are even where they pair."""
    room = take(name, (rows >> paired, columns), np.uint32 if paired else np.float32)
    room.fill(0)
    return room


class Layouts(NamedTuple):
    """The gradient of the logits filled up with zeros: as it is, and as factors of two products.

    One of them sums over logits, the other over results; in bfloat16 these are what pairs.
    """

    wide: Any
    """[R or more, V or more]; whoever takes the gradient writes it here, zeros beside it."""
    by_logit: Any
    by_result: Any


def room_of_layouts(R: int, V: int, *, paired: int, take: Take = fresh) -> Layouts:
    """Room for the gradient of R × V logits."""
    rows, columns = whole(R, TILE_ROWS), whole(whole(V, TILE_ROWS), WIDTH)
    wide = take("wide", (rows, columns), np.float32)
    if not paired:
        return Layouts(wide, wide, wide)
    by_logit = take("by logit", (rows, columns // 2), np.uint32)
    return Layouts(wide, by_logit, take("by result", (rows // 2, columns), np.uint32))


def lay_out(rows: slice, room: Layouts, *, R: int) -> None:
    """Write the layouts of some rows of a gradient of `R`; the first one's number is even."""
    wide, by_logit, by_result = room
    first, last = rows.start // 2, rows.stop // 2
    if rows.stop == R:
        wide[R:], last = 0, len(by_result)
    if by_logit is not wide:
        _round(wide.view(np.uint32), by_logit.view(np.uint16), by_result, first, last)


@compiled
def _round(bits: np.ndarray, halves: np.ndarray, pairs: np.ndarray, first: int, last: int) -> None:
    """Some pairs of rows of float32 in bfloat16, by itself and in pairs."""
    for u in range(first, last):
        for v in range(bits.shape[1]):
            low, high = half(bits[2 * u, v]), half(bits[2 * u + 1, v])
            halves[2 * u, v] = low
            halves[2 * u + 1, v] = high
            pairs[u, v] = low | (high << np.uint32(16))
