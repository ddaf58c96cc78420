"""Chance that is added to what a run learns from: noise on gradients."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

_GRADIENT_STREAM = 2
"""Keeps gradient noise independent of the order drawn from an equal seed."""


def noise_of_step(n: int, *, seed: int, step: int, device: torch.device) -> Float[Tensor, " n"]:
    """Standard normal numbers: they depend on the seed, the step and the kind of device alone."""
    stream = np.random.SeedSequence([seed, _GRADIENT_STREAM, step]).generate_state(1)
    generator = torch.Generator(device).manual_seed(int(stream[0]))
    return torch.randn(n, generator=generator, device=device)
