"""Which answers are right, in one look at each row of logits.

Torch finds the largest logit of every row first, which for a few classes costs several times as
much as the question whether any other reaches the answer's.

Shapes: ``B`` examples, ``A`` answer positions, ``V`` vocabulary.
"""

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from engine.kernels.compiled import compiled


def n_right_by_loops(
    logits: Float[Tensor, "B A V"], targets: Int64[Tensor, "B A"], *, n_classes: int
) -> Int64[Tensor, " A"]:
    """`engine.losses.cross_entropy.n_right` on the CPU; nothing is right beside a NaN."""
    found = np.zeros(targets.shape[1], dtype=np.int64)
    _count(logits.detach().numpy(), targets.numpy(), n_classes, found)
    return torch.from_numpy(found)


@compiled
def _count(logits: np.ndarray, targets: np.ndarray, n_classes: int, found: np.ndarray) -> None:
    B, A = targets.shape
    one, none = np.float32(1), np.float32(0)
    for b in range(B):
        for a in range(A):
            target = targets[b, a]
            if target < 0 or target >= n_classes:
                continue
            # written so that a NaN counts as ahead, and in floats, of which a vector holds more
            mine, n_ahead = logits[b, a, target], none
            for j in range(n_classes):
                n_ahead += none if logits[b, a, j] <= mine else one
            if n_ahead > none:
                continue
            # of equal ones the first counts
            for j in range(target):
                n_ahead += none if logits[b, a, j] < mine else one
            found[a] += n_ahead == none
