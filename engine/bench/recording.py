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
    """One row a stretch: rates, and medians over rounds of their ratios.

    Runs train side by side in one process and take turns at every block of steps, so that a
    machine that slows down slows all: two bare ones, and after each of them, in the same caches,
    one that is evaluated and photographed, and one whose evaluations, maps and checkpoints are
    also written to a disk. A round that is not counted comes first: it loads what a worker has
    loaded while it stood by.
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
    _round(config, stretch)
    rounds = [_round(config, stretch) for _ in range(options.rounds)]
    ratios = {
        "measured_to_bare": [(bare, measured) for bare, measured, _ in rounds],
        "recorded_to_measured": [(measured, told) for _, measured, told in rounds],
        "recorded_to_bare": [(bare, told) for bare, _, told in rounds],
    }
    by_clock = {name: median(x.wall / y.wall for x, y in each) for name, each in ratios.items()}
    by_processor = {
        f"{name}_by_cpu_time": median(x.cpu / y.cpu for x, y in each)
        for name, each in ratios.items()
    }
    return {
        "preset": stretch.preset,
        "from_step": stretch.first,
        "steps": stretch.n_steps,
        "bare_steps_per_second": stretch.n_steps / median(bare.wall for bare, _, _ in rounds),
        "recorded_steps_per_second": stretch.n_steps / median(told.wall for _, _, told in rounds),
        **by_clock,
        **by_processor,
    }


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of the clock, and of the processor, which other processes disturb less."""

    wall: float
    cpu: float


class _Beside:
    """The same run with nothing recorded, which follows the recorded one block by block."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._cost = Cost(0.0, 0.0)

    @property
    def cost(self) -> Cost:
        """What it took so far, of this thread alone: others write for the recorded run."""
        return self._cost

    def follow(self, step: int) -> None:
        """Train to a step."""
        wall, cpu = time.perf_counter(), time.thread_time()
        self._go(step)
        wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
        self._cost = Cost(self._cost.wall + wall, self._cost.cpu + cpu)

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


def _round(config: RunConfig, stretch: Stretch) -> tuple[Cost, Cost, Cost]:
    """What a bare, a measured and a recorded run cost."""
    bare, bare_too = (_Beside(_batch(config, stretch)) for _ in range(2))
    measured = _Measured(_batch(config, stretch))
    beside = bare, measured, bare_too
    batch = _batch(config, stretch)

    of_others = 0.0

    def between_blocks() -> bool:
        nonlocal of_others
        for each in beside:
            each.follow(batch.step)
        of_others = sum(each.cost.wall for each in beside)
        return False

    def own_clock() -> float:
        """Without the others: a block of steps is as long as when it trains alone."""
        return time.monotonic() - of_others

    with tempfile.TemporaryDirectory() as folder:
        run = Home(Path(folder)).create().run(1).create()
        recorder = Recorder(run, RunLock(run.lock), attempt=1, scribe=new_scribe())
        session = Session(
            batch,
            {1: recorder},
            checkpoint_seconds=10.0,
            terminated=between_blocks,
            clock=own_clock,
        )
        wall, cpu = time.perf_counter(), time.process_time()
        session.run()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    told = Cost(wall - of_others, cpu - sum(each.cost.cpu for each in beside))
    return _mean(bare.cost, bare_too.cost), measured.cost, told


def _mean(one: Cost, other: Cost) -> Cost:
    return Cost((one.wall + other.wall) / 2, (one.cpu + other.cpu) / 2)


def _batch(config: RunConfig, stretch: Stretch) -> Batch:
    """A run at the stretch's first step, warm where it has steps before that."""
    fresh = Batch.start({1: config})
    before = min(WARM_STEPS, stretch.first)
    batch = Batch.resume({1: config}, {1: fresh.state(1)}, stretch.first - before)
    if before:
        batch.advance(before)
        batch.diverged()  # waits for the device
    return batch
