"""How well a network does that does not look at the question: what accuracy is compared with."""

import numpy as np
from jaxtyping import Int64

from data.task import IGNORED, Split


def guessing(labels: Int64[np.ndarray, "*N"]) -> tuple[float, float]:
    """Accuracy of a uniform guess over the answers that occur, and of the most frequent one.

    Targets that are `IGNORED` are no answers.
    """
    counts = np.bincount(labels[labels != IGNORED])
    return 1.0 / int(np.count_nonzero(counts)), float(counts.max() / counts.sum())


def majority_of(splits: dict[str, Split]) -> float:
    """Accuracy of always giving the answer that is most frequent over all splits."""
    return guessing(np.concatenate([split.targets.reshape(-1) for split in splits.values()]))[1]
