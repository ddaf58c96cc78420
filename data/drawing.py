"""How rows are drawn where a task has far more of them than it shows."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Int64

Rows = Int64[np.ndarray, "N W"]


def distinct_rows(draw: Callable[[int], Rows], n: int) -> Rows:
    """`n` different rows in the order in which `draw(count)` first gives them.

    The caller sees to it that there are well over `n` rows to be drawn, else this never ends.
    """
    rows = draw(n)
    while True:
        _, first = np.unique(rows, axis=0, return_index=True)
        rows = rows[np.sort(first)]
        if len(rows) >= n:
            return rows[:n]
        rows = np.concatenate([rows, draw(n - len(rows) + 16)])


def choices(rng: np.random.Generator, n: int, *, among: int, each: int) -> Rows:
    """`n` rows of `each` different numbers below `among`, in random order.

    Every row is the start of a shuffle; rows are drawn in parts that bound memory.
    """
    parts = [
        np.argsort(rng.random((min(4096, n - done), among)), axis=1)[:, :each]
        for done in range(0, n, 4096)
    ]
    return np.concatenate(parts).astype(np.int64)
