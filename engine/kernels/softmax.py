"""Cross-entropy with its gradient, a row at a time, which stays in the nearest cache.

The exponential is that of Cody & Waite 1980, "Software Manual for the Elementary Functions", with
a Taylor polynomial: eˣ = 2ⁿ · eᵗ with n the nearest integer to x / ln 2 and |t| ≤ ln 2 / 2. Unlike
the library's, it is computed in vector lanes beside what comes before and after it. What is less
than 10⁻³⁰⁷ of a row's largest share counts as nothing, as 10⁻³⁷ of it does in float32.

Shapes: ``R`` rows of logits, ``V`` vocabulary, ``C`` classes.
"""

from math import factorial, log
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64, Shaped
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

LANES = 16
"""Numbers of a row that are compared side by side; it is filled up to a multiple."""


class _Kind(NamedTuple):
    """What the exponential needs to know of a type of numbers."""

    numbers: Any
    integers: Any
    least: float
    """Of what is less there is nothing left."""
    high: float
    """ln 2 in two parts, of which the first has zeros at its end, so that n times it is exact."""
    low: float
    magic: float
    """Added to a number, it leaves the nearest integer in the lowest bits."""
    bias: int
    """Added to the bits of n + `magic`, it leaves those of the exponent of 2ⁿ."""
    n_fraction: int
    """Bits below the exponent."""
    n_terms: int
    """Of the polynomial."""


_DOUBLE = _Kind(
    numbers=ir.VectorType(ir.DoubleType(), LANES),
    integers=ir.VectorType(ir.IntType(64), LANES),
    least=-707.0,
    high=0.693147180369123816490,
    low=1.90821492927058770002e-10,
    magic=1.5 * 2.0**52,
    bias=1023 - 0x4338000000000000,
    n_fraction=52,
    n_terms=14,
)
_SINGLE = _Kind(
    numbers=ir.VectorType(ir.FloatType(), LANES),
    integers=ir.VectorType(ir.IntType(32), LANES),
    least=-87.0,
    high=0.693359375,
    low=-2.12194440e-4,
    magic=1.5 * 2.0**23,
    bias=127 - 0x4B400000,
    n_fraction=23,
    n_terms=8,
)
_TYPES = {torch.float32: np.float32, torch.float64: np.float64}


class CrossEntropy:
    """Sum over rows of scale · (ln Σ exp(logits) − the answer's logit), in float32 or float64.

    Its gradient is written, unless `gradient` has no rows; beside the classes it becomes zero. A
    row whose target is `IGNORED` counts for nothing. Rows are taken some at a time, by any thread.
    """

    def __init__(
        self,
        logits: Float[Tensor, "R V"],
        targets: Int64[Tensor, " R"],
        gradient: Float[Tensor, "_ W"],
        *,
        n_classes: int,
        scale: float,
        dtype: torch.dtype,
    ) -> None:
        kind = _TYPES[dtype]
        self._losses = np.empty(len(logits), kind)
        self._arrays = logits.numpy(), targets.numpy(), gradient.numpy(), self._losses
        self._numbers = n_classes, kind(scale), IGNORED
        self._scale = scale

    def take(self, rows: slice) -> None:
        """Take some rows."""
        _take(*self._arrays, *self._numbers, rows.start, rows.stop)

    def total(self) -> float:
        """The sum, when all rows have been taken."""
        return float(self._losses.sum(dtype=np.float64)) * self._scale


def n_asked(targets: Int64[Tensor, " R"]) -> int:
    """How many rows ask for an answer."""
    return int(_count(targets.numpy(), IGNORED))


def exponentials(x: Shaped[Tensor, "R C"]) -> Shaped[Tensor, "R C"]:
    """The exponentials of numbers that are at most 0, as `CrossEntropy` takes them."""
    out = x.clone()
    _take_exponentials(out.numpy())
    return out


@intrinsic
def _largest(_: Any, x: Any, start: Any, n: Any) -> Any:
    """The largest of `n` numbers, a multiple of `LANES`, or any where a NaN is among them."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = _kind_of(signature.args[0])
        first = place(context, builder, signature, values)
        most = cgutils.alloca_once_value(builder, read(builder, first, kind.numbers))
        step = values[2].type(LANES)
        with cgutils.for_range_slice(builder, step, values[2], step, inc=True) as (at, _):
            more = read(builder, builder.gep(first, [at]), kind.numbers)
            before = builder.load(most)
            builder.store(
                builder.select(builder.fcmp_ordered(">", more, before), more, before), most
            )
        own = ir.FunctionType(kind.numbers.element, [kind.numbers])
        name = f"llvm.vector.reduce.fmax.v{LANES}f{signature.args[0].dtype.bitwidth}"
        return builder.call(declared(builder, name, own), [builder.load(most)])

    return x.dtype(x, start, n), generate


@intrinsic
def exponentiate(_: Any, x: Any, start: Any, n: Any, most: Any) -> Any:  # noqa: ARG001
    """Make exp(x − most) of `n` numbers, a multiple of `LANES`, none of them above `most`."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = _kind_of(signature.args[0])
        first = place(context, builder, signature, values)
        largest = spread(builder, values[3], kind.numbers)
        step = values[2].type(LANES)
        with cgutils.for_range_slice(builder, step.type(0), values[2], step, inc=True) as (at, _):
            where = builder.gep(first, [at])
            below = builder.fsub(read(builder, where, kind.numbers), largest)
            write(builder, _exponential(builder, below, kind), where)
        return context.get_dummy_value()

    return types.void(x, start, n, x.dtype), generate


def _kind_of(array: Any) -> _Kind:
    return _DOUBLE if array.dtype == types.float64 else _SINGLE


def _exponential(builder: Any, x: Any, kind: _Kind) -> Any:
    """Of numbers that are at most 0; a NaN stays one."""

    def every(number: float) -> Any:
        return ir.Constant(kind.numbers, [number] * LANES)

    is_nothing = builder.fcmp_ordered("<", x, every(kind.least))
    x = builder.select(is_nothing, every(kind.least), x)
    by = multiply_add(builder, x, every(1 / log(2)), every(kind.magic))
    n = builder.fsub(by, every(kind.magic))
    t = multiply_add(builder, n, every(-kind.high), x)
    t = multiply_add(builder, n, every(-kind.low), t)
    first, *terms = (1 / factorial(k) for k in range(kind.n_terms - 1, -1, -1))
    y = every(first)
    for term in terms:
        y = multiply_add(builder, y, t, every(term))
    bias, n_fraction = (
        ir.Constant(kind.integers, [each] * LANES) for each in (kind.bias, kind.n_fraction)
    )
    exponent = builder.add(builder.bitcast(by, kind.integers), bias)
    power = builder.bitcast(builder.shl(exponent, n_fraction), kind.numbers)
    return builder.select(is_nothing, every(0.0), builder.fmul(y, power))


@within_loops()
def _sum(x: np.ndarray) -> float:
    total = x.dtype.type(0)
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
    V = gradient.shape[1]
    # whole vectors: what is left over would be taken one by one
    shares = np.empty((n_classes + LANES - 1) // LANES * LANES, losses.dtype)
    for r in range(first, last):
        target = targets[r]
        if target == ignored:
            losses[r] = 0
            for j in range(V if len(gradient) else 0):
                gradient[r, j] = 0
            continue
        for j in range(n_classes):
            shares[j] = logits[r, j]
        for j in range(n_classes, len(shares)):
            shares[j] = -np.inf
        most, own = _largest(shares, 0, len(shares)), shares[target]
        exponentiate(shares, 0, len(shares), most)
        total = _sum(shares)
        losses[r] = np.log(total) - (own - most)
        if len(gradient):
            by = scale / total
            for j in range(n_classes):
                gradient[r, j] = shares[j] * by
            for j in range(n_classes, V):
                gradient[r, j] = 0
            gradient[r, target] -= scale


@compiled
def _take_exponentials(x: np.ndarray) -> None:
    own = np.zeros((x.shape[1] + LANES - 1) // LANES * LANES, x.dtype)
    for r in range(len(x)):
        own[: x.shape[1]] = x[r]
        exponentiate(own, 0, len(own), own.dtype.type(0))
        x[r] = own[: x.shape[1]]


@compiled
def _count(targets: np.ndarray, ignored: int) -> int:
    n = 0
    for target in targets:
        n += target != ignored
    return n
