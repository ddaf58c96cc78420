"""How bits become rows: the answer is whether an odd number of the bits that count is set.

With 6 bits of which the second, third and last count, [1, 0, 1, 0, 0, 1] has the target [0],
read at the last bit, the first place from which a causal network has seen them all.

Source: Barak et al. 2022, section 2 (sparse parities).
"""

import numpy as np
from jaxtyping import Int64

from data.fraction import split_table
from data.guessing import majority_of
from data.parity.settings import ParitySettings, n_rows
from data.task import TaskData, TaskSizes


def build(settings: ParitySettings, *, seed: int) -> TaskData:
    """Different rows, each of them once in one split; `seed` draws them and the bits that count.

    Chance is one half, also where so few rows are drawn that only one answer occurs.
    """
    train, test = n_rows(settings)
    codes = np.random.default_rng([seed, 2]).choice(
        2**settings.n_bits, size=train + test, replace=False
    )
    tokens = codes[:, None] >> np.arange(settings.n_bits - 1, -1, -1) & 1
    answers = tokens[:, relevant_bits(settings, seed=seed)].sum(axis=1, keepdims=True) % 2
    splits = split_table(tokens, answers, train=train, seed=seed)
    return TaskData(
        splits=splits,
        token_names=("0", "1"),
        n_classes=2,
        read_at=(settings.n_bits - 1,),
        chance=0.5,
        majority=majority_of(splits),
    )


def relevant_bits(settings: ParitySettings, *, seed: int) -> Int64[np.ndarray, " K"]:
    """The positions of the bits that count, from left to right."""
    drawn = np.random.default_rng([seed, 1]).choice(settings.n_bits, settings.k, replace=False)
    return np.sort(drawn)


def positions(settings: ParitySettings) -> tuple[str, ...]:
    """What stands at each position."""
    return tuple(f"b{i + 1}" for i in range(settings.n_bits))


def sizes(settings: ParitySettings) -> TaskSizes:
    """What `build` will deliver."""
    train, test = n_rows(settings)
    return TaskSizes(
        examples=train + test,
        train=train,
        test=test,
        vocabulary=2,
        length=settings.n_bits,
        n_classes=2,
        n_read=1,
        chance=0.5,
    )
