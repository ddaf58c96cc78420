"""What recording costs: steps per second with everything recorded against nothing recorded."""

import tempfile
import time
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
    Stretch("nanda", 5_000, 400),
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
        "bare_steps_per_second": median(bare for bare, _ in pairs),
        "recorded_steps_per_second": median(recorded for _, recorded in pairs),
        "recorded_to_bare": median(recorded / bare for bare, recorded in pairs),
    }


def _batch(config: RunConfig, stretch: Stretch) -> Batch:
    fresh = Batch.start({1: config})
    batch = Batch.resume({1: config}, {1: fresh.state(1)}, stretch.first)
    batch.advance(5)
    return Batch.resume({1: config}, {1: batch.state(1)}, stretch.first)


def _bare(config: RunConfig, stretch: Stretch) -> float:
    batch = _batch(config, stretch)
    started = time.perf_counter()
    batch.advance(stretch.n_steps)
    assert not batch.diverged()
    return stretch.n_steps / (time.perf_counter() - started)


def _recorded(config: RunConfig, stretch: Stretch) -> float:
    with tempfile.TemporaryDirectory() as folder:
        run = Home(Path(folder)).create().run(1).create()
        recorder = Recorder(run, RunLock(run.lock), attempt=1)
        batch = _batch(config, stretch)
        session = Session(batch, {1: recorder}, checkpoint_seconds=10, terminated=lambda: False)
        started = time.perf_counter()
        session.run()
        return stretch.n_steps / (time.perf_counter() - started)
