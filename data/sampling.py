"""How a few of very many things are drawn without listing them all."""

from math import ceil

import numpy as np
from jaxtyping import Int64


def distinct(rng: np.random.Generator, n: int, size: int) -> Int64[np.ndarray, " N"]:
    """`size` different integers of 0 … n−1 in random order, every such list equally likely.

    Memory grows with `size`, not with `n`: repeats are thrown away as they come, unless so many
    are asked for that a permutation of all is cheaper.
    """
    if size > n:
        raise ValueError(f"cannot draw {size:,} different numbers below {n:,}")
    if n <= 4 * size:
        return rng.permutation(n)[:size].astype(np.int64)
    drawn = np.empty(0, dtype=np.int64)
    while len(drawn) < size:
        more = rng.integers(0, n, size=ceil(1.2 * size) + 8, dtype=np.int64)
        drawn = np.concatenate([drawn, more])
        first = np.unique(drawn, return_index=True)[1]
        drawn = drawn[np.sort(first)]
    return drawn[:size]
