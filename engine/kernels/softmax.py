"""Cross-entropy in float64 with its gradient, a row at a time, which stays in the nearest cache.

The exponential is that of Cody & Waite 1980, "Software Manual for the Elementary Functions", with
a Taylor polynomial: eˣ = 2ⁿ · eᵗ with n the nearest integer to x / ln 2 and |t| ≤ ln 2 / 2. Unlike
the library's, it is computed in vector lanes beside what comes before and after it. What is below
10⁻³⁰⁷ of a row's largest share counts as that.

Shapes: ``R`` rows of logits, ``V`` vocabulary, ``C`` classes.
"""

from math import factorial
from typing import Any

import numpy as np
from jaxtyping import Float, Float64, Int64
from llvmlite import ir
from numba import types
from numba.core import cgutils
from torch import Tensor

from data.task import IGNORED
from engine.kernels.compiled import compiled, within_loops
from engine.kernels.panels import (
    declared,
    intrinsic,
    multiply_add,
    place,
    read,
    spread,
    write,
)
from engine.kernels.threads import by_shares

_LEAST = -707.0
_PER_LN_2 = 1 / np.log(2)
_HIGH, _LOW = 0.693147180369123816490, 1.90821492927058770002e-10
"""ln 2 in two parts, of which the first has zeros at its end, so that n times it is exact."""
_MAGIC = 1.5 * 2.0**52
"""Added to a number, it leaves the nearest integer in the lowest bits."""
_BIAS = 1023 - 0x4338000000000000
"""Added to the bits of n + `_MAGIC`, it leaves those of the exponent of 2ⁿ."""
_TERMS = [1 / factorial(k) for k in range(13, -1, -1)]
LANES = 16
"""Numbers of a row that are compared side by side; it is filled up to a multiple."""
_NUMBERS = ir.VectorType(ir.DoubleType(), LANES)


def cross_entropy(
    logits: Float[Tensor, "R V"],
    targets: Int64[Tensor, " R"],
    gradient: Float[Tensor, "_ W"],
    *,
    n_classes: int,
    scale: float,
) -> float:
    """Sum over rows of scale · (ln Σ exp(logits) − the answer's logit); its gradient is written.

    None is where `gradient` has no rows; beside the classes it becomes zero. A row whose target is
    `IGNORED` counts for nothing.
    """
    totals, ahead = np.ones(len(logits)), np.zeros(len(logits))
    arrays = logits.numpy(), targets.numpy(), gradient.numpy(), totals, ahead
    by_shares(
        lambda share, _: _take(*arrays, n_classes, scale, IGNORED, share.start, share.stop),
        len(logits),
    )
    return float((np.log(totals) - ahead).sum()) * scale


def exponentials(x: Float64[Tensor, "R C"]) -> Float64[Tensor, "R C"]:
    """The exponentials of numbers that are at most 0, as `cross_entropy` takes them."""
    out = x.clone()
    _take_exponentials(out.numpy())
    return out


@intrinsic
def _largest(_: Any, x: Any, start: Any, n: Any) -> Any:
    """The largest of `n` numbers, a multiple of `LANES`, or any where a NaN is among them."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        first = place(context, builder, signature, values)
        most = cgutils.alloca_once_value(builder, read(builder, first, _NUMBERS))
        step = values[2].type(LANES)
        with cgutils.for_range_slice(builder, step, values[2], step, inc=True) as (at, _):
            more, before = read(builder, builder.gep(first, [at]), _NUMBERS), builder.load(most)
            builder.store(
                builder.select(builder.fcmp_ordered(">", more, before), more, before), most
            )
        own = ir.FunctionType(_NUMBERS.element, [_NUMBERS])
        reduce = declared(builder, f"llvm.vector.reduce.fmax.v{LANES}f64", own)
        return builder.call(reduce, [builder.load(most)])

    return types.float64(x, start, n), generate


@intrinsic
def exponentiate(_: Any, x: Any, start: Any, n: Any, most: Any) -> Any:  # noqa: ARG001
    """Make exp(x − most) of `n` numbers, a multiple of `LANES`, none of them above `most`."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        first = place(context, builder, signature, values)
        largest = spread(builder, values[3], _NUMBERS)
        step = values[2].type(LANES)
        with cgutils.for_range_slice(builder, step.type(0), values[2], step, inc=True) as (at, _):
            where = builder.gep(first, [at])
            below = builder.fsub(read(builder, where, _NUMBERS), largest)
            write(builder, _exponential(builder, below), where)
        return context.get_dummy_value()

    return types.void(x, start, n, types.float64), generate


def _exponential(builder: Any, x: Any) -> Any:
    """Of numbers that are at most 0; a NaN stays one."""
    least = _all(_LEAST)
    x = builder.select(builder.fcmp_ordered("<", x, least), least, x)
    by = multiply_add(builder, x, _all(_PER_LN_2), _all(_MAGIC))
    n = builder.fsub(by, _all(_MAGIC))
    t = multiply_add(builder, n, _all(-_HIGH), x)
    t = multiply_add(builder, n, _all(-_LOW), t)
    y = _all(_TERMS[0])
    for term in _TERMS[1:]:
        y = multiply_add(builder, y, t, _all(term))
    integers = ir.VectorType(ir.IntType(64), LANES)
    exponent = builder.add(builder.bitcast(by, integers), ir.Constant(integers, [_BIAS] * LANES))
    power = builder.shl(exponent, ir.Constant(integers, [52] * LANES))
    return builder.fmul(y, builder.bitcast(power, _NUMBERS))


def _all(x: float) -> Any:
    return ir.Constant(_NUMBERS, [x] * LANES)


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
    totals: np.ndarray,
    ahead: np.ndarray,
    n_classes: int,
    scale: float,
    ignored: int,
    first: int,
    last: int,
) -> None:
    V = gradient.shape[1]
    # whole vectors: what is left over would be taken one by one
    shares = np.empty((n_classes + LANES - 1) // LANES * LANES)
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
        most, own = _largest(shares, 0, len(shares)), shares[target]
        exponentiate(shares, 0, len(shares), most)
        for j in range(n_classes, len(shares)):
            shares[j] = 0
        total = _sum(shares)
        totals[r], ahead[r] = total, own - most
        if len(gradient):
            by = scale / total
            for j in range(n_classes):
                gradient[r, j] = shares[j] * by
            for j in range(n_classes, V):
                gradient[r, j] = 0
            gradient[r, target] -= scale


@compiled
def _take_exponentials(x: np.ndarray) -> None:
    own = np.zeros((x.shape[1] + LANES - 1) // LANES * LANES)
    for r in range(len(x)):
        own[: x.shape[1]] = x[r]
        exponentiate(own, 0, len(own), 0.0)
        x[r] = own[: x.shape[1]]
