"""In which layouts products take their factors, and how numbers are brought there.

Units, pairs of bfloat16 and panels are those of `engine.kernels.products`. Done by torch, each of
these is a pass or two through memory, and those that permute bfloat16 are slow ones.

Shapes: ``R`` results, ``V`` logits.
"""

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from engine.kernels.compiled import compiled, within_loops
from engine.kernels.matrices import half, whole, write_columns, write_columns_turned
from engine.kernels.panels import WIDTH
from engine.kernels.products import TILE_ROWS


def arrays_of(*tensors: Tensor) -> list[np.ndarray]:
    """Tensors as NumPy sees them; of bfloat16, which it does not know, the bits."""
    half = torch.bfloat16
    return [(x.view(torch.uint16) if x.dtype == half else x).numpy() for x in tensors]


def as_units(
    x: Float[Tensor, "A B"], dtype: torch.dtype, *, rows: int, columns: int, turned: bool = False
) -> Shaped[Tensor, "U columns"]:
    """Units one below the other, of x or of the transposed; filled up with zeros.

    In bfloat16 they are pairs of the `rows` numbers, whose number is even then.
    """
    paired = int(dtype == torch.bfloat16)
    out = torch.empty(rows >> paired, columns, dtype=torch.uint32 if paired else dtype)
    own, used = (x.T if turned else x).shape
    out[(own + paired) >> paired :] = 0
    out[:, used:] = 0
    (write_columns_turned if turned else write_columns)(x.numpy(), out.numpy(), 0, 0)
    return out


def in_layouts(
    gradient: Float[Tensor, "R V"], dtype: torch.dtype
) -> tuple[Float[Tensor, "R_ V_"], Shaped[Tensor, "R_ U"], Shaped[Tensor, "S V_"]]:
    """The gradient of the logits filled up with zeros: as it is, and as factors of two products.

    One of them sums over logits, the other over results; in bfloat16 these are what pairs.
    """
    (R, V), paired = gradient.shape, dtype == torch.bfloat16
    rows, columns = whole(R, TILE_ROWS), whole(whole(V, TILE_ROWS), WIDTH)
    wide = gradient.new_empty(rows, columns)
    if not paired:
        _fill(gradient.numpy(), wide.numpy())
        return wide, wide, wide
    by_logit = gradient.new_empty(rows, columns, dtype=dtype)
    by_result = gradient.new_empty(rows // 2, columns, dtype=torch.uint32)
    _fill_and_round(*arrays_of(gradient, wide, wide.view(torch.uint32), by_logit, by_result))
    return wide, by_logit.view(torch.uint32), by_result


@within_loops()
def _fill_row(x: np.ndarray, out: np.ndarray, r: int) -> None:
    (R, V), columns = x.shape, out.shape[1]
    n = V if r < R else 0
    for v in range(n):
        out[r, v] = x[r, v]
    for v in range(n, columns):
        out[r, v] = 0


@compiled
def _fill(x: np.ndarray, out: np.ndarray) -> None:
    """Copy x into a corner of `out`, and zeros beside it."""
    for r in range(len(out)):
        _fill_row(x, out, r)


@compiled
def _fill_and_round(
    x: np.ndarray, out: np.ndarray, bits: np.ndarray, halves: np.ndarray, pairs: np.ndarray
) -> None:
    """The same, and once more in bfloat16, and in pairs of rows; `bits` is a view of `out`."""
    for u in range(len(pairs)):
        _fill_row(x, out, 2 * u)
        _fill_row(x, out, 2 * u + 1)
        for v in range(out.shape[1]):
            low, high = half(bits[2 * u, v]), half(bits[2 * u + 1, v])
            halves[2 * u, v] = low
            halves[2 * u + 1, v] = high
            pairs[u, v] = low | (high << np.uint32(16))
