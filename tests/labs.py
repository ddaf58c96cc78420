"""What tests do with a lab: tiny runs, waiting for what becomes of them, leaving it empty."""

import random
import shutil
import time
from collections.abc import Callable
from typing import Any

from engine import Lab, RunConfig, apply
from tests.processes import step_aside

TINY = apply(
    RunConfig(),
    {
        "task.p": 11,
        "model.d_model": 16,
        "model.n_heads": 2,
        "model.d_mlp": 32,
        "training.steps": 1500,
        "training.eval_every": 10,
        "training.compile": "never",
    },
)
ENDLESS = apply(TINY, {"training.steps": 10_000_000})
OVER = ("finished", "stopped", "failed", "lost")


def until(claim: Callable[[], Any], seconds: float = 60.0) -> Any:
    """The first truthy answer."""
    deadline = time.monotonic() + seconds
    while not (answer := claim()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
    return answer


def some_moment(chance: random.Random, longest_seconds: float) -> None:
    """Let an unforeseeable while pass: kills must be harmless at every moment."""
    time.sleep(chance.uniform(0.0, longest_seconds))


def row(lab: Lab, run: int) -> dict[str, Any]:
    return lab.runs([run])[0]


def state(lab: Lab, run: int) -> str:
    return row(lab, run)["state"]


def reaches(lab: Lab, run: int, step: int) -> None:
    """Wait for a step; what is trained from then on is not waited for."""
    until(lambda: row(lab, run)["last_step"] >= step)
    step_aside(lab.home)


def ends(lab: Lab, run: int) -> dict[str, Any]:
    until(lambda: state(lab, run) in OVER)
    return row(lab, run)


def empty(lab: Lab) -> None:
    """Kill what trains, and delete every run and upload; the daemon stays."""
    for run in lab.runs():
        if run["state"] not in OVER:
            lab.kill(run["run_id"])
    for run in lab.runs():
        ends(lab, run["run_id"])
        lab.delete(run["run_id"])
    shutil.rmtree(lab.home.uploads, ignore_errors=True)
