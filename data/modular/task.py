"""How the table of an operation becomes training and test examples.

For p = 5, addition and format `a b =`, the pair (3, 4) is the row [3, 4, 5] with the target [2].
"""

import numpy as np
from jaxtyping import Bool, Int64

from data.modular.formats import FORMATS, rows, token_names, vocab_size
from data.modular.operations import answers, n_pairs, operands
from data.modular.settings import ModularSettings, n_train
from data.task import Split, TaskData, TaskSizes


def build(settings: ModularSettings, *, seed: int) -> TaskData:
    """The full table, split by a permutation that `seed` alone decides."""
    p = settings.p
    a, b = operands(settings.operation, p=p, zero=settings.operand_zero)
    labels = answers(settings.operation, a, b, p=p, seed=seed)
    tokens = rows(settings.format, a, b, p=p)
    targets = labels[:, None]
    order = np.random.default_rng([seed, 0])
    if settings.pairs == "together":
        train = _together(a, b, n_train(settings), order)
    else:
        train = _apart(len(a), n_train(settings), order)
    chance, majority = _guessing(labels)
    return TaskData(
        splits={
            "train": Split(tokens[train], targets[train]),
            "test": Split(tokens[~train], targets[~train]),
        },
        token_names=token_names(settings.format, p=p),
        n_classes=p,
        read_at=(tokens.shape[1] - 1,),
        chance=chance,
        majority=majority,
    )


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
        chance=_guessing(answers(settings.operation, a, b, p=p, seed=0))[0],
    )


def _apart(n: int, train_size: int, order: np.random.Generator) -> Bool[np.ndarray, " N"]:
    """Which pairs are trained on: the first of a permutation."""
    train = np.zeros(n, dtype=bool)
    train[order.permutation(n)[:train_size]] = True
    return train


def _together(
    a: Int64[np.ndarray, " N"],
    b: Int64[np.ndarray, " N"],
    train_size: int,
    order: np.random.Generator,
) -> Bool[np.ndarray, " N"]:
    """Which pairs are trained on when (a, b) and (b, a) may not be separated.

    Pairs without a partner in the table are drawn in proportion, give or take the one that makes
    the number of the others even; so the split has exactly `train_size` pairs.
    """
    unordered = np.minimum(a, b) * (max(a.max(), b.max()) + 1) + np.maximum(a, b)
    _, group, size = np.unique(unordered, return_inverse=True, return_counts=True)
    alone, paired = order.permutation(np.flatnonzero(size == 1)), np.flatnonzero(size == 2)
    n_alone = train_size * len(alone) // len(a)
    if (train_size - n_alone) % 2:
        n_alone += 1 if n_alone < len(alone) else -1
    n_paired = (train_size - n_alone) // 2
    chosen = np.zeros(len(size), dtype=bool)
    chosen[alone[:n_alone]] = True
    chosen[order.permutation(paired)[:n_paired]] = True
    return chosen[group]


def _guessing(labels: Int64[np.ndarray, " N"]) -> tuple[float, float]:
    """Accuracy of a uniform guess over the answers that occur, and of the most frequent one."""
    counts = np.bincount(labels)
    return 1.0 / int(np.count_nonzero(counts)), float(counts.max() / len(labels))
