"""Cross-entropy in float64 with its gradient, a row at a time, which stays in the nearest cache.

The exponential is that of Cody & Waite 1980, "Software Manual for the Elementary Functions", with
a Taylor polynomial: eˣ = 2ⁿ · eᵗ with n the nearest integer to x / ln 2 and |t| ≤ ln 2 / 2. Unlike
the library's, it is computed in vector lanes beside what comes before and after it. What is below
10⁻³⁰⁷ of a row's largest share counts as that.

Shapes: ``R`` rows of logits, ``V`` vocabulary, ``C`` classes.
"""

from typing import Any

import numpy as np
from jaxtyping import Float, Float64, Int64
from llvmlite import ir
from numba import types
from numba.core import cgutils
from torch import Tensor

from data.task import IGNORED
from engine.kernels.compiled import compiled, within_loops
from engine.kernels.panels import declared, intrinsic, place, read
from engine.kernels.threads import by_shares

_LEAST = -707.0
_PER_LN_2 = 1 / np.log(2)
_HIGH, _LOW = 0.693147180369123816490, 1.90821492927058770002e-10
"""ln 2 in two parts, of which the first has zeros at its end, so that n times it is exact."""
_MAGIC = 1.5 * 2.0**52
"""Added to a number, it leaves the nearest integer in the lowest bits."""
_BITS, _BIAS = np.int64(0x4338000000000000), np.int64(1023)
LANES = 16
"""Numbers of a row that are compared side by side; it is filled up to a multiple."""
_IN_ORDER = {"contract", "nsz"}
"""Here no sum may be rearranged: that of a number and `_MAGIC` would be undone."""


def cross_entropy(
    logits: Float[Tensor, "R V"],
    targets: Int64[Tensor, " R"],
    gradient: Float[Tensor, "_ V"],
    *,
    n_classes: int,
    scale: float,
) -> float:
    """Sum over rows of scale · (ln Σ exp(logits) − the answer's logit); its gradient is written.

    None is where `gradient` has no rows. A row whose target is `IGNORED` counts for nothing.
    """
    losses = np.zeros(len(logits))
    arrays = logits.numpy(), targets.numpy(), gradient.numpy(), losses
    by_shares(
        lambda share, _: _take(*arrays, n_classes, scale, IGNORED, share.start, share.stop),
        len(logits),
    )
    return float(losses.sum()) * scale


def exponentials(x: Float64[Tensor, "R C"]) -> Float64[Tensor, "R C"]:
    """The exponentials of numbers that are at most 0, as `cross_entropy` takes them."""
    out = x.clone()
    _take_exponentials(out.numpy())
    return out


@intrinsic
def _largest(_: Any, x: Any, start: Any, n: Any) -> Any:
    """The largest of `n` numbers, a multiple of `LANES`, or any where a NaN is among them."""
    kind = ir.VectorType(ir.DoubleType(), LANES)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        first = place(context, builder, signature, values)
        most = cgutils.alloca_once_value(builder, read(builder, first, kind))
        step = values[2].type(LANES)
        with cgutils.for_range_slice(builder, step, values[2], step, inc=True) as (at, _):
            more, before = read(builder, builder.gep(first, [at]), kind), builder.load(most)
            builder.store(
                builder.select(builder.fcmp_ordered(">", more, before), more, before), most
            )
        own = ir.FunctionType(kind.element, [kind])
        reduce = declared(builder, f"llvm.vector.reduce.fmax.v{LANES}f64", own)
        return builder.call(reduce, [builder.load(most)])

    return types.float64(x, start, n), generate


@within_loops(_IN_ORDER)
def exponentiate(x: np.ndarray, most: float, shifted: np.ndarray, bits: np.ndarray) -> None:
    """Make exp(x − most) of x; `bits` is another view of `shifted`, which is room for as many."""
    for j in range(len(x)):
        below = x[j] - most
        below = _LEAST if below < _LEAST else below
        by = below * _PER_LN_2 + _MAGIC
        n = by - _MAGIC
        t = (below - n * _HIGH) - n * _LOW
        y = 1 / 6227020800 * t + 1 / 479001600
        y = y * t + 1 / 39916800
        y = y * t + 1 / 3628800
        y = y * t + 1 / 362880
        y = y * t + 1 / 40320
        y = y * t + 1 / 5040
        y = y * t + 1 / 720
        y = y * t + 1 / 120
        y = y * t + 1 / 24
        y = y * t + 1 / 6
        y = y * t + 1 / 2
        y = y * t + 1
        x[j] = y * t + 1
        shifted[j] = by
    for j in range(len(x)):
        bits[j] = (bits[j] - _BITS + _BIAS) << 52
    for j in range(len(x)):
        x[j] *= shifted[j]


@within_loops()
def _sum(x: np.ndarray) -> float:
    total = x[0] * 0
    for j in range(len(x)):
        total += x[j]
    return total


@compiled
def _take(
    logits: np.ndarray,
    targets: np.ndarray,
    gradient: np.ndarray,
    losses: np.ndarray,
    n_classes: int,
    scale: float,
    ignored: int,
    first: int,
    last: int,
) -> None:
    V = logits.shape[1]
    # whole vectors: what is left over would be taken one by one
    shares = np.empty((n_classes + LANES - 1) // LANES * LANES)
    shifted = np.empty_like(shares)
    bits = shifted.view(np.int64)
    for r in range(first, last):
        target = targets[r]
        if target == ignored:
            for j in range(V if len(gradient) else 0):
                gradient[r, j] = 0
            continue
        for j in range(n_classes):
            shares[j] = logits[r, j]
        for j in range(n_classes, len(shares)):
            shares[j] = -np.inf
        most, ahead = _largest(shares, 0, len(shares)), shares[target]
        exponentiate(shares, most, shifted, bits)
        for j in range(n_classes, len(shares)):
            shares[j] = 0
        total = _sum(shares)
        losses[r] = np.log(total) - (ahead - most)
        if len(gradient):
            by = scale / total
            for j in range(n_classes):
                gradient[r, j] = shares[j] * by
            for j in range(n_classes, V):
                gradient[r, j] = 0
            gradient[r, target] -= scale


@compiled
def _take_exponentials(x: np.ndarray) -> None:
    shifted = np.empty(x.shape[1])
    bits = shifted.view(np.int64)
    for r in range(len(x)):
        exponentiate(x[r], 0.0, shifted, bits)
