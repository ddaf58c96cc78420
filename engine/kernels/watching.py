"""How a thread waits for a number in memory to change without going to sleep."""

import os
import platform
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from engine.kernels.compiled import compiled
from engine.kernels.panels import declared, intrinsic, place

_PAUSE = {"x86_64": "llvm.x86.sse2.pause", "amd64": "llvm.x86.sse2.pause"}.get(
    platform.machine().lower()
)
"""LLVM's name of the instruction that tells a core that it waits."""
_GIVES_WAY = hasattr(os, "sched_yield")
BETWEEN = 50
"""Looks before a thread that watches asks whether others want its core: about a microsecond."""


@intrinsic
def _now(_: Any, numbers: Any, at: Any) -> Any:
    """A number as another thread has left it: not what an earlier turn of a loop has read."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        where = place(context, builder, signature, values)
        return builder.load_atomic(where, "acquire", 8)

    return types.int64(numbers, at), generate


@intrinsic
def _pause(_: Any) -> Any:
    def generate(context: Any, builder: Any, _: Any, __: Any) -> Any:
        if _PAUSE is not None:
            builder.call(declared(builder, _PAUSE, ir.FunctionType(ir.VoidType(), [])), [])
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def _give_way(_: Any) -> Any:
    """Let others have the core, if there are any who want it."""

    def generate(context: Any, builder: Any, _: Any, __: Any) -> Any:
        if _GIVES_WAY:
            builder.call(declared(builder, "sched_yield", ir.FunctionType(ir.IntType(32), [])), [])
        return context.get_dummy_value()

    return types.void(), generate


@compiled
def watch(numbers: np.ndarray, at: int, known: int, most: int) -> None:
    """Return when an int64 is no longer the one that is known, or after `most` looks."""
    for look in range(most):
        if _now(numbers, at) != known:
            return
        if look % BETWEEN == BETWEEN - 1:
            _give_way()
        _pause()
