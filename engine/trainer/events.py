"""What training tells its caller: evaluations, snapshots, checkpoints due, progress, the end.

`Crowded` may come at any point of a step, before what was being done is done.

At one step events come in the order of this file. `Progress` closes a step: when it arrives, the
batch is at that step, everything measured there has been told, and the caller may save, fork or
remove runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

Metrics = Mapping[str, Mapping[str, float]]
"""{split: {metric: number}}; split `""` holds metrics of no split."""


@dataclass(frozen=True, slots=True)
class Diverged:
    """A run's loss stopped being finite at `step`; it has left the batch, the others go on."""

    run: int
    step: int
    message: str


@dataclass(frozen=True, slots=True)
class Crowded:
    """Memory ran out: half of the runs leave after this event, the others do again what failed.

    Now is the time to save the states of those that leave, at the batch's step.
    """

    step: int
    leaving: tuple[int, ...]
    is_told: bool
    """Whether all that is due up to the step has been told, so that a run that goes on from its
    state at this step misses nothing."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What was measured on the weights after `step` updates, by run; all numbers are finite."""

    step: int
    values: Mapping[int, Metrics]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Named arrays read off each run's network after `step` updates."""

    step: int
    kind: str
    arrays: Mapping[int, Mapping[str, np.ndarray]]


@dataclass(frozen=True, slots=True)
class CheckpointDue:
    """A log-spaced step whose state is worth keeping: a place to fork from."""

    step: int


@dataclass(frozen=True, slots=True)
class Progress:
    """A block of steps is done; the caller may act before asking for the next event."""

    step: int


@dataclass(frozen=True, slots=True)
class Finished:
    """The batch has reached its budget of steps."""

    step: int


Event = Diverged | Crowded | Evaluated | Snapshot | CheckpointDue | Progress | Finished
