"""The micro-kernel of a matrix product, for compiled loops: its tile of sums stays in registers.

c[i, j] (+)= Σₖ a[i, k] · b[k, j] for `TILE_ROWS` rows and the columns of one panel, as in Goto &
van de Geijn 2008 (doi:10.1145/1356052.1356053); how large matrices are cut is the caller's.

The factors are made of units of four bytes. A unit of a float32 array is one number. A unit of a
uint32 array is a pair of bfloat16, neighbours in the dimension that is summed over; the product of
two pairs is added in float32, by one instruction where the processor has it. So both precisions
share one micro-kernel, and no result is rounded to bfloat16, as those of torch's products on the
CPU are.
"""

from collections.abc import Sequence
from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils, config

from engine.kernels.panels import (
    FLOAT,
    INT,
    WIDTH,
    declared,
    intrinsic,
    multiply_add,
    place,
    read,
    spread,
    write,
)

TILE_ROWS = 6
"""Rows that are summed at once."""

_TOLD: Any = config
_IS_TOLD = bool(_TOLD.CPU_NAME or _TOLD.CPU_FEATURES)
_FEATURES = {} if _IS_TOLD else binding.get_host_cpu_features()
"""Of the processor that Numba compiles for; none are relied on where its environment names one."""
_LANES, _N_VECTORS = (16, 4) if _FEATURES.get("avx512f") else (8, 2)
"""Numbers in a vector, and vectors in a tile's row: factors need some registers too."""
_VECTOR, _VECTOR_OF_UNITS = ir.VectorType(FLOAT, _LANES), ir.VectorType(INT, _LANES)
_HAS_PAIRS = _LANES == 16 and bool(_FEATURES.get("avx512bf16"))


@intrinsic
def product(
    _: Any, c: Any, at_c: Any, a: Any, at_a: Any, b: Any, at_b: Any, steps: Any, n: Any
) -> Any:
    """Write a tile of c, from its element `at_c` on; `n` units are summed.

    `steps` are the elements from row to row of c and of a, and from unit to unit of a and of b.
    """
    return types.void(c, at_c, a, at_a, b, at_b, steps, n), _multiply


@intrinsic
def add_product(
    _: Any, c: Any, at_c: Any, a: Any, at_a: Any, b: Any, at_b: Any, steps: Any, n: Any
) -> Any:
    """Add to a tile of c what `product` would write."""
    return types.void(c, at_c, a, at_a, b, at_b, steps, n), _multiply_and_add


def _multiply(context: Any, builder: Any, signature: Any, values: Any) -> Any:
    return _generate(context, builder, signature, values, is_fresh=True)


def _multiply_and_add(context: Any, builder: Any, signature: Any, values: Any) -> Any:
    return _generate(context, builder, signature, values, is_fresh=False)


def _generate(context: Any, builder: Any, signature: Any, values: Any, *, is_fresh: bool) -> Any:
    c, a, b = (place(context, builder, signature, values, i) for i in (0, 2, 4))
    c_row, a_row, a_unit, b_unit = (builder.extract_value(values[6], i) for i in range(4))
    is_paired = signature.args[2].dtype == types.uint32
    rows_of_a = [_after(builder, a, a_row, i) for i in range(TILE_ROWS)]
    for column in range(0, WIDTH, _LANES * _N_VECTORS):
        places = [
            _vectors(builder, _after(builder, c, c_row, i), column) for i in range(TILE_ROWS)
        ]
        sums = [[cgutils.alloca_once(builder, _VECTOR) for _ in row] for row in places]
        for row, own in zip(places, sums, strict=True):
            for where, total in zip(row, own, strict=True):
                start = ir.Constant(_VECTOR, None) if is_fresh else read(builder, where, _VECTOR)
                builder.store(start, total)
        with cgutils.for_range(builder, values[7]) as loop:
            beside = [
                read(builder, where, _VECTOR_OF_UNITS)
                for where in _vectors(builder, _after(builder, b, b_unit, loop.index), column)
            ]
            for row, own in zip(rows_of_a, sums, strict=True):
                unit = read(builder, _after(builder, row, a_unit, loop.index), INT)
                _add_row(builder, own, unit, beside, is_paired=is_paired)
        for row, own in zip(places, sums, strict=True):
            for where, total in zip(row, own, strict=True):
                write(builder, builder.load(total), where)
    return context.get_dummy_value()


def _add_row(
    builder: Any, sums: Sequence[Any], unit: Any, beside: Sequence[Any], *, is_paired: bool
) -> None:
    """Add a unit of a, times the units of b beside it, to a row of sums."""
    everywhere = spread(builder, unit, _VECTOR_OF_UNITS)
    for total, units in zip(sums, beside, strict=True):
        added = _added_pairs if is_paired else _added_numbers
        builder.store(added(builder, builder.load(total), everywhere, units), total)


def _added_numbers(builder: Any, total: Any, x: Any, y: Any) -> Any:
    x, y = (builder.bitcast(each, _VECTOR) for each in (x, y))
    return multiply_add(builder, x, y, total)


def _added_pairs(builder: Any, total: Any, x: Any, y: Any) -> Any:
    if not _HAS_PAIRS:
        for half in (_lower, _upper):
            total = multiply_add(builder, half(builder, x), half(builder, y), total)
        return total
    pairs = ir.VectorType(_BFloat(), 2 * _LANES)
    kind = ir.FunctionType(_VECTOR, [_VECTOR, pairs, pairs])
    instruction = declared(builder, "llvm.x86.avx512bf16.dpbf16ps.512", kind)
    return builder.call(instruction, [total, *(builder.bitcast(each, pairs) for each in (x, y))])


def _lower(builder: Any, pairs: Any) -> Any:
    sixteen = ir.Constant(_VECTOR_OF_UNITS, [16] * _LANES)
    return builder.bitcast(builder.shl(pairs, sixteen), _VECTOR)


def _upper(builder: Any, pairs: Any) -> Any:
    mask = ir.Constant(_VECTOR_OF_UNITS, [0xFFFF0000] * _LANES)
    return builder.bitcast(builder.and_(pairs, mask), _VECTOR)


class _BFloat(ir.Type):
    """LLVM's bfloat, which llvmlite does not name."""

    def _to_string(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _BFloat)

    def __hash__(self) -> int:
        return hash(_BFloat)


def _vectors(builder: Any, where: Any, column: int) -> list[Any]:
    """Pointers to a tile's vectors from a row's `column` on."""
    long = ir.IntType(64)
    return [builder.gep(where, [long(column + _LANES * j)]) for j in range(_N_VECTORS)]


def _after(builder: Any, where: Any, step: Any, n: Any) -> Any:
    """The pointer `n` steps later."""
    n = ir.IntType(64)(n) if isinstance(n, int) else n
    return builder.gep(where, [builder.mul(step, n)])
