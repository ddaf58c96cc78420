"""How the table of a group becomes training and test examples.

In S3, the elements 123 132 213 231 312 321 are the tokens 0 … 5 and `=` is 6. In the format
`a b =`, 132 · 213 reads [1, 2, 6] with the target [4]: 1 goes to 2 and then to 3, so 312.
"""

import numpy as np

from data.fraction import split_table
from data.guessing import guessing
from data.modular import formats
from data.permutation.groups import names, order, products
from data.permutation.settings import PermutationSettings, n_pairs, n_train
from data.task import TaskData, TaskSizes


def build(settings: PermutationSettings, *, seed: int) -> TaskData:
    """The full table, split by a permutation that `seed` alone decides."""
    n = order(settings.group)
    a, b = np.divmod(np.arange(n * n, dtype=np.int64), n)
    answers = products(settings.operation, a, b, group=settings.group)
    tokens = formats.rows(settings.format, a, b, p=n)
    chance, majority = guessing(answers)
    return TaskData(
        splits=split_table(tokens, answers[:, None], train=n_train(settings), seed=seed),
        token_names=(*names(settings.group), *formats.token_names(settings.format, p=n)[n:]),
        n_classes=n,
        read_at=(tokens.shape[1] - 1,),
        chance=chance,
        majority=majority,
    )


def positions(settings: PermutationSettings) -> tuple[str, ...]:
    """What stands at each position."""
    return formats.FORMATS[settings.format]


def sizes(settings: PermutationSettings) -> TaskSizes:
    """What `build` will deliver; every operation reaches every element of the group."""
    n, pairs, train = order(settings.group), n_pairs(settings), n_train(settings)
    return TaskSizes(
        examples=pairs,
        train=train,
        test=pairs - train,
        vocabulary=formats.vocab_size(settings.format, p=n),
        length=len(formats.FORMATS[settings.format]),
        n_classes=n,
        n_read=1,
        chance=1.0 / n,
    )
