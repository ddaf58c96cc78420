"""How often an answer is right that looks at no question."""

import numpy as np
from jaxtyping import Int64


def guessing(labels: Int64[np.ndarray, " N"]) -> tuple[float, float]:
    """Accuracy of a uniform guess over the answers that occur, and of the most frequent one."""
    counts = np.bincount(labels)
    return 1.0 / int(np.count_nonzero(counts)), float(counts.max() / len(labels))
