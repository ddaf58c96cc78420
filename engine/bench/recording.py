"""What recording costs: steps per second with everything recorded against nothing recorded."""

import gc
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch

from engine.bench.machine import pick
from engine.bench.options import Options
from engine.bench.progress import say
from engine.config import RunConfig, apply
from engine.config.presets import PRESETS
from engine.home import Home
from engine.trainer.batch import Batch
from engine.trainer.events import Progress
from engine.trainer.train import train
from engine.worker.lock import RunLock
from engine.worker.recorder import Recorder, new_scribe
from engine.worker.session import Session

WARM_STEPS = 5
ON_CUDA = 20
"""A stretch is so many times as long there, where steps are so much shorter."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a preset's run: recording is denser at the start, where steps are log-spaced."""

    preset: str
    first: int
    n_steps: int


STRETCHES = (
    Stretch("quick", 0, 1_500),
    Stretch("nanda", 5_000, 600),
)


def recording(options: Options) -> list[dict[str, Any]]:
    """One row a stretch: rates, and their ratios.

    Runs train side by side in one process and take turns at every block of steps, so that a
    machine that slows down slows all: two bare ones, and after each of them, in the same caches,
    one that is evaluated and photographed, and one whose evaluations, maps and checkpoints are
    also written to a disk. The turns are the same in each round, so a turn's cost is the median
    over rounds of what it took more than the run beside it: other processes hold up a turn for
    longer than all recording takes. A round that is not counted comes first: it loads what a
    worker has loaded while it stood by.
    """
    torch.set_num_threads(options.threads)
    gc.freeze()  # as a worker does
    try:
        return [_row(stretch, options) for stretch in STRETCHES]
    finally:
        gc.unfreeze()


def _row(stretch: Stretch, options: Options) -> dict[str, Any]:
    device = pick(options.device)
    if device.type == "cuda":
        stretch = replace(stretch, n_steps=stretch.n_steps * ON_CUDA)
    say(f"recording: {stretch.preset}, {options.rounds} rounds")
    changes = {
        "training.steps": stretch.first + stretch.n_steps,
        "training.device": device.type,
        "training.threads": options.threads,
    }
    config = apply(PRESETS[stretch.preset].config, changes)
    loading = _round(config, stretch, seconds_per_step=None)
    pace = sum(turn.recorded.wall for turn in loading) / stretch.n_steps
    rounds = [_round(config, stretch, seconds_per_step=pace) for _ in range(options.rounds)]
    bare = _added([[turn.bare for turn in each] for each in rounds])
    evaluating = _added([[turn.measured - turn.bare for turn in each] for each in rounds])
    writing = _added([[turn.recorded - turn.measured for turn in each] for each in rounds])
    measured, recorded = bare + evaluating, bare + evaluating + writing
    pairs = {
        "measured_to_bare": (bare, measured),
        "recorded_to_measured": (measured, recorded),
        "recorded_to_bare": (bare, recorded),
    }
    return {
        "preset": stretch.preset,
        "from_step": stretch.first,
        "steps": stretch.n_steps,
        "bare_steps_per_second": stretch.n_steps / bare.wall,
        "recorded_steps_per_second": stretch.n_steps / recorded.wall,
        **{name: x.wall / y.wall for name, (x, y) in pairs.items()},
        **{f"{name}_by_cpu_time": x.cpu / y.cpu for name, (x, y) in pairs.items()},
    }


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of the clock, and of the processor, which other processes disturb less."""

    wall: float = 0.0
    cpu: float = 0.0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.wall + other.wall, self.cpu + other.cpu)

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(self.wall - other.wall, self.cpu - other.cpu)

    @property
    def half(self) -> "Cost":
        """One of two that cost this together."""
        return Cost(self.wall / 2, self.cpu / 2)


@dataclass(frozen=True, slots=True)
class Turn:
    """What a block of steps cost, and what was due after it."""

    bare: Cost
    measured: Cost
    recorded: Cost


def _added(rounds: list[list[Cost]]) -> Cost:
    """The sum over turns of each one's median over rounds."""
    turns = list(zip(*rounds, strict=True))
    return Cost(
        sum(median(cost.wall for cost in turn) for turn in turns),
        sum(median(cost.cpu for cost in turn) for turn in turns),
    )


class _Beside:
    """The same run with nothing recorded, which follows the recorded one block by block."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    def follow(self, step: int) -> Cost:
        """Train to a step; what it took, of this thread alone: others write for the recorded."""
        wall, cpu = time.perf_counter(), time.thread_time()
        self._go(step)
        return Cost(time.perf_counter() - wall, time.thread_time() - cpu)

    def _go(self, step: int) -> None:
        self._batch.advance_to(step)
        assert not self._batch.diverged()  # waits for the device


class _Measured(_Beside):
    """One that is evaluated and photographed as the recorded one is."""

    def __init__(self, batch: Batch) -> None:
        super().__init__(batch)
        self._events = train(batch)
        self._told = batch.step

    def _go(self, step: int) -> None:
        while self._told < step:
            event = next(self._events)
            if isinstance(event, Progress):
                self._told = event.step


def _round(config: RunConfig, stretch: Stretch, *, seconds_per_step: float | None) -> list[Turn]:
    """What the turns of a bare, a measured and a recorded run cost; the last one is its end.

    The recorded run's clock leaves the others out, so that its blocks are as long as when it
    trains alone; where `seconds_per_step` is given it counts steps, and blocks are as before.
    """
    bare, bare_too = (_Beside(_batch(config, stretch)) for _ in range(2))
    measured = _Measured(_batch(config, stretch))
    batch = _batch(config, stretch)
    turns: list[Turn] = []
    of_others = 0.0

    def clock() -> float:
        if seconds_per_step is None:
            return time.monotonic() - of_others
        return seconds_per_step * batch.step

    def between_blocks() -> bool:
        nonlocal wall, cpu, of_others
        own = time.perf_counter() - wall
        first, its, last = (each.follow(batch.step) for each in (bare, measured, bare_too))
        others = first + its + last
        # other threads go on to write for the recorded run in the turns of the others
        recorded = Cost(own, time.process_time() - cpu - others.cpu)
        turns.append(Turn((first + last).half, its, recorded))
        of_others += others.wall
        wall, cpu = time.perf_counter(), time.process_time()
        return False

    with tempfile.TemporaryDirectory() as folder:
        run = Home(Path(folder)).create().run(1).create()
        recorder = Recorder(run, RunLock(run.lock), attempt=1, scribe=new_scribe())
        session = Session(
            batch,
            {1: recorder},
            checkpoint_seconds=10.0,
            terminated=between_blocks,
            clock=clock,
        )
        wall, cpu = time.perf_counter(), time.process_time()
        session.run()
        end = Cost(time.perf_counter() - wall, time.process_time() - cpu)
    return [*turns, Turn(Cost(), Cost(), end)]


def _batch(config: RunConfig, stretch: Stretch) -> Batch:
    """A run at the stretch's first step, warm where it has steps before that."""
    fresh = Batch.start({1: config})
    before = min(WARM_STEPS, stretch.first)
    batch = Batch.resume({1: config}, {1: fresh.state(1)}, stretch.first - before)
    if before:
        batch.advance(before)
        batch.diverged()  # waits for the device
    return batch
