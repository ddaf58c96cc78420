"""What recording costs: steps per second with everything recorded against nothing recorded."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from engine.config import RunConfig, apply
from engine.config.presets import PRESETS
from engine.home import Home
from engine.trainer.batch import Batch
from engine.worker.lock import RunLock
from engine.worker.recorder import Recorder
from engine.worker.session import Session

ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a preset's run: recording is denser at the start, where steps are log-spaced."""

    preset: str
    first: int
    n_steps: int


STRETCHES = (
    Stretch("quick", 0, 1_500),
    Stretch("nanda", 5_000, 300),
)


def recording() -> list[dict[str, Any]]:
    """One row a stretch: both rates, and the median over rounds of recorded ÷ bare.

    The rounds of both kinds alternate within one process, so that a machine that slows down
    slows both. The recorded half journals, evaluates, snapshots and checkpoints to a disk.
    """
    torch.set_num_threads(1)
    return [_row(stretch) for stretch in STRETCHES]


def _row(stretch: Stretch) -> dict[str, Any]:
    budget = {"training.steps": stretch.first + stretch.n_steps, "training.device": "cpu"}
    config = apply(PRESETS[stretch.preset].config, budget)
    pairs = [(_bare(config, stretch), _recorded(config, stretch)) for _ in range(ROUNDS)]
    return {
        "preset": stretch.preset,
        "from_step": stretch.first,
        "steps": stretch.n_steps,
        "bare_steps_per_second": median(bare.wall for bare, _ in pairs),
        "recorded_steps_per_second": median(recorded.wall for _, recorded in pairs),
        "recorded_to_bare": median(recorded.wall / bare.wall for bare, recorded in pairs),
        "recorded_to_bare_by_cpu_time": median(told.cpu / bare.cpu for bare, told in pairs),
    }


@dataclass(frozen=True, slots=True)
class Rate:
    """Steps per second of the clock, and of the processor, which other processes disturb less."""

    wall: float
    cpu: float


def _rate(train: Callable[[], object], n_steps: int) -> Rate:
    wall, cpu = time.perf_counter(), time.process_time()
    train()
    return Rate(n_steps / (time.perf_counter() - wall), n_steps / (time.process_time() - cpu))


def _batch(config: RunConfig, stretch: Stretch) -> Batch:
    fresh = Batch.start({1: config})
    batch = Batch.resume({1: config}, {1: fresh.state(1)}, stretch.first)
    batch.advance(5)
    return Batch.resume({1: config}, {1: batch.state(1)}, stretch.first)


def _bare(config: RunConfig, stretch: Stretch) -> Rate:
    batch = _batch(config, stretch)
    rate = _rate(lambda: batch.advance(stretch.n_steps), stretch.n_steps)
    assert not batch.diverged()
    return rate


def _recorded(config: RunConfig, stretch: Stretch) -> Rate:
    with tempfile.TemporaryDirectory() as folder:
        run = Home(Path(folder)).create().run(1).create()
        recorder = Recorder(run, RunLock(run.lock), attempt=1)
        batch = _batch(config, stretch)
        session = Session(batch, {1: recorder}, checkpoint_seconds=10, terminated=lambda: False)
        return _rate(session.run, stretch.n_steps)
