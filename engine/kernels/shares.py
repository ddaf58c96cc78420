"""What cross-entropy does with logits before and after the exponential, which is torch's.

Shapes: ``R`` rows of logits, ``V`` vocabulary, ``C`` classes.
"""

from functools import partial

import numpy as np
from jaxtyping import Float, Int64
from torch import Tensor

from data.task import IGNORED
from engine.kernels.compiled import REARRANGED, compiled


def n_asked(targets: Int64[Tensor, " R"]) -> int:
    """How many rows ask for an answer."""
    return int(_count(targets.numpy(), IGNORED))


def differences(
    logits: Float[Tensor, "R V"],
    targets: Int64[Tensor, " R"],
    out: Float[Tensor, "R C"],
    ahead: Float[Tensor, " R"],
) -> None:
    """Write logits − the largest of a row's classes, in the type of `out`; so of each answer.

    A row whose target is `IGNORED` has nothing ahead.
    """
    _subtract(logits.numpy(), targets.numpy(), out.numpy(), ahead.numpy(), IGNORED)


def loss_and_gradient(
    shares: Float[Tensor, "R C"],
    ahead: Float[Tensor, " R"],
    targets: Int64[Tensor, " R"],
    gradient: Float[Tensor, "R W"],
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


def loss_alone(
    shares: Float[Tensor, "R C"],
    ahead: Float[Tensor, " R"],
    targets: Int64[Tensor, " R"],
    *,
    scale: float,
) -> float:
    """The sum that `loss_and_gradient` returns."""
    arrays = (shares.numpy(), ahead.numpy(), targets.numpy())
    return _add(*arrays, shares.numpy().dtype.type(scale), IGNORED)


# the largest of many is found in vector lanes where no order with a NaN has to be kept; a NaN
# among them comes out of the subtraction, whatever is subtracted
@partial(compiled, fastmath=REARRANGED | {"nnan"})
def _subtract(
    logits: np.ndarray, targets: np.ndarray, out: np.ndarray, ahead: np.ndarray, ignored: int
) -> None:
    R, C = out.shape
    for r in range(R):
        most = logits[r, 0]
        for j in range(1, C):
            most = max(most, logits[r, j])
        largest = out.dtype.type(most)
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


@compiled
def _add(
    shares: np.ndarray, ahead: np.ndarray, targets: np.ndarray, scale: float, ignored: int
) -> float:
    R, C = shares.shape
    loss = 0.0
    for r in range(R):
        if targets[r] != ignored:
            total = scale * 0
            for j in range(C):
                total += shares[r, j]
            loss += np.log(total) - ahead[r]
    return loss * scale


@compiled
def _count(targets: np.ndarray, ignored: int) -> int:
    n = 0
    for target in targets:
        n += target != ignored
    return n
