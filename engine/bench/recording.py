"""What recording costs: steps per second with everything recorded against nothing recorded."""

import tempfile
import time
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
STEPS = {"quick": 2_000, "nanda": 1_000}


def recording() -> list[dict[str, Any]]:
    """One row a preset: both rates, and the median over rounds of recorded ÷ bare.

    The rounds of both kinds alternate within one process, so that a machine that slows down
    slows both. The recorded half journals, evaluates, snapshots and checkpoints to a disk.
    """
    torch.set_num_threads(1)
    return [_row(preset, steps) for preset, steps in STEPS.items()]


def _row(preset: str, steps: int) -> dict[str, Any]:
    config = apply(PRESETS[preset].config, {"training.steps": steps, "training.device": "cpu"})
    _bare(config, steps // 10)
    pairs = [(_bare(config, steps), _recorded(config, steps)) for _ in range(ROUNDS)]
    return {
        "preset": preset,
        "steps": steps,
        "bare_steps_per_second": median(bare for bare, _ in pairs),
        "recorded_steps_per_second": median(recorded for _, recorded in pairs),
        "recorded_to_bare": median(recorded / bare for bare, recorded in pairs),
    }


def _bare(config: RunConfig, steps: int) -> float:
    batch = Batch.start({1: config})
    started = time.perf_counter()
    batch.advance(steps)
    assert not batch.diverged()
    return steps / (time.perf_counter() - started)


def _recorded(config: RunConfig, steps: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        run = Home(Path(folder)).create().run(1).create()
        recorder = Recorder(run, RunLock(run.lock), attempt=1)
        session = Session(
            Batch.start({1: config}), {1: recorder}, checkpoint_seconds=10, terminated=lambda: False
        )
        started = time.perf_counter()
        session.run()
        return steps / (time.perf_counter() - started)
