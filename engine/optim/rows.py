"""What one update of several runs reads and writes: flat rows, and numbers by run.

Shapes: ``R`` runs, ``P`` numbers in a row.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from engine.optim import OptimizerSettings
from engine.optim.parts import Parts

Columns = Mapping[str, Tensor]
"""Numbers of one update: name → column [R, 1], or [R, P] where they differ within a row."""

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
