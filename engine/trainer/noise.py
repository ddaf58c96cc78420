"""Chance that is added to what a run learns from: on gradients, training answers and layers."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from data import IGNORED, Split, TaskData

_GRADIENT_STREAM, _LABEL_STREAM, _DROPOUT_STREAM = 2, 3, 4
"""Tell kinds of noise from each other and from the order of examples, drawn from an equal seed.

Some tasks draw other things of the bits of the labels' noise.
"""


def noise_of_step(n: int, *, seed: int, step: int, device: torch.device) -> Float[Tensor, " n"]:
    """Standard normal numbers: they depend on the seed, the step and the kind of device alone."""
    stream = np.random.SeedSequence([seed, _GRADIENT_STREAM, step]).generate_state(1)
    generator = torch.Generator(device).manual_seed(int(stream[0]))
    return torch.randn(n, generator=generator, device=device)


def dropout_key(*, seed: int, step: int, part: int) -> int:
    """Which numbers a part of a step's examples leaves out, as 32 bits."""
    stream = np.random.SeedSequence([seed, _DROPOUT_STREAM, step, part])
    return int(stream.generate_state(1)[0])


def with_label_noise(task: TaskData, share: float, *, seed: int) -> TaskData:
    """The task with a share of its training answers replaced, each by another one.

    Exactly round(share × answers) of those that are asked for are replaced, by answers drawn
    evenly from the others that occur in the split; where only one occurs, none is. A larger share
    replaces the same answers and more.
    """
    train = task.splits["train"]
    stream = np.random.default_rng([seed, _LABEL_STREAM])
    targets = train.targets.copy()
    asked = np.flatnonzero(targets != IGNORED)
    known = np.unique(targets.flat[asked])
    order = stream.permutation(asked)
    shifts = stream.integers(1, max(len(known), 2), size=len(asked))
    n = round(share * len(asked)) if len(known) > 1 else 0
    chosen = order[:n]
    places = np.searchsorted(known, targets.flat[chosen])
    targets.flat[chosen] = known[(places + shifts[:n]) % len(known)]
    return replace(task, splits={**task.splits, "train": Split(train.tokens, targets)})
