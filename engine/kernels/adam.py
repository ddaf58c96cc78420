"""How Adam's step is taken in one pass over a run's numbers.

As a chain of torch operations the step reads and writes weights, moments and a scratch row ten
times. Source of the step: Kingma & Ba 2015, algorithm 1; Loshchilov & Hutter 2019, algorithm 2.

Shapes: ``R`` runs, ``P`` numbers of one.
"""

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from engine.kernels.compiled import compiled, within_loops
from engine.kernels.matrices import ONE
from engine.kernels.threads import by_shares

LEAST_SHARE = 1 << 19
"""Numbers that are worth waking up a thread for."""
_ALL = np.empty((0, 0), np.bool_)


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
    keep: Float[Tensor, "R 1"] | None = None,
    decayed: Bool[Tensor, "R P"] | None = None,
) -> None:
    """Update the moments, then w = keep · w − mean_rate · m / (√v / root_correction + eps).

    m += mean_gain · (gradient − m) and v += square_gain · (gradient² − v). In place, in float32.
    `keep` is the weight decay, of all weights or of those that are `decayed`; None is none.
    """
    rows = weights, gradient, mean, square
    numbers = mean_gain, square_gain, mean_rate, root_correction, eps
    arrays = [x.numpy() for x in (*rows, *numbers)]
    kept = np.ones((len(weights), 1), np.float32) if keep is None else keep.numpy()
    mask = _ALL if decayed is None else decayed.numpy()
    by_shares(
        lambda share, _: _step(*arrays, kept, mask, share.start, share.stop),
        weights.shape[1],
        of=LEAST_SHARE,
    )


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
    keep: np.ndarray,
    decayed: np.ndarray,
    first: int,
    last: int,
) -> None:
    for r in range(len(weights)):
        gains, rate = (mean_gain[r, 0], square_gain[r, 0]), mean_rate[r, 0]
        correction, least, by = root_correction[r, 0], eps[r, 0], keep[r, 0]
        # views: a number that might count from the end keeps loops from becoming vectors
        w, along = weights[r, first:last], gradient[r, first:last]
        m, v = mean[r, first:last], square[r, first:last]
        # both round alike: a run may be alone, or beside one of whose numbers not all decay
        if len(decayed):
            own = decayed[r, first:last]
            for i in range(len(w)):
                m[i], v[i] = _moved(m[i], v[i], along[i], gains)
                kept = by if own[i] else ONE
                w[i] = kept * w[i] - rate * m[i] / (np.sqrt(v[i]) / correction + least)
        else:
            for i in range(len(w)):
                m[i], v[i] = _moved(m[i], v[i], along[i], gains)
                w[i] = by * w[i] - rate * m[i] / (np.sqrt(v[i]) / correction + least)


@within_loops()
def _moved(m: float, v: float, g: float, gains: tuple[float, float]) -> tuple[float, float]:
    """The moments after a gradient."""
    to_mean, to_square = gains
    return m + to_mean * (g - m), v + to_square * (g * g - v)
