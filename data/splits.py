"""How rows are put together into a split."""

import numpy as np

from data.sampling import distinct
from data.task import Split


def some(rng: np.random.Generator, rows: Split, most: int) -> Split:
    """At most so many of the rows, in random order."""
    chosen = distinct(rng, len(rows), min(most, len(rows)))
    return Split(rows.tokens[chosen], rows.targets[chosen])


def at_most(most: int, *pools: int) -> int:
    """How many rows `some` gives of all pools together."""
    return sum(min(most, pool) for pool in pools)


def joined(rng: np.random.Generator, *parts: Split) -> Split:
    """All rows of some splits, in random order."""
    order = rng.permutation(sum(map(len, parts)))
    return Split(
        np.concatenate([part.tokens for part in parts])[order],
        np.concatenate([part.targets for part in parts])[order],
    )
