"""What recording costs: steps per second with everything recorded against nothing recorded."""

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
    Stretch("nanda", 5_000, 600),
)


def recording(options: Options) -> list[dict[str, Any]]:
    """One row a stretch: both rates, and the median over rounds of recorded ÷ bare.

    Both kinds train side by side in one process and take turns at every block of steps, so that a
    machine that slows down slows both. The recorded one journals, evaluates, snapshots and
    checkpoints to a disk.
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
    pairs = [_pair(config, stretch) for _ in range(options.rounds)]
    return {
        "preset": stretch.preset,
        "from_step": stretch.first,
        "steps": stretch.n_steps,
        "bare_steps_per_second": stretch.n_steps / median(bare.wall for bare, _ in pairs),
        "recorded_steps_per_second": stretch.n_steps / median(told.wall for _, told in pairs),
        "recorded_to_bare": median(bare.wall / told.wall for bare, told in pairs),
        "recorded_to_bare_by_cpu_time": median(bare.cpu / told.cpu for bare, told in pairs),
    }


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of the clock, and of the processor, which other processes disturb less."""

    wall: float
    cpu: float


class _Bare:
    """The same run with nothing recorded, which follows the other one step by step."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self.wall = self.cpu = 0.0

    def follow(self, step: int) -> None:
        """Train to a step, and count what this thread takes; others write for the recorded run."""
        wall, cpu = time.perf_counter(), time.thread_time()
        self._batch.advance_to(step)
        assert not self._batch.diverged()  # waits for the device
        self.wall += time.perf_counter() - wall
        self.cpu += time.thread_time() - cpu


def _pair(config: RunConfig, stretch: Stretch) -> tuple[Cost, Cost]:
    """What a bare and a recorded run cost."""
    bare, batch = _Bare(_batch(config, stretch)), _batch(config, stretch)

    def between_blocks() -> bool:
        bare.follow(batch.step)
        return False

    with tempfile.TemporaryDirectory() as folder:
        run = Home(Path(folder)).create().run(1).create()
        recorder = Recorder(run, RunLock(run.lock), attempt=1)
        session = Session(batch, {1: recorder}, checkpoint_seconds=10.0, terminated=between_blocks)
        wall, cpu = time.perf_counter(), time.process_time()
        session.run()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Cost(bare.wall, bare.cpu), Cost(wall - bare.wall, cpu - bare.cpu)


def _batch(config: RunConfig, stretch: Stretch) -> Batch:
    """A run at the stretch's first step, warm where it has steps before that."""
    fresh = Batch.start({1: config})
    before = min(WARM_STEPS, stretch.first)
    batch = Batch.resume({1: config}, {1: fresh.state(1)}, stretch.first - before)
    if before:
        batch.advance(before)
        batch.diverged()  # waits for the device
    return batch
