"""Which ways of training one setting take turns, and that all of them train the same thing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import torch

from data import TaskData, build_task
from engine.bench.options import chosen
from engine.bench.peers import gpt2
from engine.bench.peers.loop import PeerLoop, Weights
from engine.bench.training.arithmetic import FUSED, in_way, set_arithmetic, wait, ways
from engine.bench.training.rounds import Arm
from engine.bench.training.settings import MakeLoop, Setting
from engine.config import RunConfig, apply
from engine.trainer.batch import Batch
from engine.trainer.compiling import pays
from engine.trainer.events import Diverged, Event, Finished, Progress
from engine.trainer.train import train

PEERS, EAGER, EVALUATING, TRANSFORMERS = "peers", "eager", "engine-evaluating", "transformers"
ENGINE = "engine-"
"""Followed by the arithmetic of the products."""

WORDS = {
    PEERS: "the peers' loop",
    EAGER: "eager, no evaluation",
    f"{ENGINE}float32": "engine, float32",
    f"{ENGINE}tf32": "engine, tf32",
    f"{ENGINE}bfloat16": "engine, bfloat16",
    f"{ENGINE}tf32{FUSED}": "engine, tf32, MLP in one kernel",
    f"{ENGINE}bfloat16{FUSED}": "engine, bfloat16, MLP in one kernel",
    EVALUATING: "engine, float32, with its evaluations",
    TRANSFORMERS: "transformers' GPT-2, eager",
}
"""What the arms are called in tables, by name."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One way of training a setting."""

    arm: Arm | None
    """None: it cannot be measured here, see `note`."""
    precision: str = "float32"
    n_parameters: int | None = None
    loss_after: float | None = None
    """On the same training rows for all, after `Setting.probe_steps` updates from one start."""
    note: str = ""


class Contest:
    """The contenders of one setting, all started from the engine's initial weights."""

    def __init__(self, setting: Setting, *, device: torch.device, threads: int) -> None:
        self.setting, self.device = setting, device
        self.config = endless(setting.config, device=device, threads=threads)
        self._losses: dict[PeerLoop, float] = {}

    def names(self, wanted: tuple[str, ...]) -> tuple[str, ...]:
        """The arms that are compared, of those wanted or of all.

        Raises:
            SettingsError: for a name that no arm has.
        """
        here = [
            PEERS,
            EAGER,
            *(f"{ENGINE}{way}" for way in ways(self.config, self.device)),
            *([EVALUATING] if self.setting.evaluates else []),
            *([TRANSFORMERS] if self.setting.gpt2 else []),
        ]
        return tuple(name for name in here if name in chosen(wanted, list(WORDS), what="arm"))

    def contender(self, name: str) -> Contender:
        """One of them, built, and trained for the probe's steps."""
        if name in (PEERS, EAGER):
            return self._loop(self._plain, "float32", evaluate=name == PEERS)
        if name == TRANSFORMERS:
            if not gpt2.installed():
                return Contender(None, note="transformers is not installed")
            precision = "tf32" if self.device.type == "cuda" else "float32"
            assert self.setting.gpt2 is not None
            return self._loop(self._peer(self.setting.gpt2), precision, evaluate=False)
        if name == EVALUATING:
            budget = {"training.steps": self.setting.config.training.steps}
            return self._engine(apply(self._with("float32"), budget), evaluating)
        return self._engine(self._with(name.removeprefix(ENGINE)), advancing)

    def loss_of(self, weights: Weights) -> float:
        """The loss of any weights, computed by the peer's network."""
        self._judge.start_from(weights)
        return self._judge.loss()

    @cached_property
    def task(self) -> TaskData:
        """The data, split by the seed of the run."""
        training = self.config.training
        seed = training.seed if training.split_seed is None else training.split_seed
        return build_task(self.config.task, seed=seed)

    @cached_property
    def initial(self) -> Weights:
        """The weights that all start from."""
        return Batch.start({0: self._with("float32")}, device=self.device).state(0)

    @cached_property
    def _judge(self) -> PeerLoop:
        return self.setting.peer(self.task, self.config, self.device)

    @cached_property
    def _plain(self) -> PeerLoop:
        """One network for the loop with and without evaluation: they take turns on it."""
        return self._peer(self.setting.peer)

    def _peer(self, make: MakeLoop) -> PeerLoop:
        loop = make(self.task, self.config, self.device)
        loop.start_from(self.initial)
        return loop

    def _loop(self, loop: PeerLoop, precision: str, *, evaluate: bool) -> Contender:
        def steps(n_steps: int) -> None:
            set_arithmetic(precision, self.device)
            loop.train(n_steps, evaluate=evaluate)

        if loop not in self._losses:
            steps(self.setting.probe_steps)
            self._losses[loop] = loop.loss()
        arm = Arm(steps, loop.period, warm=True)
        return Contender(arm, precision, loop.n_parameters, self._losses[loop])

    def _engine(self, config: RunConfig, how: "Drive") -> Contender:
        precision = config.training.precision
        batch = Batch.start({0: config}, device=self.device)
        batch.advance(self.setting.probe_steps)
        loss = self.loss_of(batch.state(0))
        drive = how(batch)

        def steps(n_steps: int) -> None:
            set_arithmetic(precision, self.device)
            drive(n_steps)
            wait(self.device)

        return Contender(Arm(steps, warm=True), precision, batch.n_parameters, loss)

    def _with(self, way: str) -> RunConfig:
        return in_way(self.config, way)


def endless(config: RunConfig, *, device: torch.device, threads: int) -> RunConfig:
    """The same run on a device, with a budget that no measurement exhausts.

    Its step is compiled where that of the run itself would be, whose budget is another.
    """
    changes = {"device": device.type, "threads": threads, "steps": 10_000_000}
    if config.training.compile == "auto" and not pays(config, device.type):
        changes["compile"] = "never"
    return apply(config, {f"training.{name}": value for name, value in changes.items()})


Drive = Callable[[Batch], Callable[[int], None]]
"""A batch → what makes it go on for so many steps and waits for them."""


def advancing(batch: Batch) -> Callable[[int], None]:
    """Updates, with a look for losses that are not finite at the end."""

    def drive(n_steps: int) -> None:
        batch.advance(n_steps)
        assert not batch.diverged()

    return drive


EVALUATED_FROM = 2_000
"""Past the steps whose evaluations are log-spaced: the rate of a run's long middle."""


def evaluating(batch: Batch) -> Callable[[int], None]:
    """The trainer as workers drive it, with evaluations and attention maps; nothing is stored."""
    first = min(EVALUATED_FROM, batch.training.steps // 2)
    configs, states = dict(batch.configs), {run: batch.state(run) for run in batch.runs}
    left = 0

    def events() -> Iterator[Event]:
        while True:  # a run that is done is begun again
            again = Batch.resume(configs, states, first, device=batch.device)
            yield from train(again, block_steps=lambda: max(left, 1))

    stream, step = events(), first

    def drive(n_steps: int) -> None:
        nonlocal left, step
        left = n_steps
        while left > 0:
            match next(stream):
                case Progress(reached):
                    left -= reached - step
                    step = reached
                case Finished():
                    step = first
                case Diverged(_, _, message):
                    raise AssertionError(message)
                case _:
                    pass

    return drive
