"""Products of whole matrices within compiled loops, and the layouts that their factors take.

`engine.kernels.products` multiplies a tile of rows by a panel of columns. Here matrices of any
size are brought into its units: those of the first factor side by side in a row, or one below the
other where it is transposed; those of the second always below each other. A unit of float32 is one
number, one of bfloat16 a pair of neighbours in the dimension that is summed over, the last of an
odd number paired with zero.

Room for a matrix has whole tiles of rows or whole panels of columns, so that no product has to
look where it ends; what it holds beyond is zero. Room that a tile may read a few units past the
end of has `SLACK` behind it.

What is not said to be called from outside is for compiled loops alone.
"""

from typing import Any

import numpy as np
from numba import types

from engine.kernels.compiled import compiled, within_loops
from engine.kernels.panels import INT, WIDTH, intrinsic
from engine.kernels.products import TILE_ROWS, add_product, product

ONE = np.float32(1)
SLACK = TILE_ROWS
"""Units past the end of a transposed first factor that its last tile reads."""


@within_loops()
def whole(n: int, of: int) -> int:
    """The least multiple that is not less."""
    return -(-n // of) * of


@within_loops()
def n_units(n: int, paired: int) -> int:
    """Units of a sum of `n` numbers."""
    return (n + paired) >> paired


@intrinsic
def _bits(_: Any, x: Any) -> Any:  # noqa: ARG001
    """The bits of a float32."""

    def generate(_: Any, builder: Any, __: Any, values: Any) -> Any:
        return builder.bitcast(values[0], INT)

    return types.uint32(types.float32), generate


@intrinsic
def holds_pairs(_: Any, units: Any) -> Any:
    """Whether units are pairs: known before the loop is compiled, which then has one way."""
    are_pairs = units.dtype == types.uint32

    def generate(context: Any, _: Any, __: Any, ___: Any) -> Any:
        return context.get_constant(types.boolean, are_pairs)

    return types.boolean(units), generate


@within_loops()
def half(bits: Any) -> Any:
    """The bits of bfloat16, to the nearest, of two to the even one, from those of float32."""
    one, most, sixteen = np.uint32(1), np.uint32(0x7FFF), np.uint32(16)
    return (bits + most + ((bits >> sixteen) & one)) >> sixteen


@within_loops()
def _pair(low: Any, high: Any) -> Any:
    return half(_bits(low)) | (half(_bits(high)) << np.uint32(16))


@within_loops()
def by_row(x: np.ndarray, out: np.ndarray, column: int) -> None:
    """Units side by side, those of row i from out[i, column] on; rows past the last are zero."""
    n, K = x.shape
    if holds_pairs(out):
        # the lower half of a unit comes first in memory
        halves, start = out.view(np.uint16), 2 * column
        for i in range(n):
            own, to = x[i], halves[i, start : start + K + K % 2]
            for k in range(K):
                to[k] = np.uint16(half(_bits(own[k])))
            if K % 2:
                to[K] = 0
    else:
        for i in range(n):
            for k in range(K):
                out[i, column + k] = x[i, k]
    units = (K + 1) // 2 if holds_pairs(out) else K
    for i in range(n, len(out)):
        for u in range(units):
            out[i, column + u] = 0


@within_loops()
def by_column(x: np.ndarray, out: np.ndarray, row: int, column: int) -> None:
    """Units one below the other, of column j from out[row, column + j] on."""
    K, J = x.shape
    if holds_pairs(out):
        for u in range(K // 2):
            # views: LLVM makes no vectors of a row whose number might count from the end
            low, high, to = x[2 * u], x[2 * u + 1], out[row + u, column : column + J]
            for j in range(J):
                to[j] = _pair(low[j], high[j])
        if K % 2:
            for j in range(J):
                out[row + K // 2, column + j] = _pair(x[K - 1, j], np.float32(0))
    else:
        for k in range(K):
            for j in range(J):
                out[row + k, column + j] = x[k, j]


@within_loops()
def by_column_turned(x: np.ndarray, out: np.ndarray, row: int, column: int) -> None:
    """What `by_column` writes of the transposed: x is read along its rows, some at a time."""
    n_columns, n = x.shape
    for start in range(0, n_columns, WIDTH // 4):
        stop = min(start + WIDTH // 4, n_columns)
        if holds_pairs(out):
            for u in range(n // 2):
                for j in range(start, stop):
                    out[row + u, column + j] = _pair(x[j, 2 * u], x[j, 2 * u + 1])
            if n % 2:
                for j in range(start, stop):
                    out[row + n // 2, column + j] = _pair(x[j, n - 1], np.float32(0))
        else:
            for k in range(n):
                for j in range(start, stop):
                    out[row + k, column + j] = x[j, k]


# The same to be called from outside: a layout of its own in every loop would be compiled anew


@compiled
def write_rows(x: np.ndarray, out: np.ndarray, column: int) -> None:
    """`by_row`."""
    by_row(x, out, column)


@compiled
def write_columns(x: np.ndarray, out: np.ndarray, row: int, column: int) -> None:
    """`by_column`."""
    by_column(x, out, row, column)


@compiled
def write_columns_turned(x: np.ndarray, out: np.ndarray, row: int, column: int) -> None:
    """`by_column_turned`."""
    by_column_turned(x, out, row, column)


@within_loops()
def add(x: np.ndarray, scale: float, out: np.ndarray) -> None:
    """Add scale · x to a vector as long as x at least."""
    for j in range(len(x)):
        out[j] += scale * x[j]


@within_loops()
def times(
    c: np.ndarray,
    of_c: tuple[int, int],
    a: np.ndarray,
    of_a: tuple[int, int, int],
    b: np.ndarray,
    of_b: tuple[int, int],
    sizes: tuple[int, int, int],
) -> None:
    """Write c = a · b, of whole tiles and panels.

    `of_c` are the element where c begins and the step from row to row, `of_a` where a begins and
    the steps from row to row and from unit to unit, `of_b` where b begins and the step from unit
    to unit; `sizes` are rows, columns and units.
    """
    (rows, columns, units) = sizes
    steps = (of_c[1], of_a[1], of_a[2], of_b[1])
    for j in range(0, columns, WIDTH):
        for i in range(0, rows, TILE_ROWS):
            at_c, at_a = of_c[0] + i * of_c[1] + j, of_a[0] + i * of_a[1]
            product(c, at_c, a, at_a, b, of_b[0] + j, steps, units)


@within_loops()
def plus_times(
    c: np.ndarray,
    of_c: tuple[int, int],
    a: np.ndarray,
    of_a: tuple[int, int, int],
    b: np.ndarray,
    of_b: tuple[int, int],
    sizes: tuple[int, int, int],
) -> None:
    """Add to c what `times` would write."""
    (rows, columns, units) = sizes
    steps = (of_c[1], of_a[1], of_a[2], of_b[1])
    for j in range(0, columns, WIDTH):
        for i in range(0, rows, TILE_ROWS):
            at_c, at_a = of_c[0] + i * of_c[1] + j, of_a[0] + i * of_a[1]
            add_product(c, at_c, a, at_a, b, of_b[0] + j, steps, units)
