"""How a Python loop becomes machine code: compiled once on a machine, then read from disk."""

import hashlib
import importlib.util
import inspect
import os
from collections.abc import Callable, Collection
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

REARRANGED = {"reassoc", "contract", "arcp", "nsz"}
"""Sums may be taken in vector lanes; NaN and infinity keep their meaning, or a loss that stops
being finite would not be seen."""

_SOURCES = sorted(Path(__file__).parent.glob("*.py"))
_EDITION = hashlib.sha256(b"".join(each.read_bytes() for each in _SOURCES)).hexdigest()[:12]
"""Tells these kernels' machine code on disk from that of other editions. It is read with them: a
process that was there before an update must not pass its code off as the new one."""
_MAKING = Lock()


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
            with _MAKING:  # threads may be the first together
                if not made:
                    made.append(_made(function, fastmath))
        return made[0](*arguments)

    return call


def _made(function: Callable[..., Any], fastmath: Collection[str]) -> Callable[..., Any]:
    import numba

    decorate: Any = numba.njit(cache=True, nogil=True, fastmath=set(fastmath), error_model="numpy")
    # under the tests' checks of shapes the function comes wrapped
    plain: Any = inspect.unwrap(function)
    # Numba looks whether the function's own file has changed, not those that it builds on
    plain.__qualname__ += f"-{_EDITION}"
    return decorate(plain)


def within_loops(fastmath: Collection[str] = REARRANGED) -> Callable[[Any], Any]:
    """Make of a function a part that loops of `compiled` call; it becomes one with them."""
    from numba.extending import register_jitable

    return lambda function: register_jitable(fastmath=set(fastmath))(inspect.unwrap(function))


def is_on_disk() -> bool:
    """Whether some loop of this edition has been compiled on this machine before."""
    folder = os.environ.get("NUMBA_CACHE_DIR") or Path(__file__).with_name("__pycache__")
    return any(Path(folder).rglob(f"*-{_EDITION}-*.nbi"))
