"""What recording costs: steps per second with everything recorded against nothing recorded."""

import tempfile
import time
from collections.abc import Callable
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
from engine.worker.lock import RunLock
from engine.worker.recorder import Recorder
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
    Stretch("nanda", 5_000, 300),
)


def recording(options: Options) -> list[dict[str, Any]]:
    """One row a stretch: both rates, and the median over rounds of recorded ÷ bare.

    The rounds of both kinds alternate within one process, so that a machine that slows down
    slows both. The recorded half journals, evaluates, snapshots and checkpoints to a disk.
    """
    torch.set_num_threads(options.threads)
    return [_row(stretch, options) for stretch in STRETCHES]


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
    pairs = [(_bare(config, stretch), _recorded(config, stretch)) for _ in range(options.rounds)]
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
    """A run at the stretch's first step, warm where it has steps before that."""
    fresh = Batch.start({1: config})
    before = min(WARM_STEPS, stretch.first)
    batch = Batch.resume({1: config}, {1: fresh.state(1)}, stretch.first - before)
    if before:
        batch.advance(before)
        batch.diverged()  # waits for the device
    return batch


def _bare(config: RunConfig, stretch: Stretch) -> Rate:
    batch = _batch(config, stretch)

    def train() -> None:
        batch.advance(stretch.n_steps)
        assert not batch.diverged()

    return _rate(train, stretch.n_steps)


def _recorded(config: RunConfig, stretch: Stretch) -> Rate:
    with tempfile.TemporaryDirectory() as folder:
        run = Home(Path(folder)).create().run(1).create()
        recorder = Recorder(run, RunLock(run.lock), attempt=1)
        batch = _batch(config, stretch)
        session = Session(batch, {1: recorder}, checkpoint_seconds=10.0, terminated=lambda: False)
        return _rate(session.run, stretch.n_steps)
