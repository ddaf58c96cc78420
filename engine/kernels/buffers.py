"""Where loops write: memory that begins with a cache line, and is used again."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

Take = Callable[[str, tuple[int, ...], Any], np.ndarray]
"""(name, shape, type) → an array; what it holds is not defined."""

_TYPES = {np.float32: torch.float32, np.uint32: torch.uint32, np.uint16: torch.uint16}


def fresh(name: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray:  # noqa: ARG001
    """An array of its own. Torch aligns it to 64 bytes: a vector that is loaded is one line."""
    return torch.empty(shape, dtype=_TYPES[dtype]).numpy()


def room(*shape: int, paired: int = 0) -> np.ndarray:
    """Of float32, or of pairs of bfloat16 if `paired`; what it holds is not defined."""
    return fresh("", shape, np.uint32 if paired else np.float32)


def zeros(*shape: int, paired: int = 0) -> np.ndarray:
    """The same of zeros: layouts leave alone what fills them up."""
    own = room(*shape, paired=paired)
    own.fill(0)
    return own


class Buffers:
    """Memory that is given out again: all arrays of one name lie in the same place."""

    def __init__(self) -> None:
        self._flat: dict[str, np.ndarray] = {}

    def take(self, name: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """An array; it shares its memory with the last one of that name, if that was as large."""
        n, flat = math.prod(shape), self._flat.get(name)
        if flat is None or flat.dtype != dtype or len(flat) < n:
            flat = self._flat[name] = fresh(name, (n,), dtype)
        return flat[:n].reshape(shape)
