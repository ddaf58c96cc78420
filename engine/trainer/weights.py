"""The weights of several runs, what the optimiser remembers of them, and their update in place.

Shapes: ``R`` runs, ``P`` numbers in a row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from engine.optim import OptimizerSettings
from engine.optim.rows import Columns, Rows
from engine.optim.updates import UPDATES, columns_of_block
from engine.optim.wrappers import finish, prepare
from engine.trainer.mapping import groups
from engine.trainer.noise import noise_of_step
from engine.trainer.rows import Layout


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Group:
    """Runs that are computed together: their rows, and their parameters as leaves of the graph.

    The leaves share the rows' memory, so that updated rows are updated leaves.
    """

    rows: slice
    leaves: Mapping[str, Tensor]
    gradients: tuple[Mapping[str, Tensor], Mapping[str, Tensor]]
    """Views of `Weights.gradient` and of `Weights.scratch`, by parameter."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run's part of the weights, and what its optimiser has to know of its past."""

    weights: Tensor
    """A row [1, P]."""
    slots: Mapping[str, Tensor]
    """Rows [1, P] that are remembered; of Grokfast's window [1, W, P]."""
    updates: int
    """Updates that the optimiser's slots have seen."""
    filtered: int
    """Updates that Grokfast's slots have seen."""
    initial_norm: float
    """Euclidean norm of the weights before the first update."""


class Weights:
    """Rows [R, P] of weights, gradients and optimiser slots, on one device."""

    def __init__(
        self,
        layout: Layout,
        runs: Sequence[Run],
        settings: Sequence[OptimizerSettings],
        device: torch.device,
        *,
        noise_seeds: Sequence[int],
        together: Sequence[slice] | None = None,
    ) -> None:
        """`together` says which rows are computed as one group; by default the device does."""
        self.layout = layout
        self._settings = settings
        self._optimizer = UPDATES[settings[0].kind]
        self._parts = layout.parts(device)
        self._updates = [run.updates for run in runs]
        self._filtered = [run.filtered for run in runs]
        self._initial_norms = [run.initial_norm for run in runs]
        self._noise_seeds = noise_seeds
        self._values = torch.cat([run.weights for run in runs]).to(device)
        self._slots = {
            name: torch.cat([run.slots[name] for run in runs]).to(device) for name in runs[0].slots
        }
        self.gradient = torch.zeros_like(self._values)
        self.scratch = torch.zeros_like(self._values)
        self._constants = self._constant_columns(device)
        self._decayed = self._decayed_rows(device)
        slices = groups(len(runs), device) if together is None else together
        at_once = [slice(0, len(runs))] if self._takes_rows_apart() else slices
        self._still = [(rows, self._rows(rows)) for rows in at_once]
        """What updates change, which lies where it is: of the rows that one takes."""
        self.groups = [self._group(self._values, rows) for rows in slices]
        shown = self._slots.get("average", self._values)
        self.shown_groups = [self._group(shown, rows) for rows in slices]
        """The weights that are measured: their average, where one is kept."""

    @property
    def averages(self) -> bool:
        """Whether an average of the weights is measured in their stead."""
        return "average" in self._slots

    def run(self, row: int) -> Run:
        """One run's part, as views."""
        rows = slice(row, row + 1)
        return Run(
            self._values[rows],
            {name: slot[rows] for name, slot in self._slots.items()},
            self._updates[row],
            self._filtered[row],
            self._initial_norms[row],
        )

    def keep(self, rows: Sequence[int]) -> "Weights":
        """The same weights of some of the runs."""
        return Weights(
            self.layout,
            [self.run(row) for row in rows],
            [self._settings[row] for row in rows],
            self._values.device,
            noise_seeds=[self._noise_seeds[row] for row in rows],
        )

    def table(self, n: int, *, first_step: int, steps: int) -> tuple[tuple[str, ...], Tensor]:
        """The same numbers on the host: their names, and a table [n, K, R, 1]."""
        columns = columns_of_block(
            self._settings,
            self._updates,
            self._filtered,
            first_step=first_step,
            n_steps=n,
            steps=steps,
            device=torch.device("cpu"),
        )
        return tuple(columns[0]), torch.stack([torch.stack(list(c.values())) for c in columns])

    def columns(self, n: int, *, first_step: int, steps: int) -> list[Columns]:
        """The optimiser's numbers of `n` updates, in a budget of `steps`."""
        return columns_of_block(
            self._settings,
            self._updates,
            self._filtered,
            first_step=first_step,
            n_steps=n,
            steps=steps,
            device=self._values.device,
        )

    def update(self, columns: Columns, *, step: int) -> None:
        """Take step `step` (counted from 1) along `gradient`, which is used up."""
        self.apply(columns, noise_of=step)
        self.count(1)

    def apply(self, columns: Columns, *, noise_of: int | None = None) -> None:
        """What an update does on the device; noise only where the host says of which step."""
        columns = {**columns, **self._constants}
        for taken, still in self._still:
            # in what one take has of all runs, nothing needs to be cut out
            is_all = len(self._still) == 1
            own = columns if is_all else {name: each[taken] for name, each in columns.items()}
            rows = replace(still, columns=own)
            prepare(rows)
            if noise_of is not None:
                self._add_noise(taken, noise_of)
            self._optimizer.apply(rows)
            finish(rows)

    def count(self, n: int) -> None:
        """What updates change on the host."""
        self._updates = [done + n for done in self._updates]
        self._filtered = [done + n for done in self._filtered]

    def copies(self) -> list[Tensor]:
        """All that updates change on the device, as copies that `put_back` takes."""
        return [rows.clone() for rows in self._changing()]

    def put_back(self, copies: Sequence[Tensor]) -> None:
        """Undo updates; what they have counted was not counted."""
        for rows, before in zip(self._changing(), copies, strict=True):
            rows.copy_(before)

    def _changing(self) -> list[Tensor]:
        return [self._values, self.gradient, *self._slots.values()]

    def norm(self) -> Float[Tensor, "R 1"]:
        """The Euclidean norm of each run's weights, or of their average where one is kept."""
        return self._norm(self._slots.get("average", self._values))

    def gradient_norm(self) -> Float[Tensor, "R 1"]:
        """The Euclidean norm of each run's gradient."""
        return self._norm(self.gradient)

    def _rows(self, rows: slice) -> Rows:
        return Rows(
            weights=self._values[rows],
            gradient=self.gradient[rows],
            slots={name: slot[rows] for name, slot in self._slots.items()},
            columns={},
            scratch=self.scratch[rows],
            parts=self._parts,
            settings=self._settings[0],
            decayed=None if self._decayed is None else self._decayed[rows],
        )

    def _takes_rows_apart(self) -> bool:
        """Whether an update takes each row by itself, whatever others it is given."""
        wrapped = self._slots.keys() - set(self._optimizer.slots) or self._constants
        if wrapped or self._settings[0].orthogonal_gradient:
            return False
        return self._optimizer.loops(self._values.device)

    def _constant_columns(self, device: torch.device) -> Columns:
        """Numbers that are the same at each update; only of what some run asks for."""
        found: dict[str, list[float]] = {}
        if any(each.clip_norm for each in self._settings):
            found["clip_limit"] = [each.clip_norm or torch.inf for each in self._settings]
        if any(each.norm_factor for each in self._settings):
            found["norm_target"] = [
                each.norm_factor * norm
                for each, norm in zip(self._settings, self._initial_norms, strict=True)
            ]
        return {
            name: torch.tensor(column, device=device)[:, None] for name, column in found.items()
        }

    def _decayed_rows(self, device: torch.device) -> Tensor | None:
        """Which numbers weight decay touches [R, P]; None where it touches all."""
        asked = [each.decay_group for each in self._settings]
        if all(group == "all" for group in asked):
            return None
        return torch.cat([self.layout.decayed(group) for group in asked]).to(device)

    def _add_noise(self, rows: slice, step: int) -> None:
        """Noise depends on a run's seed and the step alone, so that a resumed run repeats it."""
        for row in range(rows.start, rows.stop):
            if deviation := self._settings[row].gradient_noise:
                gradient = self.gradient[row, : self.layout.n_parameters]
                noise = noise_of_step(
                    len(gradient), seed=self._noise_seeds[row], step=step, device=gradient.device
                )
                gradient.add_(noise, alpha=deviation)

    def _norm(self, rows: Tensor) -> Tensor:
        return torch.cat(
            [torch.linalg.vector_norm(rows[g.rows], dim=1, keepdim=True) for g in self.groups]
        )

    def _group(self, values: Tensor, rows: slice) -> Group:
        views = self.layout.views(values[rows])
        leaves = {name: view.detach().requires_grad_() for name, view in views.items()}
        gradient, scratch = (self.layout.views(x[rows]) for x in (self.gradient, self.scratch))
        return Group(rows, leaves, (gradient, scratch))
