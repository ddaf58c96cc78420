"""A batch of runs in the middle of training, and how it moves on.

Shapes: ``R`` runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from data import build_task
from engine.config.run import RunConfig
from engine.models.build import build_model
from engine.trainer.devices import pick_device, set_tf32
from engine.trainer.examples import Examples, Feed, stack
from engine.trainer.noise import dropout_key, with_label_noise
from engine.trainer.program import Dropped, Program
from engine.trainer.rows import Layout
from engine.trainer.seeds import seed_of
from engine.trainer.shape import shape_key
from engine.trainer.state import State, fresh, pack, unpack
from engine.trainer.weights import Group, Weights


@dataclass(frozen=True, slots=True)
class Gradient:
    """What the weights of one step gave on the examples of the next update."""

    loss: Float[Tensor, " R"]
    accuracy: Float[Tensor, " R"] | None
    """Only where it was asked for."""


class Batch:
    """R ≥ 1 runs of one shape (see `shape_key`) at one step, trained in one program.

    Runs are known by the caller's own numbers. Same settings, same curve, bit for bit, on the
    CPU, whatever runs share the batch.
    """

    def __init__(
        self,
        configs: Mapping[int, RunConfig],
        states: Mapping[int, State] | None,
        *,
        step: int,
        device: torch.device | None,
    ) -> None:
        assert len({shape_key(config) for config in configs.values()}) == 1
        self.configs = dict(configs)
        self.step = step
        some = next(iter(self.configs.values()))
        self.training = some.training
        self.device = device or pick_device(some.training)
        if self.device.type == "cuda":
            set_tf32(some.training.precision)
        training = [config.training for config in self.configs.values()]
        tasks = [
            with_label_noise(
                build_task(config.task, seed=seed_of(config.training, "split")),
                config.training.label_noise,
                seed=seed_of(config.training, "split"),
            )
            for config in self.configs.values()
        ]
        self.feed = Feed(
            stack(tasks, "train", self.device),
            batch_size=some.training.batch_size,
            order_seeds=[seed_of(each, "order") for each in training],
        )
        self.held_out = {
            name: stack(tasks, name, self.device) for name in tasks[0].splits if name != "train"
        }
        task = tasks[0]
        self.by_answer = task.by_answer
        """Whether accuracy is told answer by answer."""
        network = build_model(some.model, vocab_size=task.vocab_size, length=task.length)
        layout = Layout.of(network)
        optimizers = [config.optimizer for config in self.configs.values()]
        rows = [
            fresh(layout, network, optimizers[0], seed=seed_of(config.training, "init"))
            if states is None
            else unpack(layout, states[run], optimizers[0])
            for run, config in self.configs.items()
        ]
        self.weights = Weights(
            layout,
            rows,
            optimizers,
            self.device,
            noise_seeds=[seed_of(each, "order") for each in training],
        )
        self.program = Program(network.to(self.device), task, some.training, device=self.device)
        self._gradient: Gradient | None = None
        self._losses: list[tuple[int, Tensor]] = []

    @classmethod
    def start(
        cls, configs: Mapping[int, RunConfig], device: torch.device | None = None
    ) -> "Batch":
        """New runs at step 0; `device` defaults to what `training.device` asks for."""
        return cls(configs, None, step=0, device=device)

    @classmethod
    def resume(
        cls,
        configs: Mapping[int, RunConfig],
        states: Mapping[int, State],
        step: int,
        device: torch.device | None = None,
    ) -> "Batch":
        """Runs as `state` left them after `step` updates, perhaps under other settings.

        Raises:
            NotPossible: a state does not fit the network of its settings.
        """
        return cls(configs, states, step=step, device=device)

    @property
    def runs(self) -> tuple[int, ...]:
        """The runs that are still in the batch."""
        return tuple(self.configs)

    @property
    def drops(self) -> bool:
        """Whether the runs leave out a part of what their layers give."""
        return self.training.dropout > 0

    @property
    def n_parameters(self) -> int:
        """Trainable numbers of one run."""
        return self.weights.layout.n_parameters

    def state(self, run: int) -> dict[str, Tensor]:
        """All that `resume` needs to go on exactly, as CPU tensors that share no memory."""
        return pack(self.weights.layout, self.weights.run(self.runs.index(run)))

    def remove(self, run: int) -> None:
        """Let a run leave; the others go on as if it had never been there."""
        kept = [row for row, other in enumerate(self.runs) if other != run]
        del self.configs[run]
        self._losses = [(step, loss[kept]) for step, loss in self._losses]
        self._gradient = None
        if kept:
            self.weights = self.weights.keep(kept)
            self.feed = self.feed.keep(kept)
            self.held_out = {name: split.of(kept) for name, split in self.held_out.items()}

    def advance(self, n: int) -> None:
        """Make `n` updates of every run, without waiting for the device."""
        steps = self.training.steps
        for columns in self.weights.columns(n, first_step=self.step + 1, steps=steps):
            self._losses.append((self.step, self.gradient().loss))
            self.step += 1
            self.weights.update(columns, step=self.step)
            self._gradient = None

    def gradient(self, *, with_accuracy: bool = False) -> Gradient:
        """The gradient that the next update will take, left in `weights`; computed once a step.

        An evaluation asks for it first, with the accuracy that falls off it.
        """
        if self._gradient is None:
            examples = self.feed.at(self.step + 1)
            found = [
                self._gradient_of(group, examples.of(group.rows), with_accuracy=with_accuracy)
                for group in self.weights.groups
            ]
            loss, right = (torch.cat(each) for each in zip(*found, strict=True))
            accuracy = right / examples.n_answers().clamp(min=1) if with_accuracy else None
            self._gradient = Gradient(loss, accuracy)
        return self._gradient

    def diverged(self) -> dict[int, int]:
        """Runs with a non-finite loss since the last call, and the first such step of each."""
        taken, self._losses = self._losses, []
        if not taken:
            return {}
        infinite = ~torch.stack([loss for _, loss in taken]).isfinite().cpu()
        return {
            run: taken[int(infinite[:, row].int().argmax())][0]
            for row, run in enumerate(self.runs)
            if infinite[:, row].any()
        }

    def _gradient_of(
        self, group: Group, examples: Examples, *, with_accuracy: bool
    ) -> tuple[Tensor, Tensor]:
        """Loss and number of right answers; parts of the examples are taken one by one."""
        weights, n_examples = self.weights, examples.tokens.shape[1]
        n_parts = min(self.training.accumulate, n_examples)
        asked = examples.n_answers().clamp(min=1) if n_parts > 1 else None
        loss = torch.zeros(1, device=self.device)
        right = torch.zeros(1, device=self.device)
        for i, part in enumerate(examples.parts(n_parts)):
            share = None if asked is None else part.n_answers() / asked
            gradients, part_loss, logits = self.program.gradients(
                group.leaves, part, share, self._dropout(group.rows, part=i)
            )
            rows = (weights.scratch if i else weights.gradient)[group.rows]
            weights.layout.fill(rows, gradients)
            if i:
                weights.gradient[group.rows] += rows
            loss = loss + part_loss
            if with_accuracy:
                right = right + self.program.n_right(logits, part)
        return loss, right

    def _dropout(self, rows: slice, *, part: int) -> Dropped:
        """What the next update leaves out: the run's seed, the step and the part decide."""
        if not self.drops:
            return ()
        configs = list(self.configs.values())[rows]
        seeds = self.feed.order_seeds[rows]
        keys = [dropout_key(seed=seed, step=self.step + 1, part=part) for seed in seeds]
        rates = [config.training.dropout for config in configs]
        return torch.tensor(keys, device=self.device), torch.tensor(rates, device=self.device)
