"""Which tasks (a, b) are trained on: rectangles, so that a new task shares each of its factors.

A task is written as the number a·p + b. A rectangle has the corners (a, b), (a, y), (x, b) and
(x, y) with a ≠ x and b ≠ y.

Source: He, Doshi, Das & Gromov 2024, section 3 (the rectangular rule).
"""

from math import isqrt

import numpy as np
from jaxtyping import Int64


def most_rectangles(p: int) -> int:
    """How many rectangles without a common corner there are room for, however they are drawn.

    More than p (1 + √(4p − 3)) / 2 tasks left free always hold one more.

    Source: Reiman 1958, "Über ein Problem von K. Zarankiewicz".
    """
    without = (p + isqrt(p * p * (4 * p - 3))) // 2
    return (p * p - without - 1) // 4 + 1


def seen_tasks(n_rectangles: int, *, p: int, rng: np.random.Generator) -> Int64[np.ndarray, " N"]:
    """The 4·`n_rectangles` tasks of rectangles without a common corner, four after four.

    Needs `n_rectangles` ≤ `most_rectangles(p)`, else it may never end.
    """
    free = np.ones((p, p), dtype=bool)
    tasks: list[int] = []
    while len(tasks) < 4 * n_rectangles:
        a, x = rng.choice(p, size=2, replace=False).tolist()
        b, y = rng.choice(p, size=2, replace=False).tolist()
        corners = np.ix_([a, x], [b, y])
        if free[corners].all():
            free[corners] = False
            tasks += [a * p + b, a * p + y, x * p + b, x * p + y]
    return np.array(tasks, dtype=np.int64)
