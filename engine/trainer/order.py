"""Which examples a step takes: all of them, or a slice of an epoch's permutation."""

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

_ORDER_STREAM = 1
"""Tells the order of examples from other things drawn from an equal seed.

In epoch 0 its bits are those of `default_rng([seed, 1])`, of which some tasks draw what they are
about: other things, or other numbers of things.
"""


def permutation(n: int, *, order_seed: int, epoch: int) -> Int64[Tensor, " n"]:
    """The order of examples in an epoch: it depends on the seed and the epoch alone.

    So a resumed run needs no state but its step.
    """
    stream = np.random.default_rng([order_seed, _ORDER_STREAM, epoch])
    return torch.from_numpy(stream.permutation(n))


def batches_per_epoch(n: int, batch_size: int) -> int:
    """How many whole batches an epoch has; the remainder waits for another permutation."""
    return max(n // batch_size, 1)


def batch_of_step(step: int, *, n: int, batch_size: int) -> tuple[int, slice]:
    """The epoch of update `step` (counted from 1), and its place in that epoch's permutation."""
    epoch, place = divmod(step - 1, batches_per_epoch(n, batch_size))
    return epoch, slice(place * batch_size, place * batch_size + batch_size)
