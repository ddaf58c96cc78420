"""What cross-entropy does with logits before and after the exponential, which is torch's.

Shapes: ``R`` rows of logits, ``V`` vocabulary, ``C`` classes.
"""

import numpy as np
from jaxtyping import Float, Int64
from torch import Tensor

from data.task import IGNORED
from engine.kernels.compiled import compiled


def differences(
    logits: Float[Tensor, "R V"],
    most: Float[Tensor, "R 1"],
    targets: Int64[Tensor, " R"],
    out: Float[Tensor, "R C"],
    ahead: Float[Tensor, " R"],
) -> None:
    """Write logits − `most`, in the type of `out`, and the same of each row's answer.

    A row whose target is `IGNORED` has nothing ahead.
    """
    arrays = (logits.numpy(), most.numpy(), targets.numpy(), out.numpy(), ahead.numpy())
    _subtract(*arrays, IGNORED)


def loss_and_gradient(
    shares: Float[Tensor, "R C"],
    ahead: Float[Tensor, " R"],
    targets: Int64[Tensor, " R"],
    gradient: Float[Tensor, "R V"],
    *,
    scale: float,
) -> float:
    """Sum over rows of scale · (ln Σ shares − ahead), and into `gradient` that of the logits.

    `shares` are exp(logits − their largest), `ahead` the answer's logit − the largest. A row whose
    target is `IGNORED` counts for nothing.
    """
    return _write(
        shares.numpy(),
        ahead.numpy(),
        targets.numpy(),
        gradient.numpy(),
        shares.numpy().dtype.type(scale),
        IGNORED,
    )


@compiled
def _subtract(
    logits: np.ndarray,
    most: np.ndarray,
    targets: np.ndarray,
    out: np.ndarray,
    ahead: np.ndarray,
    ignored: int,
) -> None:
    R, C = out.shape
    for r in range(R):
        largest = out.dtype.type(most[r, 0])
        for j in range(C):
            out[r, j] = out.dtype.type(logits[r, j]) - largest
        ahead[r] = 0 if targets[r] == ignored else out[r, targets[r]]


@compiled
def _write(
    shares: np.ndarray,
    ahead: np.ndarray,
    targets: np.ndarray,
    gradient: np.ndarray,
    scale: float,
    ignored: int,
) -> float:
    (R, C), V = shares.shape, gradient.shape[1]
    loss = 0.0
    for r in range(R):
        target = targets[r]
        total = scale * 0
        for j in range(C):
            total += shares[r, j]
        by = scale / total
        if target == ignored:
            by = scale * 0
        else:
            loss += np.log(total) - ahead[r]
        for j in range(C):
            gradient[r, j] = shares[r, j] * by
        for j in range(C, V):
            gradient[r, j] = 0
        if target != ignored:
            gradient[r, target] -= scale
    return loss * scale
