"""The MLPs' non-linearities and their slopes, a row at a time, within compiled loops.

The error function is that of Abramowitz & Stegun 1964, formula 7.1.26, right to 1.5 · 10⁻⁷; the
exponential that it needs is taken in vector lanes (`engine.kernels.softmax`).

Rows are as long as whole panels, and what an activation gives for 0 is 0, so that what fills a row
up stays zero.
"""

from math import pi

import numpy as np

from engine.kernels.compiled import within_loops
from engine.kernels.softmax import exponentiate

RELU, GELU, GELU_TANH = range(3)
KINDS = {"relu": RELU, "gelu": GELU, "gelu_tanh": GELU_TANH}
"""What the loops call the non-linearities of `engine.models.gpt.layers`."""

_HALF, _ONE, _TWO, _ZERO = (np.float32(x) for x in (0.5, 1, 2, 0))
_ROOT = np.float32(0.5**0.5)
_DENSITY = np.float32((2 * pi) ** -0.5)
_P = np.float32(0.3275911)
_A1, _A2, _A3, _A4, _A5 = (
    np.float32(x) for x in (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
)
_TANH, _CUBE, _CUBE_SLOPE = (np.float32(x) for x in ((2 / pi) ** 0.5, 0.044715, 3 * 0.044715))


@within_loops()
def _lower_tail(x: np.float32, falling: np.float32) -> np.float32:
    """The normal distribution's share beyond |x|, `falling` being exp(−x² / 2)."""
    t = _ONE / (_ONE + _P * _ROOT * abs(x))
    return _HALF * falling * (((((_A5 * t + _A4) * t) + _A3) * t + _A2) * t + _A1) * t


@within_loops()
def _tanh(z: np.float32, falling: np.float32) -> np.float32:
    """The hyperbolic tangent, `falling` being exp(−2 |z|)."""
    y = (_ONE - falling) / (_ONE + falling)
    return -y if z < _ZERO else y


@within_loops()
def _fall(kind: int, x: np.ndarray, row: int, falling: np.ndarray) -> None:
    """The exponentials that `kind` needs."""
    for j in range(len(falling)):
        if kind == GELU:
            falling[j] = -_HALF * x[row, j] * x[row, j]
        else:
            z = _TANH * (x[row, j] + _CUBE * x[row, j] * x[row, j] * x[row, j])
            falling[j] = -_TWO * abs(z)
    exponentiate(falling, 0, len(falling), _ZERO)


@within_loops()
def activate(
    kind: int, x: np.ndarray, row: int, out: np.ndarray, to: int, falling: np.ndarray
) -> None:
    """Write what `kind` gives for a row of x; `falling` is room for as many numbers."""
    if kind == RELU:
        for j in range(x.shape[1]):
            out[to, j] = _ZERO if x[row, j] < _ZERO else x[row, j]
        return
    _fall(kind, x, row, falling)
    if kind == GELU:
        for j in range(x.shape[1]):
            tail = _lower_tail(x[row, j], falling[j])
            out[to, j] = x[row, j] * (tail if x[row, j] < _ZERO else _ONE - tail)
    else:
        for j in range(x.shape[1]):
            z = x[row, j] + _CUBE * x[row, j] * x[row, j] * x[row, j]
            out[to, j] = _HALF * x[row, j] * (_ONE + _tanh(z, falling[j]))


@within_loops()
def activate_back(
    kind: int,
    x: np.ndarray,
    row: int,
    out: np.ndarray,
    gradient: np.ndarray,
    to: int,
    falling: np.ndarray,
) -> None:
    """Write what `activate` does, and turn a row's gradient into that of x."""
    if kind == RELU:
        for j in range(x.shape[1]):
            is_off = x[row, j] <= _ZERO
            out[to, j] = _ZERO if is_off else x[row, j]
            gradient[to, j] = _ZERO if is_off else gradient[to, j]
        return
    _fall(kind, x, row, falling)
    if kind == GELU:
        for j in range(x.shape[1]):
            own = x[row, j]
            tail = _lower_tail(own, falling[j])
            share = tail if own < _ZERO else _ONE - tail
            out[to, j] = own * share
            gradient[to, j] *= share + own * _DENSITY * falling[j]
    else:
        for j in range(x.shape[1]):
            own = x[row, j]
            th = _tanh(own + _CUBE * own * own * own, falling[j])
            out[to, j] = _HALF * own * (_ONE + th)
            steep = _TANH * (_ONE + _CUBE_SLOPE * own * own)
            gradient[to, j] *= _HALF * (_ONE + th) + _HALF * own * (_ONE - th * th) * steep
