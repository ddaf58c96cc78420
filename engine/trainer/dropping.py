"""Which numbers the steps of several runs leave out of what their layers give.

Shapes: ``S`` steps, ``R`` runs, ``E`` parts of a step's examples.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Int64
from torch import Tensor

from engine.trainer.noise import dropout_key
from engine.trainer.program import Dropout


class Dropping:
    """The dropout of runs that have one: their seeds, the step and the part decide."""

    def __init__(
        self,
        seeds: Sequence[int],
        rates: Sequence[float],
        *,
        n_parts: int,
        device: torch.device,
    ) -> None:
        self._seeds, self._n_parts = seeds, n_parts
        self._rates = torch.tensor(rates, device=device)

    def keys(self, first_step: int, n: int) -> Int64[Tensor, "S R E"]:
        """What names the numbers that `n` updates from `first_step` on leave out, on the host."""
        return torch.tensor(
            [
                [
                    [dropout_key(seed=seed, step=step, part=part) for part in range(self._n_parts)]
                    for seed in self._seeds
                ]
                for step in range(first_step, first_step + n)
            ]
        )

    def of(self, keys: Int64[Tensor, "_ E"], rows: slice, part: int) -> Dropout:
        """What the network is told for a part of some runs' examples, on the device."""
        return keys[rows, part], self._rates[rows]
