"""What every mixer owes its block, and how heads are split and joined.

Shapes: ``B`` examples, ``T`` tokens, ``A`` read positions, ``C`` d_model, ``H`` heads,
``D`` width of one head.
"""

from abc import abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from engine.models.mixers.start import first_values


class Mixer(nn.Module):
    """Carries what earlier positions know to the positions that are read.

    Gates and outputs are projected in `dtype`. What a recurrence is fed stays in the weights' own
    type from its projection on, like decays, states and solves: the norm after a head magnifies
    the rounding of an output that is near nothing.
    """

    has_maps = False
    """Whether `maps` has something to show: rows that sum to 1 over the past."""

    captures = True
    """Whether it can be recorded as a CUDA graph."""

    @abstractmethod
    def forward(
        self, x: Float[Tensor, "B T C"], read: tuple[int, ...], dtype: torch.dtype
    ) -> Float[Tensor, "B A C"]:
        """What is added to the residual stream at the positions `read`."""

    def maps(self, x: Float[Tensor, "B T C"], dtype: torch.dtype) -> Float[Tensor, "B H T T"]:
        """Where each head looks; only where `has_maps` says so."""
        raise NotImplementedError(f"{type(self).__name__} has no maps for {x.shape} in {dtype}")

    def start(
        self, name: str, parameter: Tensor, generator: torch.Generator, *, scale: float, depth: int
    ) -> Tensor:
        """Fresh values of one of its parameters, by its name in the mixer, in layer `depth`."""
        del depth
        return first_values(name, parameter, generator, scale=scale)


def split_heads(x: Float[Tensor, "B T E"], n_heads: int) -> Float[Tensor, "B H T D"]:
    """Queries, keys or values by head."""
    return x.unflatten(-1, (n_heads, -1)).transpose(1, 2)


def join_heads(x: Float[Tensor, "B H A D"]) -> Float[Tensor, "B A E"]:
    """The heads side by side again."""
    return x.transpose(1, 2).flatten(2)
