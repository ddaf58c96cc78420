"""Mixers and stacks with a value in every parameter."""

from typing import Any

import torch
from torch import Tensor, nn

from engine.models.mixers.block import MIXERS
from engine.models.mixers.mixer import Mixer


def perturbed(module: nn.Module, *, seed: int = 0) -> nn.Module:
    """Every parameter drawn anew, gains around 1, so that nothing hides behind a zero or a one."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            drawn = torch.randn(parameter.shape, generator=generator).to(parameter)
            gain = parameter.ndim == 1 and "norm" in name
            parameter.copy_(1 + 0.3 * drawn if gain else 0.5 * drawn)
    return module


def mixer(settings: Any, *, length: int) -> Mixer:
    """A mixer in float64."""
    made: Any = perturbed(MIXERS[settings.kind](settings, length=length).double())
    return made


def residual(n_examples: int, length: int, width: int) -> Tensor:
    """A residual stream in float64."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n_examples, length, width, generator=generator, dtype=torch.float64)
