"""How Adam's step is taken in one pass over a run's numbers.

As a chain of torch operations the step reads and writes weights, moments and a scratch row ten
times. Source of the step: Kingma & Ba 2015, algorithm 1; Loshchilov & Hutter 2019, algorithm 2.

Shapes: ``P`` numbers of one run.
"""

import numpy as np
from jaxtyping import Float
from torch import Tensor

from engine.kernels.compiled import compiled


def adam_step(
    weights: Float[Tensor, " P"],
    gradient: Float[Tensor, " P"],
    mean: Float[Tensor, " P"],
    square: Float[Tensor, " P"],
    *,
    mean_gain: float,
    square_gain: float,
    mean_rate: float,
    root_correction: float,
    eps: float,
) -> None:
    """Update the moments m and v, then weights −= mean_rate · m / (√v / root_correction + eps).

    m += mean_gain · (gradient − m) and v += square_gain · (gradient² − v). In place, in float32.
    """
    f = np.float32
    _step(
        weights.numpy(),
        gradient.numpy(),
        mean.numpy(),
        square.numpy(),
        f(mean_gain),
        f(square_gain),
        f(mean_rate),
        f(root_correction),
        f(eps),
    )


@compiled
def _step(
    weights: np.ndarray,
    gradient: np.ndarray,
    mean: np.ndarray,
    square: np.ndarray,
    mean_gain: float,
    square_gain: float,
    mean_rate: float,
    root_correction: float,
    eps: float,
) -> None:
    for i in range(len(weights)):
        g = gradient[i]
        m = mean[i] + mean_gain * (g - mean[i])
        v = square[i] + square_gain * (g * g - square[i])
        mean[i] = m
        square[i] = v
        weights[i] -= mean_rate * m / (np.sqrt(v) / root_correction + eps)
