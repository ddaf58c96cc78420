"""Eight numbers at a time: short rows, such as a head's, within compiled loops.

LLVM makes vectors of a loop that are wider than a head, and leaves it one number at a time.

`start` is the number of an element of a contiguous float32 array, counted in row-major order;
nothing is checked.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from engine.kernels.panels import (
    FLOAT,
    declared,
    intrinsic,
    place,
    read,
    spread,
    write,
)

WIDTH = 8
_OCTET = ir.VectorType(FLOAT, WIDTH)


@intrinsic
def dot(_: Any, x: Any, at_x: Any, y: Any, at_y: Any, n: Any) -> Any:
    """Σ x · y of `n` numbers of each, from elements `at_x` and `at_y` on."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        x, y = (place(context, builder, signature, values, i) for i in (0, 2))
        eights = cgutils.alloca_once_value(builder, ir.Constant(_OCTET, None))
        rest = cgutils.alloca_once_value(builder, FLOAT(0.0))

        def add(at: Any, kind: Any) -> None:
            total = rest if kind == FLOAT else eights
            own, beside = (read(builder, builder.gep(each, [at]), kind) for each in (x, y))
            product = builder.fmul(own, beside, flags=("contract",))
            builder.store(builder.fadd(builder.load(total), product, flags=("contract",)), total)

        _each(builder, values[4], add)
        kind = ir.FunctionType(FLOAT, [FLOAT, _OCTET])
        added = declared(builder, f"llvm.vector.reduce.fadd.v{WIDTH}f32", kind)
        start = builder.load(rest)
        return builder.call(added, [start, builder.load(eights)], fastmath=("reassoc",))

    return types.float32(x, at_x, y, at_y, n), generate


@intrinsic
def add_scaled(_: Any, x: Any, at_x: Any, scale: Any, y: Any, at_y: Any, n: Any) -> Any:  # noqa: ARG001
    """Add scale · y to `n` numbers of x, likewise; scale is in float32."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        x, y = (place(context, builder, signature, values, i) for i in (0, 3))
        everywhere = spread(builder, values[2], _OCTET)

        def add(at: Any, kind: Any) -> None:
            to, own = (builder.gep(each, [at]) for each in (x, y))
            by = values[2] if kind == FLOAT else everywhere
            product = builder.fmul(by, read(builder, own, kind), flags=("contract",))
            more = builder.fadd(read(builder, to, kind), product, flags=("contract",))
            write(builder, more, to)

        _each(builder, values[5], add)
        return context.get_dummy_value()

    return types.void(x, at_x, types.float32, y, at_y, n), generate


def _each(builder: Any, n: Any, do: Callable[[Any, Any], None]) -> None:
    """`do` what is to be done (at, type) with each of `n` numbers, as many as can be in octets.

    In place: called as a function, which LLVM may leave it, it would take longer than a head.
    """
    eight, one = n.type(WIDTH), n.type(1)
    whole = builder.and_(n, n.type(-WIDTH))
    with cgutils.for_range_slice(builder, n.type(0), whole, eight, inc=True) as (at, _):
        do(at, _OCTET)
    with cgutils.for_range_slice(builder, whole, n, one, inc=True) as (at, _):
        do(at, FLOAT)
