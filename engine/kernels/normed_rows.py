"""LayerNorm of some rows, and its gradient, within compiled loops. Source: Ba et al. 2016.

Shapes: ``U`` rows, ``C`` width of a row, ``R`` rows of a block, ``W`` room for a row.
"""

import numpy as np

from engine.kernels.compiled import within_loops

EPSILON = np.float32(1e-5)
"""Added to a variance, as torch does."""

_ONE, _ZERO = np.float32(1), np.float32(0)


@within_loops()
def norm_rows(
    x: np.ndarray,
    first: int,
    n: int,
    gain: np.ndarray,
    shift: np.ndarray,
    found: np.ndarray,
    at: int,
    out: np.ndarray,
) -> None:
    """Write n rows of x, normed; mean and 1 / deviation into `found` [_, 2], from row `at` on.

    A gain of no numbers stands for no norm: rows are written as they are.
    """
    C = x.shape[1]
    by = _ONE / np.float32(C)
    for i in range(n):
        r = first + i
        if len(gain):
            total = _ZERO
            for c in range(C):
                total += x[r, c]
            mean, squares = total * by, _ZERO
            for c in range(C):
                squares += (x[r, c] - mean) * (x[r, c] - mean)
            found[at + i, 0] = mean
            found[at + i, 1] = _ONE / np.sqrt(squares * by + EPSILON)
    norm_rows_again(x, first, n, gain, shift, found, at, out)


@within_loops()
def norm_rows_again(
    x: np.ndarray,
    first: int,
    n: int,
    gain: np.ndarray,
    shift: np.ndarray,
    found: np.ndarray,
    at: int,
    out: np.ndarray,
) -> None:
    """Write the rows, mean and deviation being there."""
    for i in range(n):
        r = first + i
        if len(gain):
            mean, rate = found[at + i, 0], found[at + i, 1]
            for c in range(x.shape[1]):
                out[i, c] = (x[r, c] - mean) * rate * gain[c] + shift[c]
        else:
            for c in range(x.shape[1]):
                out[i, c] = x[r, c]


@within_loops()
def norm_rows_back(
    x: np.ndarray,
    first: int,
    n: int,
    gain: np.ndarray,
    found: np.ndarray,
    gradient: np.ndarray,
    to_gain: np.ndarray,
    to_shift: np.ndarray,
    to_x: np.ndarray,
) -> None:
    """Add to the gradients of gain, shift and x what that of n normed rows [R, W] gives."""
    C = x.shape[1]
    by = _ONE / np.float32(C)
    for i in range(n):
        r = first + i
        if not len(gain):
            for c in range(C):
                to_x[r, c] += gradient[i, c]
            continue
        mean, rate = found[r, 0], found[r, 1]
        along, across = _ZERO, _ZERO
        for c in range(C):
            own, scaled = (x[r, c] - mean) * rate, gradient[i, c] * gain[c]
            to_gain[c] += gradient[i, c] * own
            to_shift[c] += gradient[i, c]
            along += scaled
            across += scaled * own
        along, across = along * by, across * by
        for c in range(C):
            own = (x[r, c] - mean) * rate
            to_x[r, c] += rate * (gradient[i, c] * gain[c] - along - own * across)
