"""A batch of runs in the middle of training, and how it moves on.

Shapes: ``R`` runs.
"""

from collections.abc import Mapping
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from data import IGNORED, build_task
from engine.config.run import RunConfig
from engine.kernels.compiled import available
from engine.models.build import build_model
from engine.trainer.capture import Recorder, recorder_for
from engine.trainer.compiling import decide
from engine.trainer.devices import pick_device, set_tf32
from engine.trainer.dropping import Dropping
from engine.trainer.examples import Feed, held_out_names, stack
from engine.trainer.gradient import Dropped, Gradient, take_gradient
from engine.trainer.noise import with_label_noise
from engine.trainer.program import Program
from engine.trainer.replay import Measure, Measured, Replay
from engine.trainer.rows import Layout
from engine.trainer.seeds import seed_of
from engine.trainer.settling import settled
from engine.trainer.shape import shape_key
from engine.trainer.state import State, fresh, pack, unpack
from engine.trainer.weights import Weights


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
        has_compiler: bool,
        recorder: Recorder | None,
    ) -> None:
        assert len({shape_key(config) for config in configs.values()}) == 1
        self.device = device or pick_device(next(iter(configs.values())).training)
        self.configs = {run: settled(own, self.device.type) for run, own in configs.items()}
        self.step = step
        some = next(iter(self.configs.values()))
        self.training = some.training
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
        self.held_out = {name: stack(tasks, name, self.device) for name in held_out_names(tasks)}
        self.lacking = {
            run: frozenset(self.held_out) - frozenset(own.splits)
            for run, own in zip(self.configs, tasks, strict=True)
        }
        """Which of these splits a run has nothing in."""
        self.majority = {run: own.majority for run, own in zip(self.configs, tasks, strict=True)}
        """Of each run, the accuracy of always giving the most frequent answer."""
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
        by_loops = (
            network.has_loops
            and self.device.type == "cpu"
            and available()
            and not some.training.dropout
        )
        self.decision = decide(
            some, self.device.type, network_compiles=not by_loops, has_compiler=has_compiler
        )
        """Whether the step is compiled, and why."""
        self.spreads = by_loops and network.spreads and not self.decision.compiled
        """Whether it trains the same, to the bit, however many threads its loops have."""
        self.program = Program(
            network.to(self.device),
            task,
            some.training,
            d_model=some.model.d_model,
            device=self.device,
            compiled=self.decision.compiled,
        )
        self.is_whole = True
        """Whether the weights are those of `step`; not when an update was broken off."""
        # noise is drawn on the host's word, step by step
        is_replayable = network.captures and not any(each.gradient_noise for each in optimizers)
        self._recorder = (recorder or recorder_for(self.device)) if is_replayable else None
        self._set_up()
        self._gradient: Gradient | None = None
        self._losses: list[tuple[int, Gradient | Float[Tensor, "S R"]]] = []
        """The step of the first of some losses in a row, and where these are."""

    @classmethod
    def start(
        cls,
        configs: Mapping[int, RunConfig],
        device: torch.device | None = None,
        *,
        has_compiler: bool = True,
        recorder: Recorder | None = None,
    ) -> "Batch":
        """New runs at step 0; `device` defaults to what `training.device` asks for.

        `recorder` replays steps also where they would be launched one by one.
        """
        return cls(
            configs, None, step=0, device=device, has_compiler=has_compiler, recorder=recorder
        )

    @classmethod
    def resume(
        cls,
        configs: Mapping[int, RunConfig],
        states: Mapping[int, State],
        step: int,
        device: torch.device | None = None,
        *,
        has_compiler: bool = True,
        recorder: Recorder | None = None,
    ) -> "Batch":
        """Runs as `state` left them after `step` updates, perhaps under other settings.

        Raises:
            NotPossible: a state does not fit the network of its settings.
        """
        return cls(
            configs,
            states,
            step=step,
            device=device,
            has_compiler=has_compiler,
            recorder=recorder,
        )

    @property
    def runs(self) -> tuple[int, ...]:
        """The runs that are still in the batch."""
        return tuple(self.configs)

    @property
    def is_replayed(self) -> bool:
        """Whether whole steps are recorded and replayed."""
        return self._replay is not None

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
        self._losses = [(step, losses[:, kept]) for step, losses in self._told()]
        self._gradient = None
        if kept:
            self.weights = self.weights.keep(kept)
            self.feed = self.feed.keep(kept)
            self.held_out = {name: split.of(kept) for name, split in self.held_out.items()}
            self._set_up()

    def advance(self, n: int) -> None:
        """Make `n` updates of every run, without waiting for the device."""
        if self._replay is not None:
            while n > 0:
                part = min(n, self._replay.most_steps)
                self._advance_by(self._replay, part)
                n -= part
            return
        steps = self.training.steps
        for columns in self.weights.columns(n, first_step=self.step + 1, steps=steps):
            self._losses.append((self.step, self.gradient()))
            self.is_whole = False
            self.weights.update(columns, step=self.step + 1)
            self.is_whole = True
            self.step += 1
            self._gradient = None

    def advance_to(self, step: int) -> None:
        """Make the updates that are missing from `step`: after an error, those that are left."""
        self.advance(step - self.step)

    def forget_passes(self) -> None:
        """Let go of what was computed on the way to the next update; it is computed again."""
        self._gradient = None
        self._set_up()

    def gradient(self, *, with_accuracy: bool = False) -> Gradient:
        """The gradient that the next update will take, left in `weights`; computed once a step.

        An evaluation asks for it first, with the accuracy that falls off it.
        """
        if self._gradient is None:
            self._gradient = take_gradient(
                self.program,
                self.weights,
                self.feed.at(self.step + 1),
                self._dropped(self.step + 1),
                n_parts=self.training.accumulate,
                with_accuracy=with_accuracy,
            )
        return self._gradient

    def asked(self, split: str) -> list[int]:
        """At which of the read positions some row of a held-out split asks for an answer."""
        if split not in self._asked:
            targets = self.held_out[split].targets
            asked = (targets != IGNORED).any(0).any(0)
            self._asked[split] = torch.nonzero(asked).flatten().tolist()
        return self._asked[split]

    def measure(self, measure: Measure, *, with_accuracy: bool) -> Measured:
        """What `measure` finds at this step, given the gradient of the next update.

        It is the same function at each call: what it does may have been recorded.
        """
        if self._replay is None:
            with self.program.holding():
                return measure(self.gradient(with_accuracy=with_accuracy))
        self._gradient, found = self._replay.measure(
            measure, step=self.step + 1, with_accuracy=with_accuracy
        )
        return found

    def diverged(self) -> dict[int, int]:
        """Runs with a non-finite loss since the last call, and the first such step of each."""
        if all(isinstance(each, Gradient) and each.is_known_finite for _, each in self._losses):
            self._losses = []
            return {}
        taken, self._losses = self._told(), []
        infinite = ~torch.cat([losses for _, losses in taken]).isfinite().cpu()
        steps = [first + i for first, losses in taken for i in range(len(losses))]
        return {
            run: steps[int(infinite[:, row].int().argmax())]
            for row, run in enumerate(self.runs)
            if infinite[:, row].any()
        }

    def _told(self) -> list[tuple[int, Float[Tensor, "S R"]]]:
        """The losses since the last call of `diverged`."""
        return [
            (step, each.loss[None] if isinstance(each, Gradient) else each)
            for step, each in self._losses
        ]

    def _advance_by(self, replay: Replay, n: int) -> None:
        replay.prepare(n, first_step=self.step + 1, steps=self.training.steps)
        self.is_whole = False
        losses = replay.run(n, self._gradient)
        self.is_whole = True
        self._losses.append((self.step, losses))
        self.step += n
        self._gradient = None

    def _set_up(self) -> None:
        """Make what depends on which runs are in the batch."""
        n_parts = self.training.accumulate
        self._dropping = self._replay = None
        if self.drops:
            rates = [config.training.dropout for config in self.configs.values()]
            self._dropping = Dropping(
                self.feed.order_seeds, rates, n_parts=n_parts, device=self.device
            )
        if self._recorder is not None:
            self._replay = Replay(
                self._recorder,
                self.program,
                self.weights,
                self.feed,
                self._dropping,
                n_parts=n_parts,
            )
        self._asked: dict[str, list[int]] = {}

    def _dropped(self, step: int) -> Dropped:
        """What an update leaves out, told from the host."""
        if self._dropping is None:
            return lambda *_: ()
        keys = self._dropping.keys(step, 1)[0].to(self.device)
        return partial(self._dropping.of, keys)
