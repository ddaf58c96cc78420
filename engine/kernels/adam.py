"""How Adam's step is taken in one pass over a run's numbers.

As a chain of torch operations the step reads and writes weights, moments and a scratch row ten
times. Source of the step: Kingma & Ba 2015, algorithm 1; Loshchilov & Hutter 2019, algorithm 2.

Shapes: ``R`` runs, ``P`` numbers of one.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from engine.kernels.compiled import compiled
from engine.kernels.threads import by_shares

LEAST_SHARE = 1 << 19
"""Numbers that are worth waking up a thread for."""
_ALL = np.empty((0, 0), np.bool_)


def decay(
    weights: Float[Tensor, "R P"],
    keep: Float[Tensor, "R 1"],
    decayed: Bool[Tensor, "R P"] | None = None,
) -> None:
    """Multiply weights, in place, by one number of each run: those that are `decayed`, or all.

    Torch would wake its threads up for it, and these watch for more work for some milliseconds: on
    the cores that the threads of the loops need.
    """
    mask = _ALL if decayed is None else decayed.numpy()
    rows = weights.numpy(), keep.numpy(), mask
    _share_columns(partial(_scale, *rows), weights.shape[1])


def adam_step(
    weights: Float[Tensor, "R P"],
    gradient: Float[Tensor, "R P"],
    mean: Float[Tensor, "R P"],
    square: Float[Tensor, "R P"],
    *,
    mean_gain: Float[Tensor, "R 1"],
    square_gain: Float[Tensor, "R 1"],
    mean_rate: Float[Tensor, "R 1"],
    root_correction: Float[Tensor, "R 1"],
    eps: Float[Tensor, "R 1"],
) -> None:
    """Update the moments m and v, then weights −= mean_rate · m / (√v / root_correction + eps).

    m += mean_gain · (gradient − m) and v += square_gain · (gradient² − v). In place, in float32.
    """
    rows = weights, gradient, mean, square
    numbers = mean_gain, square_gain, mean_rate, root_correction, eps
    arrays = [x.numpy() for x in (*rows, *numbers)]
    _share_columns(partial(_step, *arrays), weights.shape[1])


def _share_columns(loop: Callable[[int, int], None], n: int) -> None:
    """Call `loop` (first, end) for parts of `n` columns; threads share many of them."""
    by_shares(lambda share, _: loop(share.start, share.stop), n, of=LEAST_SHARE)


@compiled
def _scale(
    weights: np.ndarray, keep: np.ndarray, decayed: np.ndarray, first: int, last: int
) -> None:
    for r in range(len(weights)):
        # views: a number that might count from the end keeps loops from becoming vectors
        w, by = weights[r, first:last], keep[r, 0]
        if len(decayed):
            own = decayed[r, first:last]
            for i in range(len(w)):
                w[i] *= by if own[i] else np.float32(1)
        else:
            for i in range(len(w)):
                w[i] *= by


@compiled
def _step(
    weights: np.ndarray,
    gradient: np.ndarray,
    mean: np.ndarray,
    square: np.ndarray,
    mean_gain: np.ndarray,
    square_gain: np.ndarray,
    mean_rate: np.ndarray,
    root_correction: np.ndarray,
    eps: np.ndarray,
    first: int,
    last: int,
) -> None:
    for r in range(len(weights)):
        to_mean, to_square, rate = mean_gain[r, 0], square_gain[r, 0], mean_rate[r, 0]
        correction, least = root_correction[r, 0], eps[r, 0]
        w, along = weights[r, first:last], gradient[r, first:last]
        m, v = mean[r, first:last], square[r, first:last]
        for i in range(len(w)):
            g = along[i]
            m[i] += to_mean * (g - m[i])
            v[i] += to_square * (g * g - v[i])
            w[i] -= rate * m[i] / (np.sqrt(v[i]) / correction + least)
