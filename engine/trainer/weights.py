"""The weights of several runs, what the optimiser remembers of them, and their update in place.

Shapes: ``R`` runs, ``P`` numbers in a row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from engine.optim import OptimizerSettings
from engine.optim.rows import Columns, Rows
from engine.optim.updates import UPDATES, clip_rows, columns_of_block
from engine.trainer.mapping import groups
from engine.trainer.rows import Layout


@dataclass(frozen=True, slots=True)
class Group:
    """Runs that are computed together: their rows, and their parameters as leaves of the graph.

    The leaves share the rows' memory, so that updated rows are updated leaves.
    """

    rows: slice
    leaves: Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Run:
    """One run's part of the weights: a row [1, P] of each, and how many updates it has seen."""

    weights: Tensor
    slots: Mapping[str, Tensor]
    updates: int


class Weights:
    """Rows [R, P] of weights, gradients and optimiser slots, on one device."""

    def __init__(
        self,
        layout: Layout,
        runs: Sequence[Run],
        settings: Sequence[OptimizerSettings],
        device: torch.device,
    ) -> None:
        self.layout = layout
        self._settings = settings
        self._optimizer = UPDATES[settings[0].kind]
        self._parts = layout.parts(device)
        self._updates = [run.updates for run in runs]
        self._values = torch.cat([run.weights for run in runs]).to(device)
        self._slots = {
            name: torch.cat([run.slots[name] for run in runs]).to(device)
            for name in self._optimizer.slots
        }
        self.gradient = torch.zeros_like(self._values)
        self.scratch = torch.zeros_like(self._values)
        self._limits = torch.tensor(
            [[each.clip_norm or torch.inf] for each in settings], device=device
        )
        self._clips = any(each.clip_norm for each in settings)
        self.groups = [
            Group(rows, self._leaves(rows)) for rows in groups(len(runs), self._values.device)
        ]

    def run(self, row: int) -> Run:
        """One run's part, as views."""
        rows = slice(row, row + 1)
        slots = {name: slot[rows] for name, slot in self._slots.items()}
        return Run(self._values[rows], slots, self._updates[row])

    def keep(self, rows: Sequence[int]) -> "Weights":
        """The same weights of some of the runs."""
        return Weights(
            self.layout,
            [self.run(row) for row in rows],
            [self._settings[row] for row in rows],
            self._values.device,
        )

    def columns(self, n: int, *, first_step: int, steps: int) -> list[Columns]:
        """The optimiser's numbers of `n` updates, in a budget of `steps`."""
        return columns_of_block(
            self._settings,
            self._updates,
            first_step=first_step,
            n_steps=n,
            steps=steps,
            device=self._values.device,
        )

    def update(self, columns: Columns) -> None:
        """Take one step along `gradient`, which is used up."""
        if self._clips:
            clip_rows(self.gradient, self.gradient_norm(), self._limits)
        for rows in (group.rows for group in self.groups):
            self._optimizer.apply(
                Rows(
                    weights=self._values[rows],
                    gradient=self.gradient[rows],
                    slots={name: slot[rows] for name, slot in self._slots.items()},
                    columns={name: column[rows] for name, column in columns.items()},
                    scratch=self.scratch[rows],
                    parts=self._parts,
                    settings=self._settings[0],
                )
            )
        self._updates = [done + 1 for done in self._updates]

    def norm(self) -> Float[Tensor, "R 1"]:
        """The Euclidean norm of each run's weights."""
        return self._norm(self._values)

    def gradient_norm(self) -> Float[Tensor, "R 1"]:
        """The Euclidean norm of each run's gradient."""
        return self._norm(self.gradient)

    def _norm(self, rows: Tensor) -> Tensor:
        return torch.cat(
            [torch.linalg.vector_norm(rows[g.rows], dim=1, keepdim=True) for g in self.groups]
        )

    def _leaves(self, rows: slice) -> dict[str, Tensor]:
        views = self.layout.views(self._values[rows])
        return {name: view.detach().requires_grad_() for name, view in views.items()}
