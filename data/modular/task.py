"""How the table of an operation becomes training and test examples.

For p = 5, addition and format `a b =`, the pair (3, 4) is the row [3, 4, 5] with the target [2].
"""

import numpy as np
from jaxtyping import Int64

from data.guessing import guessing
from data.modular.formats import FORMATS, alphabets, rows, token_names, vocab_size
from data.modular.operations import answers, n_pairs, operands
from data.modular.settings import ModularSettings, n_train
from data.task import Split, TaskData, TaskSizes

Places = Int64[np.ndarray, " N"]


def build(settings: ModularSettings, *, seed: int) -> TaskData:
    """The full table, split by a permutation that `seed` alone decides.

    Both splits keep the permutation's order, so that any first few rows are a fair sample.
    """
    p = settings.p
    a, b = operands(settings.operation, p=p, zero=settings.operand_zero)
    labels = answers(settings.operation, a, b, p=p, seed=seed)
    tokens = rows(settings.format, a, b, p=p)
    targets = labels[:, None]
    order = np.random.default_rng([seed, 0]).permutation(len(a))
    if settings.pairs == "together":
        order = _partners_together(a, b, order, n_train(settings))
    train, test = order[: n_train(settings)], order[n_train(settings) :]
    chance, majority = guessing(labels)
    return TaskData(
        splits={
            "train": Split(tokens[train], targets[train]),
            "test": Split(tokens[test], targets[test]),
        },
        token_names=token_names(settings.format, p=p),
        n_classes=p,
        read_at=(tokens.shape[1] - 1,),
        chance=chance,
        majority=majority,
        alphabets=alphabets(settings.format, a, b, p=p),
    )


def positions(settings: ModularSettings) -> tuple[str, ...]:
    """What stands at each position."""
    return FORMATS[settings.format]


def sizes(settings: ModularSettings) -> TaskSizes:
    """What `build` will deliver, without tokens or splits; `random` is judged by seed 0."""
    p = settings.p
    a, b = operands(settings.operation, p=p, zero=settings.operand_zero)
    examples = n_pairs(settings.operation, p=p, zero=settings.operand_zero)
    train = n_train(settings)
    return TaskSizes(
        examples=examples,
        train=train,
        test=examples - train,
        vocabulary=vocab_size(settings.format, p=p),
        length=len(FORMATS[settings.format]),
        n_classes=p,
        n_read=1,
        chance=guessing(answers(settings.operation, a, b, p=p, seed=0))[0],
    )


def _partners_together(a: Places, b: Places, order: Places, train_size: int) -> Places:
    """`order` rearranged so that no (a, b) is among its first `train_size` without (b, a).

    Pairs without a partner in the table are trained on in proportion, give or take the one that
    makes the number of the others even; so both parts have exactly the size they should have.
    """
    unordered = np.minimum(a, b) * (max(a.max(), b.max()) + 1) + np.maximum(a, b)
    _, first, group, size = np.unique(
        unordered[order], return_index=True, return_inverse=True, return_counts=True
    )
    by_order = np.argsort(first)
    alone, paired = by_order[size[by_order] == 1], by_order[size[by_order] == 2]
    n_alone = train_size * len(alone) // len(a)
    if (train_size - n_alone) % 2:
        n_alone += 1 if n_alone < len(alone) else -1
    trained = np.zeros(len(size), dtype=bool)
    trained[alone[:n_alone]] = True
    trained[paired[: (train_size - n_alone) // 2]] = True
    return np.concatenate([order[trained[group]], order[~trained[group]]])
