"""Which rows of a finite table are trained on, where a share of it is."""

from math import ceil, floor

import numpy as np
from jaxtyping import Int64

from data.task import Split


def n_shown(n: int, fraction: float) -> int:
    """How many of `n` rows are trained on: the fraction, rounded down.

    The tiny addend keeps fractions such as 0.29 of 100 from landing one below by rounding.
    """
    return int(n * fraction + 1e-9)


def check_fraction(n: int, fraction: float, *, rows: str) -> None:
    """Refuse a share that leaves one of the splits empty; `rows` says what a table holds.

    Raises:
        ValueError: none of the `n` rows is trained on, or all are.
    """
    if n < 2:
        raise ValueError(
            f"train_fraction needs at least two {rows}, one to train on and one for the test "
            f"split, got {n}; give more {rows}"
        )
    if n_shown(n, fraction) == 0:
        raise ValueError(
            f"train_fraction must leave at least one of {n:,} {rows} to train on, got "
            f"{fraction:g}; give at least {ceil(1000 / n) / 1000:g}"
        )
    if n_shown(n, fraction) == n:
        raise ValueError(
            f"train_fraction must leave at least one of {n:,} {rows} for the test split, "
            f"got {fraction:g}; give at most {floor(1000 * (n - 1) / n) / 1000:g}"
        )


def split_table(
    tokens: Int64[np.ndarray, "N T"], targets: Int64[np.ndarray, "N A"], *, train: int, seed: int
) -> dict[str, Split]:
    """`train` rows to train on and the rest as `test`, by a permutation that `seed` decides.

    Both keep the permutation's order, so that any first few rows are a fair sample.
    """
    order = np.random.default_rng([seed, 0]).permutation(len(tokens))
    first, rest = order[:train], order[train:]
    return {
        "train": Split(tokens[first], targets[first]),
        "test": Split(tokens[rest], targets[rest]),
    }
