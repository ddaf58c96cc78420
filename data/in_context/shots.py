"""How accuracy grows along a row: the more triples were shown, the surer the hidden task."""

import numpy as np
from jaxtyping import Float64, Int64

from data.task import IGNORED


def accuracy_by_shot(
    predicted: Int64[np.ndarray, "B A"], targets: Int64[np.ndarray, "B A"]
) -> Float64[np.ndarray, " A"]:
    """Accuracy at each triple, the first first; NaN where a split asks for no answer.

    `predicted` holds the most likely class at every position of `TaskData.read_at`.

    Source: He, Doshi, Das & Gromov 2024, figure 4 (k-shot inference).
    """
    asked = targets != IGNORED
    right = ((predicted == targets) & asked).sum(axis=0).astype(np.float64)
    n_asked = asked.sum(axis=0)
    return np.divide(right, n_asked, out=np.full(len(right), np.nan), where=n_asked > 0)
