"""What one update of several runs reads and writes: flat rows, and numbers by run.

Shapes: ``R`` runs, ``P`` numbers in a row.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from engine.optim import OptimizerSettings
from engine.optim.parts import Parts

Columns = Mapping[str, Tensor]
"""Numbers of one update: name → column [R, 1]."""

Slots = Mapping[str, Tensor]
"""What an optimiser remembers: name → rows [R, P]."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Some runs in the middle of an update; everything is changed in place."""

    weights: Float[Tensor, "R P"]
    gradient: Float[Tensor, "R P"]
    """Used up by the update."""
    slots: Slots
    columns: Columns
    scratch: Float[Tensor, "R P"]
    parts: Parts
    settings: OptimizerSettings
    """Of any of the runs: only what all runs of a batch share is read here (see `shape_key`)."""
    decayed: Bool[Tensor, "R P"] | None = None
    """Which numbers weight decay touches; None where it touches all."""

    def of_decay(self, name: str, *, neutral: float) -> Tensor:
        """A column of weight decay, `neutral` where that touches nothing."""
        column = self.columns[name]
        return column if self.decayed is None else torch.where(self.decayed, column, neutral)
