"""In which layouts products take their factors, and how numbers are brought there.

Units, pairs of bfloat16 and panels are those of `engine.kernels.products`. Done by torch, each of
these is a pass or two through memory, and those that permute bfloat16 are slow ones.

Shapes: ``R`` results, ``V`` logits, ``H`` heads, ``N`` rows of a table, ``W`` width of the table,
``P`` panels, ``M`` = N·H.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import BFloat16, Float, Float32, Shaped
from torch import Tensor

from engine.kernels.compiled import compiled, within_loops
from engine.kernels.panels import WIDTH
from engine.kernels.products import TILE_ROWS


def whole(n: int, of: int) -> int:
    """The least multiple that is not less."""
    return -(-n // of) * of


def arrays_of(*tensors: Tensor) -> list[np.ndarray]:
    """Tensors as NumPy sees them; of bfloat16, which it does not know, the bits."""
    half = torch.bfloat16
    return [(x.view(torch.uint16) if x.dtype == half else x).numpy() for x in tensors]


def as_units(x: Float[Tensor, "A B"], dtype: torch.dtype) -> Shaped[Tensor, "U B"]:
    """Units along the first dimension, which in bfloat16 are pairs; its length is even."""
    if dtype == torch.float32:
        return x.contiguous()
    out = torch.empty(len(x) // 2, x.shape[1], dtype=torch.uint32)
    _pair(x.contiguous().view(torch.uint32).numpy(), out.numpy())
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


def widened(x: BFloat16[Tensor, "H N W"]) -> Float32[Tensor, "P M 64"]:
    """Rows panel by panel, heads within rows."""
    H, N, W = x.shape
    out = torch.empty(W // WIDTH, N * H, WIDTH)
    _widen(*arrays_of(x.contiguous(), out.view(torch.uint32)))
    return out


def narrowed(x: Float32[Tensor, "P M 64"], n_heads: int) -> BFloat16[Tensor, "H N W"]:
    """What `widened` was given, of other numbers rounded to bfloat16."""
    out = torch.empty(n_heads, x.shape[1] // n_heads, len(x) * WIDTH, dtype=torch.bfloat16)
    _narrow(*arrays_of(x.contiguous().view(torch.uint32), out))
    return out


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
            low, high = _half(bits[2 * u, v]), _half(bits[2 * u + 1, v])
            halves[2 * u, v] = low
            halves[2 * u + 1, v] = high
            pairs[u, v] = low | (high << np.uint32(16))


@within_loops()
def _half(bits: Any) -> Any:
    """The bits of bfloat16, to the nearest, of two to the even one, from those of float32."""
    one, most, sixteen = np.uint32(1), np.uint32(0x7FFF), np.uint32(16)
    return (bits + most + ((bits >> sixteen) & one)) >> sixteen


@compiled
def _pair(bits: np.ndarray, out: np.ndarray) -> None:
    """Pairs of rows in bfloat16, from the bits of float32."""
    for u in range(out.shape[0]):
        for v in range(out.shape[1]):
            out[u, v] = _half(bits[2 * u, v]) | (_half(bits[2 * u + 1, v]) << np.uint32(16))


@compiled
def _widen(halves: np.ndarray, bits: np.ndarray) -> None:
    H, N, _ = halves.shape
    for p in range(len(bits)):
        for n in range(N):
            for h in range(H):
                for j in range(WIDTH):
                    bits[p, n * H + h, j] = np.uint32(halves[h, n, p * WIDTH + j]) << np.uint32(16)


@compiled
def _narrow(bits: np.ndarray, halves: np.ndarray) -> None:
    H, N, _ = halves.shape
    for p in range(len(bits)):
        for n in range(N):
            for h in range(H):
                for j in range(WIDTH):
                    halves[h, n, p * WIDTH + j] = _half(bits[p, n * H + h, j])
