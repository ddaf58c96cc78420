"""Sixty-four numbers at a time, as Numba's loops see them: a panel, held in the registers.

Numba leaves it to LLVM whether a loop over an array becomes vectors, and keeps nothing in
registers from one loop to the next. Here a value of a loop *is* a vector: `load` reads one,
`plus_scaled` adds to it, `store` writes it.

All functions are for compiled loops alone. `start` is the number of an element of a contiguous
array, counted in row-major order; nothing is checked.
"""

from typing import Any

from llvmlite import ir
from numba import extending, types
from numba.core.datamodel.models import PrimitiveModel

intrinsic: Any = extending.intrinsic
"""Of functions whose first parameter no caller sees."""

WIDTH = 64
"""Numbers in a panel."""

FLOAT, INT = ir.FloatType(), ir.IntType(32)
_PANEL, _BITS = ir.VectorType(FLOAT, WIDTH), ir.VectorType(INT, WIDTH)
_SHORTS = ir.VectorType(ir.IntType(16), WIDTH)


class _Panel(types.Type):
    """The type of such a value in Numba."""


panel = _Panel(name="panel")


@extending.register_model(_Panel)
class _PanelModel(PrimitiveModel):
    def __init__(self, manager: Any, of: Any) -> None:
        super().__init__(manager, of, _PANEL)


@intrinsic
def load(_: Any, array: Any, start: Any) -> Any:
    """A panel of a float32 array."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return read(builder, place(context, builder, signature, values), _PANEL)

    return panel(array, start), generate


@intrinsic
def store(_: Any, array: Any, start: Any, x: Any) -> Any:
    """Write a panel; into a uint16 array as bfloat16: to the nearest, of two to the even one."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        x = values[2]
        if signature.args[0].dtype == types.uint16:
            x = builder.trunc(_rounded(builder, x), _SHORTS)
        write(builder, x, place(context, builder, signature, values))
        return context.get_dummy_value()

    return types.void(array, start, x), generate


@intrinsic
def plus(_: Any, x: Any, y: Any) -> Any:
    """X + y."""
    return panel(x, y), lambda _, builder, __, values: builder.fadd(*values)


@intrinsic
def plus_scaled(_: Any, x: Any, scale: Any, y: Any) -> Any:  # noqa: ARG001
    """X + scale · y, of a scale in float32."""

    def generate(_: Any, builder: Any, __: Any, values: Any) -> Any:
        x, scale, y = values
        return multiply_add(builder, spread(builder, scale, _PANEL), y, x)

    return panel(x, types.float32, y), generate


@intrinsic
def dot(_: Any, x: Any, y: Any) -> Any:
    """Σ x · y, summed in lanes."""

    def generate(_: Any, builder: Any, __: Any, values: Any) -> Any:
        kind = ir.FunctionType(FLOAT, [FLOAT, _PANEL])
        total = declared(builder, f"llvm.vector.reduce.fadd.v{WIDTH}f32", kind)
        return builder.call(total, [FLOAT(0.0), builder.fmul(*values)], fastmath=("reassoc",))

    return types.float32(x, y), generate


@intrinsic
def rectified(_: Any, x: Any) -> Any:
    """The ReLU; NaN stays."""

    def generate(_: Any, builder: Any, __: Any, values: Any) -> Any:
        none = ir.Constant(_PANEL, None)
        return builder.select(builder.fcmp_ordered("<", values[0], none), none, values[0])

    return panel(x), generate


@intrinsic
def where_positive(_: Any, x: Any, hidden: Any) -> Any:
    """X where a rectified panel is not 0, and 0 elsewhere: the gradient of the ReLU."""

    def generate(_: Any, builder: Any, __: Any, values: Any) -> Any:
        x, hidden = values
        none = ir.Constant(_PANEL, None)
        return builder.select(builder.fcmp_ordered("<=", hidden, none), none, x)

    return panel(x, hidden), generate


@intrinsic
def keep(_: Any, array: Any, start: Any, x: Any, half: Any) -> Any:
    """Write a panel; into a uint32 array as bfloat16, each number's lower (0) or upper half (1).

    The lower halves come first.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        where, x, half = place(context, builder, signature, values), values[2], values[3]
        if signature.args[0].dtype == types.uint32:
            x = _rounded(builder, x)
            with builder.if_else(builder.icmp_unsigned("==", half, half.type(0))) as (low, high):
                with low:
                    write(builder, x, where)
                with high:
                    up = builder.shl(x, _all(16))
                    write(builder, builder.or_(up, read(builder, where, _BITS)), where)
        else:
            write(builder, x, where)
        return context.get_dummy_value()

    return types.void(array, start, x, half), generate


@intrinsic
def kept(_: Any, array: Any, start: Any, half: Any) -> Any:
    """What `keep` wrote."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        where, half = place(context, builder, signature, values), values[2]
        if signature.args[0].dtype == types.float32:
            return read(builder, where, _PANEL)
        bits = read(builder, where, _BITS)
        is_low = builder.icmp_unsigned("==", half, half.type(0))
        up = builder.select(is_low, builder.shl(bits, _all(16)), bits)
        return builder.bitcast(builder.and_(up, _all(0xFFFF0000)), _PANEL)

    return panel(array, start, half), generate


def _rounded(builder: Any, x: Any) -> Any:
    """The bits of bfloat16 in the lower halves."""
    bits = builder.bitcast(x, _BITS)
    odd = builder.and_(builder.lshr(bits, _all(16)), _all(1))
    return builder.lshr(builder.add(bits, builder.add(odd, _all(0x7FFF))), _all(16))


def _all(x: int) -> Any:
    return ir.Constant(_BITS, [x] * WIDTH)


# For code that is built instruction by instruction, here and in `engine.kernels.products`.


def place(context: Any, builder: Any, signature: Any, values: Any, argument: int = 0) -> Any:
    """A pointer to the element of an array argument whose number is the argument after it."""
    kind, array = signature.args[argument], values[argument]
    data = context.make_array(kind)(context, builder, array).data
    return builder.gep(data, [values[argument + 1]])


def read(builder: Any, where: Any, kind: Any) -> Any:
    """A value of that type, which need not begin at a line of the caches."""
    return builder.load(builder.bitcast(where, kind.as_pointer()), align=4)


def write(builder: Any, x: Any, where: Any) -> None:
    """Write a value, likewise."""
    builder.store(x, builder.bitcast(where, x.type.as_pointer()), align=2)


def spread(builder: Any, x: Any, kind: Any) -> Any:
    """A vector of x alone."""
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), x, INT(0))
    everywhere = ir.Constant(ir.VectorType(INT, kind.count), None)
    return builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), everywhere)


def multiply_add(builder: Any, x: Any, y: Any, z: Any) -> Any:
    """X · y + z, rounded once."""
    kind = ir.FunctionType(x.type, [x.type] * 3)
    name = f"llvm.fma.v{x.type.count}{'f32' if x.type.element == FLOAT else 'f64'}"
    return builder.call(declared(builder, name, kind), [x, y, z])


def declared(builder: Any, name: str, kind: Any) -> Any:
    """One of LLVM's own functions, in the module that is built."""
    found = builder.module.globals.get(name)
    return ir.Function(builder.module, kind, name) if found is None else found
