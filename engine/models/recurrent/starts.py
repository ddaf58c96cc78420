"""Which initial values the recurrent networks draw."""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def uniform(
    parameter: Float[Tensor, "..."], bound: float, generator: torch.Generator
) -> Float[Tensor, "..."]:
    """Values of the parameter's shape, even over ±bound."""
    return (2 * torch.rand(parameter.shape, generator=generator) - 1) * bound


def orthogonal(
    parameter: Float[Tensor, "o i"], gain: float, generator: torch.Generator
) -> Float[Tensor, "o i"]:
    """A matrix of the parameter's shape whose rows or columns, the fewer, are orthogonal.

    Their length is `gain`. Source: Saxe et al. 2014.
    """
    drawn = torch.empty(parameter.shape)
    return torch.nn.init.orthogonal_(drawn, gain, generator=generator)


def time_steps(n: int, generator: torch.Generator) -> Float[Tensor, " n"]:
    """Biases whose softplus is log-uniform over 0.001 … 0.1.

    Source: Gu and Dao 2023, section 3.6.
    """
    low, high = math.log(1e-3), math.log(1e-1)
    steps = torch.exp(low + (high - low) * torch.rand(n, generator=generator))
    return steps + torch.log(-torch.expm1(-steps))
