"""How a Python loop becomes machine code: compiled once on a machine, then read from disk."""

import hashlib
import importlib.util
import inspect
from collections.abc import Callable, Collection
from functools import cache
from pathlib import Path
from typing import Any

REARRANGED = {"reassoc", "contract", "arcp", "nsz"}
"""Sums may be taken in vector lanes; NaN and infinity keep their meaning, or a loss that stops
being finite would not be seen."""


@cache
def available() -> bool:
    """Whether loops can be compiled here; the package is missing on some GPU machines."""
    return importlib.util.find_spec("numba") is not None


def compiled(
    function: Callable[..., Any], *, fastmath: Collection[str] = REARRANGED
) -> Callable[..., Any]:
    """The same loop as machine code, compiled at its first call and read from disk later.

    The loop releases the interpreter's lock. Its numbers depend on nothing but its arguments.
    `fastmath` names what LLVM may take for granted.
    """
    made: list[Callable[..., Any]] = []

    def call(*arguments: Any) -> Any:
        if not made:
            import numba

            decorate: Any = numba.njit(
                cache=True, nogil=True, fastmath=set(fastmath), error_model="numpy"
            )
            # under the tests' checks of shapes the function comes wrapped
            plain: Any = inspect.unwrap(function)
            # Numba looks whether the function's own file has changed, not those that it builds on
            plain.__qualname__ += f"-{_edition()}"
            made.append(decorate(plain))
        return made[0](*arguments)

    return call


def within_loops(fastmath: Collection[str] = REARRANGED) -> Callable[[Any], Any]:
    """Make of a function a part that loops of `compiled` call; it becomes one with them."""
    from numba.extending import register_jitable

    return lambda function: register_jitable(fastmath=set(fastmath))(inspect.unwrap(function))


@cache
def _edition() -> str:
    """What tells these kernels' machine code on disk from that of other editions."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(each.read_bytes() for each in sources)).hexdigest()[:12]
